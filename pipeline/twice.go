package pipeline

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/huskies/huskies-mcp/crdt"
)

// Sides collects what was written on two sides of an exchange of ops, neither of which knew the ops of the
// other. The zero value has seen no op.
type Sides struct{ here, there side }

// side holds what one side wrote.
type side struct {
	values map[slot]string
	// stories are all that the side wrote to, whatever it wrote.
	stories map[string]bool
}

// slot is one field of one story.
type slot struct{ story, field string }

// Twice is a field that both sides wrote, with other values.
type Twice struct {
	Story, Field string
	// Here and There are the values. One of them is "" if that side changed a story that the other deleted.
	Here, There string
}

// Here adds an op that only this side had. Ops must be added in the order of the log.
func (s *Sides) Here(op *crdt.Op) { s.here.add(op) }

// There adds an op that only the other side had. Ops must be added in the order of the log.
func (s *Sides) There(op *crdt.Op) { s.there.add(op) }

// add keeps the last value of each field. Notes, retries, dependencies and places are left out: those of both
// sides stay.
func (s *side) add(op *crdt.Op) {
	if s.values == nil {
		s.values, s.stories = map[slot]string{}, map[string]bool{}
	}
	s.stories[op.Story] = true
	for i := range op.Edits {
		e := &op.Edits[i]
		if e.Kind == crdt.KindSet && e.Field != NameClaim && e.Field != NameRetryCount {
			s.values[slot{op.Story, e.Field}] = Describe(e).Value
		}
	}
}

// Twice returns what was decided on both sides, in the order of the stories and fields.
func (s *Sides) Twice() (all []Twice) {
	for at, here := range s.here.values {
		if there, ok := s.there.values[at]; ok && here != there {
			all = append(all, Twice{at.story, at.field, here, there})
		}
	}
	for _, story := range s.deleted(&s.here, &s.there) {
		all = append(all, Twice{Story: story, Field: crdt.DeletedField, Here: deletedValue})
	}
	for _, story := range s.deleted(&s.there, &s.here) {
		all = append(all, Twice{Story: story, Field: crdt.DeletedField, There: deletedValue})
	}
	slices.SortFunc(all, func(a, b Twice) int {
		return cmp.Or(crdt.CompareStoryIDs(a.Story, b.Story), cmp.Compare(a.Field, b.Field))
	})
	return all
}

// deletedValue is what the deletion register of a deleted story holds.
const deletedValue = "true"

// deleted returns the stories that one side deleted while the other changed something else of them.
func (s *Sides) deleted(by, changed *side) (stories []string) {
	for at, value := range by.values {
		if at.field != crdt.DeletedField || value != deletedValue || !changed.stories[at.story] {
			continue
		}
		if _, both := changed.values[at]; !both {
			stories = append(stories, at.story)
		}
	}
	return stories
}

// Value returns what a field of a story holds, as [Twice] spells it, and false if the field is none
// that a reader sees.
func (st *Story) Value(field string) (value string, ok bool) {
	switch field {
	case NameStage:
		return string(st.Stage), true
	case NameName:
		return st.Name, true
	case NameAgent:
		return st.Agent, true
	case NameBlocked:
		return strconv.FormatBool(st.Blocked), true
	case NameBlockedReason:
		return st.BlockedReason, true
	case NameDescription:
		return st.Description, true
	}
	return "", false
}
