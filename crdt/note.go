package crdt

import (
	"iter"
	"slices"
	"strings"
)

// NoteEntry is text that somebody added to a story.
type NoteEntry struct {
	Op    OpID // the op that added it
	Agent string
	At    int64 // ms since 1970, by its author's clock
	Text  string
}

// notes is a grow-only set of notes (Shapiro et al. 2011, §3.3.1) in the order
// of writes, the last one last. It is sorted when somebody looks: notes that
// arrive in their order, as most do, cost nothing then.
type notes struct {
	list     []note
	unsorted bool
}

type note struct {
	by          opRef
	at          int64
	agent, text string
}

func (n *notes) add(t *table, by opRef, op *Op, text string) {
	if len(n.list) > 0 && !t.wins(by, n.list[len(n.list)-1].by) {
		n.unsorted = true
	}
	n.list = append(n.list, note{by: by, at: op.At, agent: strings.Clone(op.Agent), text: strings.Clone(text)})
}

func (n *notes) sorted(t *table) []note {
	if n.unsorted {
		slices.SortFunc(n.list, func(a, b note) int {
			switch {
			case a.by == b.by:
				return 0
			case t.wins(b.by, a.by):
				return -1
			}
			return 1
		})
		n.unsorted = false
	}
	return n.list
}

// NoteCount returns the number of notes.
func (s *Story) NoteCount() int {
	if s.notes == nil {
		return 0
	}
	return len(s.notes.list)
}

// Notes yields the notes, the last written last.
func (s *Story) Notes() iter.Seq[NoteEntry] { return s.LastNotes(s.NoteCount()) }

// LastNotes yields the last most notes, the last written last.
func (s *Story) LastNotes(most int) iter.Seq[NoteEntry] {
	return func(yield func(NoteEntry) bool) {
		if s.notes == nil {
			return
		}
		t := &s.doc.ops
		sorted := s.notes.sorted(t)
		for _, n := range sorted[max(0, len(sorted)-most):] {
			if !yield(NoteEntry{Op: t.id(n.by), Agent: n.agent, At: n.at, Text: n.text}) {
				return
			}
		}
	}
}
