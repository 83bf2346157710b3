package oplog

import (
	"cmp"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
)

// verifiedOp is what is kept of each op, to check those that build on it.
type verifiedOp struct {
	arrival int64
	id      crdt.OpID
	seq     uint64 // 0 if the op cannot be read
	author  uint32 // 0 if the author did not sign it, else from 1 in order of appearance
	// ofMembers: the op is about members. Their seqs are counted apart, and hubs that stand in for each other sign
	// with one key.
	ofMembers bool
}

// earlyOp is one that arrived before a parent, if that is here at all.
type earlyOp struct {
	index   uint32
	parents []crdt.OpID
}

// take puts a row in its place, in order of arrival.
func (v *verifier) take(r *storedRow) {
	if r.err != nil {
		v.takeUnreadable(r)
		return
	}
	v.report.Rows++
	v.checkArrival(r)
	for _, f := range r.found {
		f.Held = r.signed && r.op != nil && v.isHeld(r.op.Author)
		v.found(f)
	}
	if r.op == nil {
		v.holes = true
		v.enterName(r)
		return
	}
	op := verifiedOp{arrival: r.arrival, id: r.op.ID, seq: r.op.Seq, ofMembers: r.op.Story == members.Story}
	if r.signed {
		op.author = v.authorOf(r.op.Author)
	}
	if r.name != op.id {
		v.enterName(r)
	}
	index, here := v.enter(op)
	if here {
		return
	}
	if !v.checkSeq(index, r.op.Parents) {
		v.early = append(v.early, earlyOp{index, r.op.Parents})
	}
}

// takeUnreadable goes on behind rows that cannot be read.
func (v *verifier) takeUnreadable(r *storedRow) {
	v.holes = true
	v.found(r.unreadable())
	for _, id := range r.ops {
		v.enter(verifiedOp{arrival: r.arrival, id: id})
	}
	v.expected = r.last + 1
}

// checkArrival finds rows that are missing before r. Numbers are given without
// gaps, also across writes that failed.
func (v *verifier) checkArrival(r *storedRow) {
	if r.arrival < 1 {
		v.found(Finding{Kind: FoundArrival, Arrival: r.arrival, ID: r.name, Problem: Problem{Code: ProblemBelow}})
		return
	}
	switch {
	case r.arrival < v.expected: // in a file that is sound they are sorted
		v.found(Finding{Kind: FoundArrival, Arrival: r.arrival, ID: r.name, Problem: Problem{Code: ProblemOrder}})
	case r.arrival > v.expected:
		v.missing(r.arrival - 1)
	}
	v.expected = max(v.expected, r.arrival+1)
}

// missing finds that the rows from the one that comes next to last are not there.
func (v *verifier) missing(last int64) {
	v.holes = true
	f := Finding{Kind: FoundArrival, Arrival: v.expected, Problem: Problem{Code: ProblemMissing}}
	if last > f.Arrival {
		f.Last = last
	}
	v.found(f)
}

func (v *verifier) authorOf(a crdt.Author) uint32 {
	n, ok := v.authors[a]
	if !ok {
		n = uint32(len(v.names))
		v.authors[a], v.names = n, append(v.names, a)
	}
	return n
}

// enterName files what a row calls its op, which is not what it holds: that op
// is damaged, not missing.
func (v *verifier) enterName(r *storedRow) {
	if !r.name.IsZero() {
		v.enter(verifiedOp{arrival: r.arrival, id: r.name})
	}
}

// enter files an op under its ID. One that is here already, in another row, is
// a fault if it can be read there.
func (v *verifier) enter(op verifiedOp) (index uint32, here bool) {
	index, here = v.known[op.id]
	switch {
	case !here:
		index = uint32(len(v.ops))
		v.ops = append(v.ops, op)
		v.known[op.id] = index
	case op.seq == 0: // another row names it
	case v.ops[index].seq == 0:
		v.ops[index] = op
		return index, false
	default:
		v.found(Finding{Kind: FoundTwice, Arrival: op.arrival, ID: op.id, Problem: Problem{Code: ProblemSameOp, Row: v.ops[index].arrival}})
	}
	return index, here
}

// checkSeq finds a seq that does not follow from the parents. It reports false
// if they are not all here. Of a parent that cannot be read the seq is not known.
func (v *verifier) checkSeq(index uint32, parents []crdt.OpID) bool {
	var most uint64
	sure := true
	for i := range parents {
		p, here := v.known[parents[i]]
		if !here {
			return false
		}
		sure = sure && v.ops[p].seq > 0
		most = max(most, v.ops[p].seq)
	}
	if op := &v.ops[index]; sure && op.seq != most+1 {
		v.found(Finding{Kind: FoundSeq, Arrival: op.arrival, ID: op.id, Problem: Problem{Code: ProblemParents, Have: op.seq, Want: most + 1}, Held: op.author != 0 && v.isHeld(v.names[op.author])})
	}
	return true
}

// settle looks again at the ops whose parents were not all here when they came.
func (v *verifier) settle() {
	for _, e := range v.early {
		if v.checkSeq(e.index, e.parents) {
			v.report.Early++
			continue
		}
		var missing []crdt.OpID
		for _, p := range e.parents {
			if _, here := v.known[p]; !here {
				missing = append(missing, p)
			}
		}
		v.report.Waiting++
		op := v.ops[e.index]
		f := Finding{Kind: FoundWaiting, Arrival: op.arrival, ID: op.id, Problem: Problem{Code: ProblemNeeds, Ops: missing}}
		// A replica had all that its own ops build on. If rows are missing or
		// damaged, that says why they are not here.
		if v.own[v.names[op.author]] && !v.holes {
			f.Kind, f.Code = FoundLost, ProblemHad
		}
		v.found(f)
	}
}

// equivocations finds ops that one author signed at one seq, but for those about members. Each after the
// first is a fault.
func (v *verifier) equivocations() {
	signed := make([]uint32, 0, len(v.ops))
	for i := range v.ops {
		if v.ops[i].author != 0 && !v.ops[i].ofMembers {
			signed = append(signed, uint32(i))
		}
	}
	slices.SortFunc(signed, func(i, j uint32) int {
		a, b := &v.ops[i], &v.ops[j]
		return cmp.Or(cmp.Compare(a.author, b.author), cmp.Compare(a.seq, b.seq), cmp.Compare(a.arrival, b.arrival))
	})
	for n := 1; n < len(signed); n++ {
		a, b := &v.ops[signed[n-1]], &v.ops[signed[n]]
		if a.author == b.author && a.seq == b.seq {
			v.found(Finding{
				Kind: FoundEquivocation, Arrival: b.arrival, ID: b.id,
				Problem: Problem{Code: ProblemSameSeq, Author: v.names[b.author], Have: b.seq, Op: a.id, Row: a.arrival},
				Held:    v.isHeld(v.names[b.author]),
			})
		}
	}
}
