package pipeline

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// maxNamed bounds the stories that one warning names: an item must not grow with
// the pipeline.
const maxNamed = 5

// maxSameNumber bounds the stories of one number that are looked at for names.
const maxSameNumber = 64

// warnings says what a reader of an unfinished story should know and would not
// see: why it will not become ready by itself, or why it counts as ready.
func (s *State) warnings(st Story, dependencies []Dependency) (all []string) {
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
		all = append(all, "depends_on "+numberList(unknown)+": no story has that number, so it is not met")
	}
	if len(deleted) > 0 {
		all = append(all, "depends_on: deleted, so it is not met: "+s.namesOfDeleted(deleted))
	}
	if len(archived) > 0 {
		all = append(all, "depends_on: archived counts as met: "+s.namesOfArchived(archived))
	}
	if way := s.openCircleOf(st.ID, st.WaitingOn); way != nil {
		all = append(all, "depends_on goes in a circle, so none of these can become ready: "+spellCircle(way))
	}
	if count := s.others(st.ID, st.Stage != ""); count > 0 {
		n, _ := Number(st.ID)
		names := someOf(s.visibleWith(n, maxNamed, st.ID), count)
		all = append(all, fmt.Sprintf("the number is also that of %s: what depends on it waits for all of them%s", names, s.freeNumber("; the next free number is %d")))
	}
	return all
}

// MadeApart says of a story that it is two, which replicas created apart under one ID, with their names
// and authors. MadeApart returns "" if it is one.
func (s *State) MadeApart(id string) string {
	if c := s.visible(id); c != nil {
		return strings.Join(madeApart(c), "")
	}
	return ""
}

// madeApart says of a story that it is two, which replicas created apart under one ID.
func madeApart(c *crdt.Story) []string {
	first, count := c.Makers()
	if count < 2 {
		return nil
	}
	var who []string
	for _, m := range first {
		by := "replica " + m.By.Author.Short()
		if m.Agent != "" {
			by = m.Agent + " on " + by
		}
		who = append(who, fmt.Sprintf("%q by %s", m.Label, by))
	}
	return []string{fmt.Sprintf("%d stories were created apart under this ID and are one now: %s: if they are not the same work, write one of them anew without story_id", count, someOf(who, count))}
}

// namesOfDeleted names some deleted stories with the numbers, one each.
func (s *State) namesOfDeleted(numbers []uint32) string {
	var names []string
	for _, n := range numbers[:min(maxNamed, len(numbers))] {
		name := s.deletedWith(n)
		if name == "" {
			name = strconv.FormatUint(uint64(n), 10)
		}
		names = append(names, name)
	}
	return someOf(names, len(numbers))
}

// namesOfArchived names some archived stories with the numbers.
func (s *State) namesOfArchived(on []Dependency) string {
	var names []string
	count := 0
	for _, d := range on {
		count += d.Archived
		if len(names) == maxNamed {
			continue
		}
		for _, c := range s.numbered(d.Number, maxSameNumber) {
			if VisibleStage(c) == Archived && len(names) < maxNamed {
				names = append(names, c.ID())
			}
		}
	}
	return someOf(names, count)
}

// Missing says in plain words that ops are missing without which stories may not be
// as they should, and how to mend that. Missing returns "" if no op is known to be missing.
func (s *State) Missing() string {
	if s.err != nil {
		return ""
	}
	gaps, err := s.src.Gaps()
	gaps = keep(s, gaps, err)
	var all []string
	if n := gaps.Damaged; n > 0 {
		all = append(all, count(n, "change")+" of the pipeline cannot be read any more, since the database is damaged: tell the user to run huskies-mcp verify")
	}
	if n := gaps.Pending; n > 0 {
		all = append(all, count(n, "change")+" cannot be shown, since others that they build on are not in the database: tell the user to import those (huskies-mcp import)")
	}
	if len(all) == 0 {
		return ""
	}
	return "stories may be missing or out of date: " + strings.Join(all, "; ")
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// some joins up to maxNamed names.
func some(names []string) string { return someOf(names, len(names)) }

// someOf joins up to maxNamed of the names, which are some of count.
func someOf(names []string, count int) string {
	names = names[:min(maxNamed, len(names))]
	switch more := count - len(names); {
	case more <= 0:
		return strings.Join(names, ", ")
	case len(names) == 0:
		return fmt.Sprintf("%d stories", more)
	default:
		return strings.Join(names, ", ") + fmt.Sprintf(" and %d more", more)
	}
}

// recentNumbers is among how many of the greatest numbers a story of the same name is
// looked for: a caller that repeats a call, since no answer came, does so soon.
const recentNumbers = 64

// warnSameName says which story that was created of late has the name, too.
func (s *State) warnSameName(id, name string, same func(a, b string) bool) []string {
	if same == nil {
		same = func(a, b string) bool { return a == b }
	}
	newest := s.newest(recentNumbers)
	for _, c := range newest {
		first, _ := Number(newest[0].ID())
		if n, _ := Number(c.ID()); first-n >= recentNumbers {
			break
		}
		if VisibleStage(c) != "" && c.ID() != id && same(c.Str(fieldName), name) {
			return []string{fmt.Sprintf("story %s has the same name: if this call was made again, delete one of the two", c.ID())}
		}
	}
	return nil
}

// freeNumber formats the least number above all ever used, or returns "" when
// there is none.
func (s *State) freeNumber(format string) string {
	greatest := s.greatest()
	if greatest == math.MaxUint32 {
		return ""
	}
	return fmt.Sprintf(format, greatest+1)
}
