package pipeline

import (
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// sharedNumber is what is known of a number that several stories begin with.
// There may be thousands, and each may depend on all: so it is worked out once
// after a change, not at every look.
type sharedNumber struct {
	ids     map[string]struct{} // as in State.numbers
	visible []string            // sorted
	met     bool
	current bool // visible and met are
}

// indexNumber enters a story, if an applied op is about it, under its number.
func (s *State) indexNumber(id string) {
	n, ok := Number(id)
	if !ok || s.doc.Story(id) == nil {
		return
	}
	ids := s.numbers[n]
	shared := s.shared[n]
	if shared == nil && len(ids) > 0 {
		if ids[0] == id {
			return
		}
		shared = &sharedNumber{ids: map[string]struct{}{ids[0]: {}}}
		s.shared[n] = shared
	}
	if shared != nil {
		if _, known := shared.ids[id]; known {
			return
		}
		shared.ids[id] = struct{}{}
	}
	s.numbers[n] = append(ids, id)
	s.greatest = max(s.greatest, n)
}

// changed says that an op may have changed its story.
func (s *State) changed(op *crdt.Op) {
	s.indexDependencies(op)
	s.indexClaim(op)
	if len(s.shared) == 0 {
		return
	}
	if n, ok := Number(op.Story); ok && s.shared[n] != nil {
		s.shared[n].current = false
	}
}

// dependency returns the visible stories with number n, which the caller must
// not change, and whether a dependency on n is met: there are some, and all are
// done or archived.
func (s *State) dependency(n uint32) (ids []string, met bool) {
	shared := s.shared[n]
	if shared == nil {
		return s.lookUp(n)
	}
	if !shared.current {
		shared.visible, shared.met = s.lookUp(n)
		shared.current = true
	}
	return shared.visible, shared.met
}

func (s *State) lookUp(n uint32) (ids []string, met bool) {
	met = true
	for _, id := range s.numbers[n] {
		if s.visible(id) != nil {
			ids = append(ids, id)
			met = met && s.stage(id).met()
		}
	}
	slices.SortFunc(ids, crdt.CompareStoryIDs)
	return ids, met && len(ids) > 0
}
