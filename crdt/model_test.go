package crdt_test

import (
	"bytes"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// The model says what a set of ops means, straight from doc.go and without
// arrival order, queues or incremental state. It is slow and plain on purpose.

// seen is what can be observed of a document from outside.
type seen struct {
	Stories                map[string]seenStory
	Heads                  []crdt.OpID
	Applied, Pending, Next int
}

type seenStory struct {
	Stage, Name      string
	Blocked, Deleted bool
	Count            int64
	CountBase, Rev   crdt.OpID
	Dependencies     []uint32
}

// observe reads a document through its exported methods.
func observe(d *crdt.Doc) seen {
	parents, next := d.Next()
	s := seen{Stories: map[string]seenStory{}, Heads: parents, Applied: d.Len(), Pending: d.PendingLen(), Next: int(next)}
	for st := range d.Stories() {
		s.Stories[st.ID()] = seenStory{
			Stage: st.Str(fieldStage), Name: st.Str(fieldName),
			Blocked: st.Bool(fieldBlocked), Deleted: st.Deleted(),
			Count: st.Count(fieldRetry), CountBase: st.CountBase(fieldRetry), Rev: st.Rev(),
			Dependencies: st.Dependencies(),
		}
	}
	return s
}

// modelOf says what a document with exactly these ops shows.
func modelOf(ops []*crdt.Op) seen {
	applied, waiting := admissible(ops)
	s := seen{Stories: map[string]seenStory{}, Applied: len(applied), Pending: waiting, Next: 1}
	for _, op := range applied {
		s.Next = max(s.Next, int(op.Seq)+1)
		if !slices.ContainsFunc(applied, func(o *crdt.Op) bool { return slices.Contains(o.Parents, op.ID) }) {
			s.Heads = append(s.Heads, op.ID)
		}
		if _, ok := s.Stories[op.Story]; !ok {
			s.Stories[op.Story] = modelStory(applied, op.Story)
		}
	}
	slices.SortFunc(s.Heads, func(a, b crdt.OpID) int { return bytes.Compare(a[:], b[:]) })
	return s
}

// admissible returns the ops that are applied once all of ops have come, and
// how many wait for ever.
func admissible(ops []*crdt.Op) (applied []*crdt.Op, waiting int) {
	seqs := map[crdt.OpID]uint64{}
	decided := map[crdt.OpID]bool{}
	for again := true; again; {
		again = false
		for _, op := range ops {
			if decided[op.ID] {
				continue
			}
			here, seq := true, uint64(0)
			for _, p := range op.Parents {
				n, ok := seqs[p]
				here, seq = here && ok, max(seq, n)
			}
			wrongType := slices.ContainsFunc(op.Edits, func(e crdt.Edit) bool {
				return e.Field == "agent" && e.Value.Type() != crdt.TypeString
			})
			if !here && !wrongType {
				continue
			}
			decided[op.ID], again = true, true
			if !wrongType && op.Seq == seq+1 {
				applied, seqs[op.ID] = append(applied, op), op.Seq
			}
		}
	}
	distinct := map[crdt.OpID]bool{}
	for _, op := range ops {
		distinct[op.ID] = true
	}
	return applied, len(distinct) - len(decided)
}

// modelStory says what the applied ops make of one story.
func modelStory(applied []*crdt.Op, id string) seenStory {
	var mine []*crdt.Op
	for _, op := range applied {
		if op.Story == id {
			mine = append(mine, op)
		}
	}
	slices.SortFunc(mine, func(a, b *crdt.Op) int { // the winner is the last
		switch {
		case a.Seq != b.Seq:
			return int(a.Seq) - int(b.Seq)
		case a.Author != b.Author:
			return bytes.Compare(b.Author[:], a.Author[:])
		}
		return bytes.Compare(b.ID[:], a.ID[:])
	})
	s := seenStory{Rev: mine[len(mine)-1].ID}
	deps := map[uint32]bool{}
	for _, op := range mine {
		for _, e := range op.Edits {
			switch {
			case e.Kind == crdt.KindDep:
				deps[e.Number] = e.Value.Bool()
			case e.Kind != crdt.KindSet:
			case e.Field == "stage":
				s.Stage = e.Value.Str()
			case e.Field == "name":
				s.Name = e.Value.Str()
			case e.Field == "blocked":
				s.Blocked = e.Value.Bool()
			case e.Field == "deleted":
				s.Deleted = e.Value.Bool()
			case e.Field == "retry_count":
				s.Count, s.CountBase = e.Value.Int(), op.ID
			}
		}
	}
	for _, op := range mine {
		for _, e := range op.Edits {
			if e.Kind == crdt.KindInc && e.Field == "retry_count" && e.Base == s.CountBase {
				s.Count += int64(e.By)
			}
		}
	}
	for n, on := range deps {
		if on {
			s.Dependencies = append(s.Dependencies, n)
		}
	}
	slices.Sort(s.Dependencies)
	return s
}
