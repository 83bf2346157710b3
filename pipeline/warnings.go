package pipeline

import (
	"math"
	"slices"
	"strconv"

	"github.com/huskies/huskies-mcp/crdt"
)

// maxSameNumber bounds the stories of one number that are looked at for names.
const maxSameNumber = 64

// warnings says what a reader of an unfinished story should know and would not
// see: why it will not become ready by itself, or why it counts as ready.
func (s *State) warnings(st Story, dependencies []Dependency) (all []Fact) {
	var unknown, deleted []uint32
	var archived []Dependency
	for _, d := range dependencies {
		switch {
		case d.Visible == 0 && d.Deleted > 0:
			deleted = append(deleted, d.Number)
		case d.Visible == 0:
			unknown = append(unknown, d.Number)
		case d.Met() && d.Archived > 0:
			archived = append(archived, d)
		}
	}
	if len(unknown) > 0 {
		all = append(all, Fact{Code: CodeUnknownNumbers, Numbers: unknown})
	}
	if len(deleted) > 0 {
		all = append(all, Fact{Code: CodeDeletedNumbers, IDs: s.namesOfDeleted(deleted), Count: len(deleted)})
	}
	if len(archived) > 0 {
		names, count := s.namesOfArchived(archived)
		all = append(all, Fact{Code: CodeArchivedNumbers, IDs: names, Count: count})
	}
	if way := s.openCircleOf(st.ID, st.WaitingOn); way != nil {
		all = append(all, Fact{Code: CodeInCircle, IDs: way})
	}
	if count := s.others(st.ID, st.Stage != ""); count > 0 {
		n, _ := Number(st.ID)
		all = append(all, Fact{Code: CodeSharedNumber, IDs: s.visibleWith(n, MaxNamed, st.ID), Count: count, Free: s.freeNumber()})
	}
	return all
}

// MadeApart returns [CodeMadeApart] of a story that is two, which replicas created apart under one ID,
// with their names and authors. It returns false if the story is one.
func (s *State) MadeApart(id string) (Fact, bool) {
	if c := s.visible(id); c != nil {
		return madeApart(c)
	}
	return Fact{}, false
}

func madeApart(c *crdt.Story) (Fact, bool) {
	first, count := c.Makers()
	return Fact{Code: CodeMadeApart, Story: c.ID(), Makers: slices.Clone(first), Count: count}, count > 1
}

// namesOfDeleted names some deleted stories with the numbers, one each.
func (s *State) namesOfDeleted(numbers []uint32) (names []string) {
	for _, n := range numbers[:min(MaxNamed, len(numbers))] {
		name := s.deletedWith(n)
		if name == "" {
			name = strconv.FormatUint(uint64(n), 10)
		}
		names = append(names, name)
	}
	return names
}

// namesOfArchived names some archived stories with the numbers, and counts them.
func (s *State) namesOfArchived(on []Dependency) (names []string, count int) {
	for _, d := range on {
		count += d.Archived
		if len(names) == MaxNamed {
			continue
		}
		for _, c := range s.numbered(d.Number, maxSameNumber) {
			if VisibleStage(c) == Archived && len(names) < MaxNamed {
				names = append(names, c.ID())
			}
		}
	}
	return names, count
}

// Missing says how many ops are missing without which stories may not be as they should.
func (s *State) Missing() Gaps {
	if s.err != nil {
		return Gaps{}
	}
	gaps, err := s.src.Gaps()
	return keep(s, gaps, err)
}

// recentNumbers is among how many of the greatest numbers a story of the same name is
// looked for: a caller that repeats a call, since no answer came, does so soon.
const recentNumbers = 64

// warnSameName says which story that was created of late has the name, too.
func (tx *Tx) warnSameName(id, name string, same func(a, b string) bool) {
	if same == nil {
		same = func(a, b string) bool { return a == b }
	}
	newest := tx.state.newest(recentNumbers)
	for _, c := range newest {
		first, _ := Number(newest[0].ID())
		if n, _ := Number(c.ID()); first-n >= recentNumbers {
			break
		}
		if VisibleStage(c) != "" && c.ID() != id && same(c.Str(fieldName), name) {
			tx.warn(Fact{Code: CodeSameName, Story: c.ID()})
			return
		}
	}
}

// freeNumber returns the least number above all ever used, or 0 when there is none.
func (s *State) freeNumber() uint32 {
	greatest := s.greatest()
	if greatest == math.MaxUint32 {
		return 0
	}
	return greatest + 1
}
