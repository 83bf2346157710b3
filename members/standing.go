package members

import (
	"cmp"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// members returns the outcome, once each admin has had its turn.
func (d *decision) members() *Members {
	m := &Members{root: d.root, standings: make(map[crdt.Author]*Standing), heads: make(map[crdt.OpID]bool)}
	for a := range d.adds {
		s := d.standing(a)
		m.standings[a] = s
		for _, heads := range s.Cuts {
			for _, id := range heads {
				m.heads[id] = true
			}
		}
	}
	return m
}

// standing returns the standing of an author that was added.
func (d *decision) standing(a crdt.Author) *Standing {
	s := &Standing{Author: a, Member: true}
	if o := d.offices[a]; o != nil {
		s.office, s.Rank = *o, o.rank
	}
	adds := slices.SortedFunc(slices.Values(d.adds[a]), func(x, y said) int { return cmp.Compare(x.op, y.op) })
	for _, add := range adds {
		s.Name, s.Transport = add.Name, cmp.Or(add.Transport, s.Transport)
		s.Added = d.ops[add.op].Stamp.Op
	}
	cuts, _ := d.cutsOf(a)
	slices.SortFunc(cuts, func(x, y cut) int { return cmp.Compare(x.op, y.op) })
	for i := range cuts {
		s.Removed = d.ops[cuts[i].op].Stamp.Op
		if !cuts[i].undone {
			s.Member = false
			s.Cuts = append(s.Cuts, cuts[i].Heads)
		}
	}
	s.Admin = s.Member && slices.ContainsFunc(adds, func(add said) bool { return add.Admin && !d.isOver(add, cuts) })
	return s
}

// isOver reports whether a removal descends from what added an author.
func (d *decision) isOver(add said, cuts []cut) bool {
	if len(cuts) == 0 {
		return false
	}
	under := d.descendants(add.op)
	return slices.ContainsFunc(cuts, func(c cut) bool { return under[c.op] })
}

// compare orders standings: members first, of these the admins by their offices, then the others by name.
func (s *Standing) compare(other *Standing) int {
	flag := func(is bool) int {
		if is {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(flag(s.Member), flag(other.Member)), cmp.Compare(flag(s.Admin), flag(other.Admin)), s.office.compare(&other.office),
		cmp.Compare(s.Name, other.Name), s.Author.Compare(other.Author))
}
