package members

import (
	"cmp"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// Op is what the rule needs of an op on [Story].
type Op struct {
	Stamp   crdt.Stamp
	Parents []crdt.OpID
	Changes []Change
}

// Read returns an op on [Story] as the rule needs it.
func Read(op *crdt.Op) Op {
	return Op{Stamp: op.Stamp(), Parents: slices.Clone(op.Parents), Changes: Changes(op)}
}

// Decide returns the members that ops give. The order of the ops is of no matter, and an op that is
// given twice counts once. Those whose parents are not all among them, and of their kind, are left out.
func Decide(root crdt.Author, ops []Op) *Members {
	d := newDecision(root, ops)
	d.count(root, 0)
	for len(d.named) > 0 {
		rank := d.takeNamed()
		for _, o := range rank {
			d.count(o.author, o.rank)
		}
	}
	return d.members()
}

// office is a place in the order of the admins.
type office struct {
	author crdt.Author
	rank   int
	by     crdt.Stamp // of the op that gave it
}

// compare orders offices, the senior one first.
func (o *office) compare(other *office) int {
	return cmp.Or(cmp.Compare(o.rank, other.rank), cmp.Compare(o.by.Seq, other.by.Seq), o.by.Author.Compare(other.by.Author),
		o.by.Op.Compare(other.by.Op), o.author.Compare(other.author))
}

// said is a change that counts, with the index of its op.
type said struct {
	op int
	*Change
}

// decision is one run of Decide.
type decision struct {
	root    crdt.Author
	ops     []Op    // parents first
	parents [][]int // of each op, as indexes
	index   map[crdt.OpID]int
	by      map[crdt.Author][]int

	offices  map[crdt.Author]*office // the lowest of each admin that is known by now
	named    []crdt.Author           // the admins of the rank that comes next
	counted  map[crdt.Author]bool    // those whose turn has been
	adds     map[crdt.Author][]said  // about each author
	removals map[crdt.Author][]said
}

func newDecision(root crdt.Author, ops []Op) *decision {
	d := &decision{
		root: root, index: make(map[crdt.OpID]int, len(ops)), by: make(map[crdt.Author][]int), offices: make(map[crdt.Author]*office),
		counted: make(map[crdt.Author]bool), adds: make(map[crdt.Author][]said), removals: make(map[crdt.Author][]said),
	}
	ops = slices.Clone(ops)
	slices.SortFunc(ops, func(a, b Op) int {
		return cmp.Or(cmp.Compare(a.Stamp.Seq, b.Stamp.Seq), a.Stamp.Author.Compare(b.Stamp.Author), a.Stamp.Op.Compare(b.Stamp.Op))
	})
	for i := range ops {
		op := &ops[i]
		if _, twice := d.index[op.Stamp.Op]; twice {
			continue
		}
		if parents, whole := d.find(op.Parents); whole && d.follows(op, parents) {
			d.index[op.Stamp.Op] = len(d.ops)
			d.by[op.Stamp.Author] = append(d.by[op.Stamp.Author], len(d.ops))
			d.ops, d.parents = append(d.ops, *op), append(d.parents, parents)
		}
	}
	return d
}

// find returns the indexes of ops, and whether all are there.
func (d *decision) find(ids []crdt.OpID) (found []int, all bool) {
	all = true
	for _, id := range ids {
		i, there := d.index[id]
		if all = all && there; there {
			found = append(found, i)
		}
	}
	return found, all
}

// follows reports whether the op's seq is the one that its parents give.
func (d *decision) follows(op *Op, parents []int) bool {
	var most uint64
	for _, p := range parents {
		most = max(most, d.ops[p].Stamp.Seq)
	}
	return op.Stamp.Seq == most+1
}

// takeNamed returns the offices of the rank that comes next, the senior one first. None of them changes any more:
// who has one of them gives offices of a higher rank alone.
func (d *decision) takeNamed() (rank []*office) {
	for _, a := range d.named {
		rank = append(rank, d.offices[a])
	}
	d.named = nil
	slices.SortFunc(rank, func(a, b *office) int { return a.compare(b) })
	return rank
}

// count finds out which ops of an admin count, and notes what they say about its juniors: those whose
// turn has not been.
func (d *decision) count(a crdt.Author, rank int) {
	d.counted[a] = true
	if len(d.by[a]) == 0 {
		return
	}
	may := d.mayOf(a)
	for _, i := range d.by[a] {
		if !may(i) {
			continue
		}
		for c := range d.ops[i].Changes {
			d.note(i, &d.ops[i].Changes[c], rank)
		}
	}
}

func (d *decision) note(op int, c *Change, rank int) {
	if d.counted[c.Author] {
		return // a senior, or the author itself
	}
	if c.Remove {
		d.removals[c.Author] = append(d.removals[c.Author], said{op, c})
		return
	}
	d.adds[c.Author] = append(d.adds[c.Author], said{op, c})
	if !c.Admin {
		return
	}
	o := &office{c.Author, rank + 1, d.ops[op].Stamp}
	before := d.offices[c.Author]
	if before == nil {
		d.named = append(d.named, c.Author)
	}
	if before == nil || o.compare(before) < 0 {
		d.offices[c.Author] = o
	}
}

// mayOf returns what says which ops of an admin count.
func (d *decision) mayOf(a crdt.Author) func(op int) bool {
	if a == d.root {
		return func(int) bool { return true }
	}
	cuts, passes := d.cutsOf(a)
	inOffice := d.inOffice(a, cuts)
	return func(op int) bool { return inOffice[op] && passes[op] }
}

// inOffice marks the ops that descend from one that adds the author as an admin, without a removal between
// the two.
func (d *decision) inOffice(a crdt.Author, cuts []cut) []bool {
	in := make([]bool, len(d.ops))
	for _, add := range d.adds[a] {
		if !add.Admin {
			continue
		}
		under := d.descendants(add.op)
		var over []int // the removals that descend from it
		for i := range cuts {
			if under[cuts[i].op] {
				over = append(over, cuts[i].op)
			}
		}
		out := d.descendants(over...)
		for i := range in {
			in[i] = in[i] || under[i] && !out[i]
		}
	}
	return in
}

// cut is a removal that counts.
type cut struct {
	said
	undone bool // an op that adds the author again descends from it
}

// cutsOf returns the removals of an author that count: those by its seniors, and its own that pass them. Passes
// marks the ops on [Story] that none of them touches. It is kept for all of them at once: an author may remove
// itself as often as it likes.
func (d *decision) cutsOf(a crdt.Author) (cuts []cut, passes []bool) {
	passes = make([]bool, len(d.ops))
	for i := range passes {
		passes[i] = true
	}
	add := func(r said) {
		undone, left := d.cut(r)
		cuts = append(cuts, cut{r, undone})
		for i := range passes {
			passes[i] = passes[i] && left[i]
		}
	}
	for _, r := range d.removals[a] {
		add(r)
	}
	bySeniors := slices.Clone(passes)
	for _, i := range d.by[a] {
		for c := range d.ops[i].Changes {
			if change := &d.ops[i].Changes[c]; change.Remove && change.Author == a && bySeniors[i] {
				add(said{i, change})
			}
		}
	}
	return cuts, passes
}

// cut returns whether an op that adds the author again descends from a removal, and marks the ops on [Story] that
// the removal does not touch.
func (d *decision) cut(r said) (undone bool, passes []bool) {
	heads, _ := d.find(r.Heads) // the others are on other stories
	passes = d.ancestors(heads)
	under := d.descendants(r.op)
	var again []int
	for _, add := range d.adds[r.Author] {
		if under[add.op] {
			again = append(again, add.op)
		}
	}
	for i, is := range d.descendants(again...) {
		passes[i] = passes[i] || is
	}
	return len(again) > 0, passes
}

// descendants marks the ops that have one of the ops as an ancestor.
func (d *decision) descendants(of ...int) []bool {
	marks := make([]bool, len(d.ops))
	if len(of) == 0 {
		return marks
	}
	from := make([]bool, len(d.ops))
	for _, i := range of {
		from[i] = true
	}
	for i := slices.Min(of) + 1; i < len(marks); i++ {
		marks[i] = slices.ContainsFunc(d.parents[i], func(p int) bool { return from[p] || marks[p] })
	}
	return marks
}

// ancestors marks ops and all their ancestors.
func (d *decision) ancestors(heads []int) []bool {
	marks := make([]bool, len(d.ops))
	for _, i := range heads {
		marks[i] = true
	}
	for i := len(d.ops) - 1; i >= 0; i-- {
		if marks[i] {
			for _, p := range d.parents[i] {
				marks[p] = true
			}
		}
	}
	return marks
}

// Next returns the parents and the seq of an op about members that is written now: the heads of those by authors who
// count, or the [crdt.MaxParents] greatest of them by seq. The op by which a member removed itself counts, too, so an op
// that adds this author again undoes the removal. The members may be nil.
func Next(ops []Op, counts func(crdt.Author) bool, decided *Members) (parents []crdt.OpID, seq uint64) {
	d := newDecision(crdt.Author{}, ops)
	marks := make([]bool, len(d.ops))
	for i := len(d.ops) - 1; i >= 0; i-- {
		stamp := d.ops[i].Stamp
		chosen := counts(stamp.Author) || decided.removedItself(&stamp)
		if chosen && !marks[i] && len(parents) < crdt.MaxParents {
			parents, seq = append(parents, stamp.Op), max(seq, stamp.Seq)
		}
		if chosen || marks[i] {
			for _, p := range d.parents[i] {
				marks[p] = true
			}
		}
	}
	crdt.SortOpIDs(parents)
	return parents, seq + 1
}
