package members

import (
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// Members says whose ops count. It never changes.
type Members struct {
	root      crdt.Author
	standings map[crdt.Author]*Standing
	heads     map[crdt.OpID]bool // that removals in effect name
}

// Standing is what the ops say of an author.
type Standing struct {
	Author crdt.Author
	// Name and Transport are those of the last op that adds the author.
	Name, Transport string
	// Member says that all ops of the author count, whatever parents they have.
	Member bool
	// Admin says that the author may add and remove others. Rank is that of its office, 0 if it never
	// had one.
	Admin bool
	Rank  int
	// Added and Removed are the last ops that said so; zero if there is none.
	Added, Removed crdt.OpID
	// Cuts are, where the author is no member, the heads that each removal in effect names.
	Cuts [][]crdt.OpID

	office office // of a Rank above 0
}

// Root returns the key whose word always counts.
func (m *Members) Root() crdt.Author { return m.root }

// Of returns the standing of an author, nil if no op that counts is about it.
func (m *Members) Of(a crdt.Author) *Standing { return m.standings[a] }

// Counts reports whether all ops of the author count.
func (m *Members) Counts(a crdt.Author) bool {
	s := m.standings[a]
	return a == m.root || s != nil && s.Member
}

// Names reports whether a removal in effect names the op as one that counts.
func (m *Members) Names(id crdt.OpID) bool { return m.heads[id] }

// All returns the authors that ops are about, members first, the admins before the others.
func (m *Members) All() []*Standing {
	all := make([]*Standing, 0, len(m.standings))
	for _, s := range m.standings {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *Standing) int { return a.compare(b) })
	return all
}

// Count returns how many members there are.
func (m *Members) Count() (n int) {
	for _, s := range m.standings {
		if s.Member {
			n++
		}
	}
	return n
}

// MayDecide reports whether what a says about b counts from now on.
func (m *Members) MayDecide(a, b crdt.Author) bool {
	if a == m.root {
		return b != m.root
	}
	by, about := m.standings[a], m.standings[b]
	switch {
	case b == m.root || by == nil || !by.Admin:
		return false
	case about == nil || about.Rank == 0:
		return true
	}
	return by.office.compare(&about.office) < 0
}

// Heeds reports whether an op that comes now, behind all those by which the members were decided, can change them.
// Who is not root and has no office only takes itself out.
func (m *Members) Heeds(op *Op) bool {
	by := op.Stamp.Author
	s := m.standings[by]
	switch {
	case by == m.root:
		return true
	case s == nil || s.Rank > 0:
		return s != nil
	}
	return slices.ContainsFunc(op.Changes, func(c Change) bool { return c.Remove && c.Author == by })
}

// removedItself reports whether the op is the last one that removed its own author.
func (m *Members) removedItself(op *crdt.Stamp) bool {
	if m == nil {
		return false
	}
	s := m.standings[op.Author]
	return s != nil && !s.Member && s.Removed == op.Op
}

// SameFor reports whether the same ops of an author count by both.
func (m *Members) SameFor(a crdt.Author, other *Members) bool {
	if m.Counts(a) != other.Counts(a) {
		return false
	}
	return m.Counts(a) || slices.EqualFunc(m.cuts(a), other.cuts(a), slices.Equal)
}

func (m *Members) cuts(a crdt.Author) [][]crdt.OpID {
	if s := m.standings[a]; s != nil {
		return s.Cuts
	}
	return nil
}

// Cut returns the authors of whom only some ops count.
func (m *Members) Cut() (cut []*Standing) {
	for _, s := range m.All() {
		if len(s.Cuts) > 0 {
			cut = append(cut, s)
		}
	}
	return cut
}
