package pipeline

import "slices"

// Bounds of the searches for circles, with their reasons. They count edges: the
// dependencies of single stories that a search reads from the source.
const (
	// maxEdgesWrite bounds the search before a write. It is far beyond what people plan,
	// and reading so many edges takes some tenths of a second.
	maxEdgesWrite = 20_000
	// maxEdgesShown bounds what all stories that one State shows may read together: a
	// page of a list must not cost more than a page of stories does.
	maxEdgesShown = 2_000
	// maxStepsShown bounds how often these edges are followed, since every story shown is
	// a search of its own.
	maxStepsShown = 50_000
	// maxEdgesAll bounds the search for all circles, which a person asks for.
	maxEdgesAll = 100_000
)

// A follow function returns the edges of the stories with a number that a search goes
// along. They are not whole if the search has no room for others, and then it ends.
type follow func(n uint32) (edges []Edge, whole bool)

// circle returns the shortest way from the story id, were it to depend on the
// numbers, over depends_on back to its own number: the stories on it, id first. It
// is nil if no edge that is followed closes one. Whole reports whether all were followed.
func circle(id string, dependsOn []uint32, follow follow) (way []string, whole bool) {
	own, ok := Number(id)
	if !ok || len(dependsOn) == 0 {
		return nil, true
	}
	type step struct {
		number uint32
		story  string // which depends on the number
		from   int    // the step to that story's number, -1 at the start
	}
	var steps []step
	seen := make(map[uint32]bool)
	reach := func(next step) bool {
		if !seen[next.number] {
			seen[next.number] = true
			steps = append(steps, next)
		}
		return next.number == own
	}
	spell := func(last int) []string {
		for at := last; at >= 0; at = steps[at].from {
			way = append(way, steps[at].story)
		}
		slices.Reverse(way)
		return way
	}
	for _, n := range dependsOn {
		if reach(step{n, id, -1}) {
			return spell(len(steps) - 1), true
		}
	}
	for at := 0; at < len(steps); at++ {
		edges, whole := follow(steps[at].number)
		for _, e := range edges {
			if reach(step{e.Number, e.Story, at}) {
				return spell(len(steps) - 1), true
			}
		}
		if !whole {
			return nil, false
		}
	}
	return nil, true
}

// findCircle returns the circle that the story would close if it depended on the
// numbers, nil if there is none. A way over finished stories counts, since a finished
// story that is taken back to an earlier stage would close the circle. When the search
// had to end before, the transaction warns of that.
func (tx *Tx) findCircle(id string, dependsOn []uint32) []string {
	own, ok := Number(id)
	if !ok || len(dependsOn) == 0 {
		return nil
	}
	if _, count := tx.state.dependents(own, id, false, 0); count == 0 && !slices.Contains(dependsOn, own) {
		return nil
	}
	room := maxEdgesWrite
	way, whole := circle(id, dependsOn, func(n uint32) ([]Edge, bool) {
		edges := tx.state.edges(n, false, room+1)
		whole := len(edges) <= room
		edges = edges[:min(len(edges), room)]
		room -= len(edges)
		return edges, whole
	})
	if way == nil && !whole {
		tx.warn(Fact{Code: CodeSearchEnded, Most: maxEdgesWrite})
	}
	return way
}

// checkCircle refuses dependencies of the transaction's story that would close a
// circle. Those that are there already, merged in from elsewhere, stay.
func (tx *Tx) checkCircle(dependsOn []uint32) error {
	way := tx.findCircle(tx.story, dependsOn)
	if way == nil {
		return nil
	}
	return refuse(Fact{Code: CodeCircle, IDs: way})
}

// openEdges are the edges that keep stories from becoming ready, as far as one State has
// read them for the stories that it shows.
type openEdges struct {
	byNumber map[uint32][]Edge
	read     int // the edges in byNumber
	steps    int // how many edges were followed
}

// openCircleOf returns a circle that keeps the story, which waits on the numbers, from
// becoming ready. It is nil if there is none, or none that the bounds let it find.
func (s *State) openCircleOf(id string, waitingOn []uint32) []string {
	way, _ := circle(id, waitingOn, func(n uint32) ([]Edge, bool) {
		edges, known := s.open.byNumber[n]
		if room := maxEdgesShown - s.open.read; !known && room > 0 {
			if s.open.byNumber == nil {
				s.open.byNumber = make(map[uint32][]Edge)
			}
			edges = s.edges(n, true, room)
			s.open.byNumber[n] = edges
			s.open.read += max(1, len(edges)) // to find none is work, too
		}
		edges = edges[:min(len(edges), maxStepsShown-s.open.steps)]
		s.open.steps += len(edges)
		return edges, true
	})
	return way
}

// Circles returns stories that depend on each other in a circle, so that none of
// them can become ready: a way from the first story over unmet dependencies back
// to it, for at least one circle of those that are entangled. In a pipeline with very
// many dependencies it looks at the stories with the least numbers.
func (s *State) Circles() [][]string {
	c := circleSearch{state: s, room: maxEdgesAll, seen: make(map[uint32]bool), closed: make(map[uint32]bool)}
	for after := int64(-1); s.err == nil && c.room > 0; {
		numbers, err := s.src.Dependent(after, circlePage)
		for _, n := range keep(s, numbers, err) {
			c.visit(n)
			after = int64(n)
		}
		if len(numbers) < circlePage {
			break
		}
	}
	if s.err != nil {
		return nil
	}
	return c.found
}

// circlePage is how many numbers a search for all circles asks for at once.
const circlePage = 1000

// circleSearch is a depth-first search over numbers, since it is a number that
// stories depend on: a way over numbers that comes back to one is a way over the
// stories that it used.
type circleSearch struct {
	state *State
	room  int             // for so many more edges
	seen  map[uint32]bool // true: it is on the way that is being searched
	way   []circleStep
	// closed are the numbers at which a circle was found.
	closed map[uint32]bool
	found  [][]string
}

type circleStep struct {
	number uint32
	story  string // with this number, whose dependencies are being followed
}

func (c *circleSearch) visit(n uint32) {
	onWay, seen := c.seen[n]
	if onWay {
		c.close(n)
	}
	if seen || c.room <= 0 {
		return
	}
	c.seen[n] = true
	edges := c.state.edges(n, true, c.room)
	c.room -= max(1, len(edges)) // a number without edges is work, too
	for _, e := range edges {
		c.way = append(c.way, circleStep{n, e.Story})
		c.visit(e.Number)
		c.way = c.way[:len(c.way)-1]
	}
	c.seen[n] = false
}

// close notes the circle that the way makes with the number n, which is on it:
// one for each number, of which thousands of stories may close one.
func (c *circleSearch) close(n uint32) {
	if c.closed[n] {
		return
	}
	c.closed[n] = true
	start := slices.IndexFunc(c.way, func(step circleStep) bool { return step.number == n })
	var circle []string
	for _, step := range c.way[start:] {
		circle = append(circle, step.story)
	}
	c.found = append(c.found, circle)
}
