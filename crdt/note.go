package crdt

import "slices"

// NoteEntry is text that somebody added to a story.
type NoteEntry struct {
	By    Stamp // of the op that added it: the note's place in the order of notes
	Agent string
	At    int64 // ms since 1970, by its author's clock
	Text  string
}

// notes is a grow-only set of notes (Shapiro et al. 2011, §3.3.1) in the order
// of writes, the last one last. It is sorted when somebody looks: notes that
// arrive in their order, as most do, cost nothing then.
type notes struct {
	list     []NoteEntry
	unsorted bool
}

func (n *notes) add(op *Op, text string) {
	by := op.Stamp()
	if len(n.list) > 0 && !by.Wins(n.list[len(n.list)-1].By) {
		n.unsorted = true
	}
	n.list = append(n.list, NoteEntry{By: by, At: op.At, Agent: cloneText(op.Agent), Text: cloneText(text)})
}

func (n *notes) sorted() []NoteEntry {
	if n.unsorted {
		slices.SortFunc(n.list, func(a, b NoteEntry) int { return b.By.compare(a.By) })
		n.unsorted = false
	}
	return n.list
}
