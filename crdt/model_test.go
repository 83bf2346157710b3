package crdt_test

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// The model says what a set of ops means, straight from doc.go and without
// arrival order, queues or incremental state. It is slow and plain on purpose.

// seen is what can be observed of a document from outside.
type seen struct {
	Stories                      map[string]seenStory
	Order                        []string // stories that are not deleted
	Heads                        []crdt.OpID
	Applied, Held, Pending, Next int
}

type seenStory struct {
	Stage, Name, Agent string
	Blocked, Deleted   bool
	Count              int64
	CountBase, Rev     crdt.OpID
	Dependencies       []uint32
	Notes              []seenNote
	Anchor             crdt.Anchor
	Fence              crdt.Fence
}

type seenNote struct {
	Op   crdt.OpID
	Text string
}

// observe reads a document through its exported methods.
func observe(d *crdt.Doc) seen {
	_, next := d.Next()
	s := seen{
		Stories: map[string]seenStory{}, Order: order(d), Heads: d.Heads(),
		Applied: d.Len(), Held: d.HeldLen(), Pending: d.PendingLen(), Next: int(next),
	}
	for st := range d.Stories() {
		seen := seenStory{
			Stage: st.Str(fieldStage), Name: st.Str(fieldName), Agent: st.Str(fieldAgent),
			Blocked: st.Bool(fieldBlocked), Deleted: st.Deleted(),
			Count: st.Count(fieldRetry), CountBase: st.Writer(fieldRetry), Rev: st.Rev(),
			Dependencies: st.Dependencies(), Anchor: st.Anchor(), Fence: st.Fence(),
		}
		for n := range st.Notes() {
			seen.Notes = append(seen.Notes, seenNote{n.By.Op, n.Text})
		}
		s.Stories[st.ID()] = seen
	}
	return s
}

// modelOf says what a document shows to which these rows of a log came. If any
// authors are given, it trusts no others.
func modelOf(log []row, trusted ...crdt.Author) seen {
	graph, assumed, waiting := admissible(log)
	s := seen{Stories: map[string]seenStory{}, Heads: []crdt.OpID{}, Pending: waiting, Next: 1}
	var applied []*crdt.Op
	for _, op := range graph {
		if len(trusted) == 0 || slices.Contains(trusted, op.Author) {
			applied = append(applied, op)
		} else {
			s.Held++
		}
	}
	s.Applied = len(applied) + len(assumed)
	for _, op := range slices.Concat(applied, assumed) {
		if slices.Contains(applied, op) {
			s.Next = max(s.Next, int(op.Seq)+1)
		}
		if !slices.ContainsFunc(applied, func(o *crdt.Op) bool { return slices.Contains(o.Parents, op.ID) }) {
			s.Heads = append(s.Heads, op.ID)
		}
	}
	slices.SortFunc(s.Heads, func(a, b crdt.OpID) int { return bytes.Compare(a[:], b[:]) })

	slices.SortFunc(applied, func(a, b *crdt.Op) int { // the winner is the last
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), bytes.Compare(b.Author[:], a.Author[:]), bytes.Compare(b.ID[:], a.ID[:]))
	})
	var places []modelPlace
	for _, op := range applied {
		if _, ok := s.Stories[op.Story]; !ok {
			s.Stories[op.Story] = modelStory(applied, op.Story)
		}
		for _, e := range op.Edits {
			if e.Kind == crdt.KindPlace {
				places = append(places, modelPlace{op, crdt.Anchor{Op: e.Base, Story: e.Anchor}})
			}
		}
	}
	s.order(places)
	return s
}

// admissible returns the ops that stand in the graph once all have come, the
// damaged ones that are taken for such, and how many ops wait for ever.
func admissible(log []row) (graph, assumed []*crdt.Op, waiting int) {
	seqs := map[crdt.OpID]uint64{}
	all := map[crdt.OpID]*crdt.Op{}
	damaged := map[crdt.OpID]*crdt.Op{}
	for _, row := range log {
		if row.damaged {
			seqs[row.op.ID], damaged[row.op.ID] = row.op.Seq, row.op
		} else {
			all[row.op.ID] = row.op
		}
	}
	for again := true; again; {
		again = false
		for id, op := range all {
			here, seq := true, uint64(0)
			for _, p := range op.Parents {
				n, ok := seqs[p]
				here, seq = here && ok, max(seq, n)
			}
			if fits := modelFits(op); here || !fits {
				if delete(all, id); fits && op.Seq == seq+1 {
					graph, seqs[id] = append(graph, op), op.Seq
					delete(damaged, id)
				}
				again = true
			}
		}
	}
	return graph, slices.Collect(maps.Values(damaged)), len(all)
}

// modelFits reports whether the op writes declared fields with their types.
func modelFits(op *crdt.Op) bool {
	types := map[string]crdt.Type{
		"stage": crdt.TypeString, "name": crdt.TypeString, "agent": crdt.TypeString,
		"blocked_reason": crdt.TypeString, "blocked": crdt.TypeBool, "deleted": crdt.TypeBool, "retry_count": crdt.TypeInt,
	}
	for _, e := range op.Edits {
		want, declared := types[e.Field]
		if declared && (e.Kind == crdt.KindSet && e.Value.Type() != want || e.Kind == crdt.KindInc && want != crdt.TypeInt) {
			return false
		}
	}
	return true
}

func greaterFence(a, b crdt.Fence) crdt.Fence {
	if a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Revision > b.Revision {
		return a
	}
	return b
}

// modelStory says what the applied ops, of which the last one wins, make of one
// story, its place excepted.
func modelStory(applied []*crdt.Op, id string) seenStory {
	var s seenStory
	var mine []*crdt.Op
	for _, op := range applied {
		if op.Story == id {
			mine = append(mine, op)
			s.Rev = op.ID
		}
	}
	fenced := slices.Clone(mine) // the winner of a fenced register is the last
	slices.SortStableFunc(fenced, func(a, b *crdt.Op) int {
		return cmp.Or(cmp.Compare(a.Fence.Epoch, b.Fence.Epoch), cmp.Compare(a.Fence.Revision, b.Fence.Revision))
	})
	for _, op := range fenced {
		for _, e := range op.Edits {
			switch {
			case e.Kind != crdt.KindSet:
			case e.Field == "stage":
				s.Stage, s.Fence = e.Value.Str(), greaterFence(s.Fence, op.Fence)
			case e.Field == "agent":
				s.Agent, s.Fence = e.Value.Str(), greaterFence(s.Fence, op.Fence)
			}
		}
	}
	deps := map[uint32]bool{}
	for _, op := range mine {
		for _, e := range op.Edits {
			switch {
			case e.Kind == crdt.KindDep:
				deps[e.Number] = e.Value.Bool()
			case e.Kind == crdt.KindNote:
				s.Notes = append(s.Notes, seenNote{op.ID, e.Value.Str()})
			case e.Kind != crdt.KindSet:
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
