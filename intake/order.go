package intake

import (
	"slices"
	"strings"
)

// order returns the items that are not refused, each behind those it waits for and otherwise as the
// source has them. All items that wait for each other in circles are refused. What waited for a refused
// item waits for it no more.
func (p *planner) order() []int {
	s := sorter{planner: p, entered: make([]int, len(p.items)), lowest: make([]int, len(p.items)), done: make([]bool, len(p.items))}
	for i := range p.items {
		s.visit(i)
	}
	p.dropRefused()
	return slices.DeleteFunc(s.sorted, func(i int) bool { return p.items[i].refused })
}

// sorter finds the order and the circles in one walk: Tarjan's strongly connected components, which
// come out dependencies first.
type sorter struct {
	*planner
	// entered counts the items from 1 as the walk enters them. 0: not entered yet.
	entered []int
	// lowest holds the first entered item that an item's walk has come back to.
	lowest []int
	done   []bool
	count  int
	// path holds the entered items whose component is not known yet.
	path   []int
	sorted []int
}

// visit enters an item in the order, after all that it waits for.
func (s *sorter) visit(i int) {
	if s.items[i].refused || s.entered[i] != 0 {
		return
	}
	s.count++
	s.entered[i], s.lowest[i] = s.count, s.count
	s.path = append(s.path, i)
	for _, w := range s.items[i].waits {
		s.visit(w)
		if s.entered[w] != 0 && !s.done[w] {
			s.lowest[i] = min(s.lowest[i], s.lowest[w])
		}
	}
	if s.lowest[i] != s.entered[i] {
		return
	}
	first := len(s.path) - 1
	for s.path[first] != i {
		first--
	}
	together := slices.Clone(s.path[first:])
	s.path = s.path[:first]
	for _, j := range together {
		s.done[j] = true
	}
	if len(together) > 1 || slices.Contains(s.items[i].waits, i) {
		s.refuseCircle(together)
		return
	}
	s.sorted = append(s.sorted, i)
}

// refuseCircle refuses items that wait for each other, and names the shortest circle of the first.
func (s *sorter) refuseCircle(together []int) {
	slices.Sort(together)
	circle := s.circle(together)
	names := []string{}
	for _, i := range circle {
		names = append(names, s.items[i].ID)
	}
	if len(names) > 8 {
		names = append(names[:7], "...")
	}
	names = append(names, s.items[circle[0]].ID)
	text := strings.Join(names, " waits for ")
	for _, i := range together {
		s.refuse(i, "it is in a circle of dependencies: %s; remove one of them", text)
	}
}

// circle returns a shortest circle through the first of items that wait for each other.
func (s *sorter) circle(together []int) []int {
	from := map[int]int{} // for each item, the one that waits for it
	within := map[int]bool{}
	for _, i := range together {
		within[i] = true
	}
	start := together[0]
	for queue := []int{start}; len(queue) > 0; queue = queue[1:] {
		i := queue[0]
		for _, w := range s.items[i].waits {
			if w == start {
				path := []int{}
				for ; i != start; i = from[i] {
					path = append(path, i)
				}
				slices.Reverse(path)
				return append([]int{start}, path...)
			}
			if _, seen := from[w]; !seen && within[w] {
				from[w] = i
				queue = append(queue, w)
			}
		}
	}
	return together
}

// dropRefused takes refused items out of what others wait for. Without leave to skip them nothing is
// brought in, so that nothing is to be said of this.
func (p *planner) dropRefused() {
	for i := range p.items {
		it := &p.items[i]
		if it.refused {
			continue
		}
		it.waits = slices.DeleteFunc(it.waits, func(w int) bool {
			if p.items[w].refused && p.options.SkipBad {
				p.warn(it.At, "it depends on %s, which is left out; the dependency is dropped", p.items[w].ID)
			}
			return p.items[w].refused
		})
	}
}
