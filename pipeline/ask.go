package pipeline

import "github.com/huskies/huskies-mcp/crdt"

// This file has what a [State] asks its source. Each method here returns what the source
// answers, and nothing once the source failed. So the rules are written without errors of
// the storage: their loops end, and the caller of the State asks for its Err.

// keep returns the answer v of the source, or notes its error and returns nothing.
func keep[T any](s *State, v T, err error) T {
	if err != nil {
		if s.err == nil {
			s.err = err
		}
		var none T
		return none
	}
	return v
}

func (s *State) known(id string) *crdt.Story {
	if s.err != nil {
		return nil
	}
	c, err := s.src.Story(id)
	return keep(s, c, err)
}

func (s *State) dependencies(id string) []Dependency {
	if s.err != nil {
		return nil
	}
	on, err := s.src.Dependencies(id)
	return keep(s, on, err)
}

func (s *State) number(n uint32) NumberState {
	if s.err != nil {
		return NumberState{}
	}
	state, err := s.src.Number(n)
	return keep(s, state, err)
}

func (s *State) numbered(n uint32, most int) []*crdt.Story {
	if s.err != nil {
		return nil
	}
	stories, err := s.src.Numbered(n, most)
	return keep(s, stories, err)
}

func (s *State) newest(most int) []*crdt.Story {
	if s.err != nil {
		return nil
	}
	stories, err := s.src.Newest(most)
	return keep(s, stories, err)
}

func (s *State) greatest() uint32 {
	if s.err != nil {
		return 0
	}
	n, err := s.src.Greatest()
	return keep(s, n, err)
}

func (s *State) dependents(n uint32, except string, open bool, most int) (ids []string, count int) {
	if s.err != nil {
		return nil, 0
	}
	ids, count, err := s.src.Dependents(n, except, open, most)
	return keep(s, ids, err), keep(s, count, err)
}

func (s *State) edges(n uint32, open bool, most int) []Edge {
	if s.err != nil {
		return nil
	}
	edges, err := s.src.Edges(n, open, most)
	return keep(s, edges, err)
}

// IDsWith returns up to most visible stories whose IDs contain part, in whatever case, in
// the order of IDs.
func (s *State) IDsWith(part string, most int) []string {
	if s.err != nil {
		return nil
	}
	ids, err := s.src.Similar(part, most)
	return keep(s, ids, err)
}

// page returns a page of the source's list, nothing if after names no place.
func (s *State) page(f Filter, after *Position, limit int) (page []*crdt.Story, more, ok bool) {
	if s.err != nil {
		return nil, false, false
	}
	page, more, ok, err := s.src.List(f, after, limit)
	return keep(s, page, err), more && err == nil, ok && err == nil
}

func (s *State) counts(f Filter) (counts []StageCount, complete bool) {
	if s.err != nil {
		return nil, false
	}
	counts, complete, err := s.src.Counts(f)
	return keep(s, counts, err), complete && err == nil
}

// neighbours returns the stories that stand before and after a story. It passes over reserved ones.
func (s *State) neighbours(id string) (before, after *crdt.Story) {
	before, after = s.allNeighbours(id)
	for before != nil && Reserved(before.ID()) {
		before, _ = s.allNeighbours(before.ID())
	}
	for after != nil && Reserved(after.ID()) {
		_, after = s.allNeighbours(after.ID())
	}
	return before, after
}

// allNeighbours is neighbours with reserved stories.
func (s *State) allNeighbours(id string) (before, after *crdt.Story) {
	if s.err != nil {
		return nil, nil
	}
	before, after, err := s.src.Neighbours(id)
	return keep(s, before, err), keep(s, after, err)
}

// IDs returns up to most visible stories whose IDs begin with prefix, in their order.
func (s *State) IDs(prefix string, most int) []string {
	if s.err != nil {
		return nil
	}
	ids, err := s.src.IDs(prefix, most)
	return keep(s, ids, err)
}

// Agents returns the agents that have a story, sorted.
func (s *State) Agents() []string {
	if s.err != nil {
		return nil
	}
	agents, err := s.src.Agents()
	return keep(s, agents, err)
}
