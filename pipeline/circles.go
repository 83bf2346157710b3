package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// Circles returns stories that depend on each other in a circle, so that none of
// them can become ready: a way from the first story over unmet dependencies back
// to it, for at least one circle of those that are entangled. It takes one look at
// each story.
func (s *State) Circles() [][]string {
	c := circleSearch{state: s, seen: make(map[uint32]bool), closed: make(map[uint32]bool)}
	for _, n := range slices.Sorted(maps.Keys(s.numbers)) {
		c.visit(n)
	}
	return c.found
}

// circleSearch is a depth-first search over numbers, since it is a number that
// stories depend on: a way over numbers that comes back to one is a way over the
// stories that it used.
type circleSearch struct {
	state *State
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
	if seen {
		return
	}
	c.seen[n] = true
	ids, met := c.state.dependency(n)
	if met {
		ids = nil
	}
	for _, id := range ids {
		if c.state.stage(id).met() {
			continue
		}
		c.way = append(c.way, circleStep{n, id})
		for _, next := range c.state.doc.Story(id).Dependencies() {
			c.visit(next)
		}
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

// A search says which ways count for a circle.
type search struct {
	// open: only over dependencies that are not met.
	open bool
	// most bounds the stories looked at.
	most int
}

var (
	// openWay finds what keeps a story from becoming ready, for its readers, who pay
	// for the search with each item.
	openWay = search{open: true, most: 1000}
	// anyWay finds what nobody may add. A way over finished stories counts, since one
	// that is taken back to an earlier stage would close the circle. It looks at each
	// story once at most.
	anyWay = search{most: crdt.MaxStories}
)

// circle returns the shortest way from the story id, were it to depend on the
// numbers, over depends_on back to its own number: the stories on it, id first. It
// is nil if there is none, or none within the search.
func (s *State) circle(id string, dependsOn []uint32, how search) []string {
	own, ok := Number(id)
	if !ok || len(dependsOn) == 0 || !slices.Contains(dependsOn, own) && len(s.dependents[own]) == 0 {
		return nil
	}
	type step struct {
		id   string
		from int // the step before
	}
	way := []step{{id: id}}
	seen := make(map[uint32]bool)
	for at := 0; at < len(way); at++ {
		if at > 0 {
			dependsOn = s.doc.Story(way[at].id).Dependencies()
		}
		for _, n := range dependsOn {
			if seen[n] {
				continue
			}
			seen[n] = true
			ids, met := s.dependency(n)
			if n == own {
				var back []string
				for ; at > 0; at = way[at].from {
					back = append(back, way[at].id)
				}
				back = append(back, id)
				slices.Reverse(back)
				return back
			}
			for _, next := range ids {
				if len(way) < how.most && (!how.open || !met && !s.stage(next).met()) {
					way = append(way, step{next, at})
				}
			}
		}
	}
	return nil
}

// spellCircle writes a way as an arrow from each story to the next, and back to
// the first.
func spellCircle(way []string) string {
	names := slices.Clone(way)
	if len(way) > maxNamed {
		names = append(names[:maxNamed-1], fmt.Sprintf("(%d more)", len(way)-maxNamed), way[len(way)-1])
	}
	return strings.Join(append(names, way[0]), " -> ")
}

// checkCircle refuses dependencies of a story that would close a circle. Those
// that are there already, merged in from elsewhere, stay.
func (s *State) checkCircle(id string, dependsOn []uint32) error {
	way := s.circle(id, dependsOn, anyWay)
	if way == nil {
		return nil
	}
	first, _ := Number(way[min(1, len(way)-1)])
	return invalid(fmt.Sprintf("leave %d out, or %s", first, openCircle(way)), "depends_on would go in a circle: %s", spellCircle(way))
}

// openCircle says how to open a circle at its last story.
func openCircle(way []string) string {
	own, _ := Number(way[0])
	return fmt.Sprintf("take %d out of depends_on of %s first", own, way[len(way)-1])
}
