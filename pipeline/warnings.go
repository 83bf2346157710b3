package pipeline

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxNamed bounds the stories that one warning names: an item must not grow with
// the pipeline.
const maxNamed = 5

// warnings says what a reader of an unfinished story should know and would not
// see: why it will not become ready by itself, or why it counts as ready.
func (s *State) warnings(st Story) []string {
	var unknown, deleted, archived, all []string
	for _, n := range st.DependsOn {
		ids, met := s.dependency(n)
		if gone := s.deletedWith(n); len(ids) == 0 && gone != "" {
			deleted = append(deleted, gone)
		} else if len(ids) == 0 {
			unknown = append(unknown, strconv.FormatUint(uint64(n), 10))
		}
		for _, id := range ids {
			if met && s.stage(id) == Archived {
				archived = append(archived, id)
			}
		}
	}
	if len(unknown) > 0 {
		all = append(all, "depends_on "+some(unknown)+": no story has that number, so it is not met")
	}
	if len(deleted) > 0 {
		all = append(all, "depends_on: deleted, so it is not met: "+some(deleted))
	}
	if len(archived) > 0 {
		all = append(all, "depends_on: archived counts as met: "+some(archived))
	}
	if way := s.circle(st.ID, st.WaitingOn, openWay); way != nil {
		all = append(all, "depends_on goes in a circle, so none of these can become ready: "+spellCircle(way))
	}
	if others := s.sameNumber(st.ID); len(others) > 0 {
		all = append(all, fmt.Sprintf("the number is also that of %s: what depends on it waits for all of them%s", some(others), s.freeNumber("; the next free number is %d")))
	}
	return all
}

// Missing says in plain words that ops are missing without which stories may not be
// as they should, and who can mend that; "" if none is known to be.
func (s *State) Missing() string {
	var all []string
	if n := s.doc.AssumedLen() + s.lost; n > 0 {
		all = append(all, count(n, "change")+" of the pipeline cannot be read any more, since the database is damaged: tell the user to run huskies-mcp verify")
	}
	if n := s.doc.PendingTrustedLen(); n > 0 {
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
func some(names []string) string {
	if len(names) > maxNamed {
		return strings.Join(names[:maxNamed], ", ") + fmt.Sprintf(" and %d more", len(names)-maxNamed)
	}
	return strings.Join(names, ", ")
}

// recentNumbers is among how many of the greatest numbers a story of the same name is
// looked for: who makes a call again, since no answer came, does so soon.
const recentNumbers = 64

// warnSameName says which story that was created of late has the name, too.
func (s *State) warnSameName(id, name string) []string {
	for i := range min(recentNumbers, s.greatest) {
		for _, other := range s.numbers[s.greatest-i] {
			if c := s.visible(other); c != nil && other != id && c.Str(fieldName) == name {
				return []string{fmt.Sprintf("story %s has the same name: if this call was made again, delete one of the two", other)}
			}
		}
	}
	return nil
}

// deletedWith returns a deleted story with the number, "" if there is none.
func (s *State) deletedWith(n uint32) string {
	for _, id := range s.numbers[n] {
		if s.doc.Story(id).Deleted() {
			return id
		}
	}
	return ""
}

// sameNumber returns the other visible stories with the number of id.
func (s *State) sameNumber(id string) []string {
	n, ok := Number(id)
	if !ok || len(s.numbers[n]) < 2 {
		return nil
	}
	ids, _ := s.dependency(n)
	return slices.DeleteFunc(slices.Clone(ids), func(other string) bool { return other == id })
}

// SharedNumbers returns the IDs of visible stories that share their number with
// others, by number.
func (s *State) SharedNumbers() (shared [][]string) {
	for _, n := range slices.Sorted(maps.Keys(s.numbers)) {
		if len(s.numbers[n]) < 2 {
			continue
		}
		if ids, _ := s.dependency(n); len(ids) > 1 {
			shared = append(shared, ids)
		}
	}
	return shared
}

// freeNumber formats the least number above all ever used, or returns "" when
// there is none.
func (s *State) freeNumber(format string) string {
	if s.greatest == math.MaxUint32 {
		return ""
	}
	return fmt.Sprintf(format, s.greatest+1)
}
