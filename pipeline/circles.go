package pipeline

import (
	"maps"
	"slices"
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
