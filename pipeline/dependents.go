package pipeline

import (
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// indexDependencies enters what an applied op made of its story's dependencies:
// for each number, the stories that depend on it, deleted and invisible ones too.
func (s *State) indexDependencies(op *crdt.Op) {
	for i := range op.Edits {
		c := s.doc.Story(op.Story)
		if op.Edits[i].Kind != crdt.KindDep || c == nil {
			continue
		}
		n := op.Edits[i].Number
		on := s.dependents[n]
		if !c.DependsOn(n) {
			delete(on, c.ID())
			continue
		}
		if on == nil {
			on = make(map[string]struct{}, 1)
			s.dependents[n] = on
		}
		on[c.ID()] = struct{}{}
	}
}

// Dependents returns up to most of the visible stories that depend on the story's
// number, in the order of IDs, and how many there are in all.
func (s *State) Dependents(id string, most int) (ids []string, count int) {
	n, ok := Number(id)
	if !ok {
		return nil, 0
	}
	return s.dependentsOn(n, most, func(other string) bool { return other != id })
}

// dependentsOn returns up to most of the visible stories that depend on the number
// and that keep chooses, in the order of IDs, and how many there are in all.
func (s *State) dependentsOn(n uint32, most int, keep func(id string) bool) (ids []string, count int) {
	for id := range s.dependents[n] {
		if s.visible(id) != nil && keep(id) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, crdt.CompareStoryIDs)
	return ids[:min(most, len(ids))], len(ids)
}
