package crdt_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// history is a random history over a few replicas: honest writes, partial
// exchanges in any order, and hostile ops.
type history struct {
	replicas []*replica
	ops      []*crdt.Op
}

func drawHistory(t *rapid.T) *history {
	h := &history{}
	for _, name := range []string{"a", "b", "c", "d"}[:rapid.IntRange(2, 4).Draw(t, "replicas")] {
		h.replicas = append(h.replicas, newReplica(name))
	}
	for range rapid.IntRange(1, 25).Draw(t, "steps") {
		r := rapid.SampledFrom(h.replicas).Draw(t, "replica")
		switch rapid.SampledFrom([]string{"write", "write", "receive", "receive", "hostile"}).Draw(t, "step") {
		case "write":
			h.ops = append(h.ops, r.write(t, drawStory(t), h.drawEdits(t, r)...))
		case "receive":
			h.receiveSome(t, r)
		case "hostile":
			h.hostile(t, r)
		}
	}
	return h
}

func drawStory(t *rapid.T) string {
	return rapid.SampledFrom([]string{"1_story_x", "2_story_y"}).Draw(t, "story")
}

// drawEdits draws edits of different things. Every second inc is honest.
func (h *history) drawEdits(t *rapid.T, r *replica) (edits []crdt.Edit) {
	kinds := []string{"stage", "name", "blocked", "deleted", "set count", "inc count", "dep 7", "dep 8", "unknown field", "unknown kind"}
	for _, kind := range rapid.SliceOfNDistinct(rapid.SampledFrom(kinds), 1, 3, rapid.ID).Draw(t, "edits") {
		n := rapid.IntRange(0, 3).Draw(t, "value")
		switch kind {
		case "stage", "name":
			edits = append(edits, crdt.Set(kind, crdt.String(string(rune('p'+n)))))
		case "blocked", "deleted":
			edits = append(edits, crdt.Set(kind, crdt.Bool(n%2 == 0)))
		case "set count":
			edits = append(edits, crdt.Set("retry_count", crdt.Int(int64(10*n))))
		case "inc count":
			if slices.ContainsFunc(edits, func(e crdt.Edit) bool { return e.Field == "retry_count" }) {
				continue // one op never does both
			}
			base := h.drawBase(t)
			if s := r.doc.Story("1_story_x"); s != nil && n%2 == 0 {
				base = s.CountBase(fieldRetry)
			}
			edits = append(edits, crdt.Inc("retry_count", uint64(n+1), base))
		case "dep 7", "dep 8":
			edits = append(edits, crdt.Dep(uint32(kind[4]-'0'), n%2 == 0))
		case "unknown field":
			edits = append(edits, crdt.Set("estimate", crdt.Int(int64(n))))
		case "unknown kind":
			edits = append(edits, crdt.Edit{Kind: crdt.EditKind(50 + n)})
		}
	}
	edits = slices.DeleteFunc(edits, func(e crdt.Edit) bool { // "inc count" came first
		return e.Kind == crdt.KindSet && e.Field == "retry_count" &&
			slices.ContainsFunc(edits, func(f crdt.Edit) bool { return f.Kind == crdt.KindInc })
	})
	return edits
}

// drawBase draws any op as the base of an inc, whether it is a set or not and
// whether the author has seen it or not; or none.
func (h *history) drawBase(t *rapid.T) crdt.OpID {
	if len(h.ops) == 0 || rapid.Bool().Draw(t, "no base") {
		return crdt.OpID{}
	}
	return rapid.SampledFrom(h.ops).Draw(t, "base").ID
}

// receiveSome delivers some of all ops to r, in any order, with repeats.
func (h *history) receiveSome(t *rapid.T, r *replica) {
	if len(h.ops) == 0 {
		return
	}
	for _, op := range rapid.SliceOfN(rapid.SampledFrom(h.ops), 0, 6).Draw(t, "delivered") {
		_, _ = r.doc.Apply(op) // hostile ones are refused
		r.check(t)
	}
}

// hostile makes an op that r's document did not give: any parents, any seq, a
// value of the wrong type. Nobody has applied it yet.
func (h *history) hostile(t *rapid.T, r *replica) {
	op := &crdt.Op{Story: drawStory(t), Edits: h.drawEdits(t, r), Seq: 1}
	if len(h.ops) > 0 {
		for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(h.ops), 0, 3, rapid.ID).Draw(t, "parents") {
			if !slices.Contains(op.Parents, p.ID) {
				op.Parents = append(op.Parents, p.ID)
			}
			op.Seq = max(op.Seq, p.Seq+1)
		}
	}
	sortIDs(op.Parents)
	switch rapid.IntRange(0, 4).Draw(t, "fault") {
	case 0:
		op.Seq++
	case 1:
		op.Seq = max(1, op.Seq-1)
	case 2:
		op.Edits = append(op.Edits, crdt.Set("agent", crdt.Int(1)))
	}
	h.ops = append(h.ops, r.sign(t, op))
}

// TestLaws: in every history, all replicas that got all ops print the same, as
// do fresh documents in any order with any repeats; a repeat changes nothing;
// and what they print is what the model says.
func TestLaws(t *testing.T) { rapid.Check(t, checkLaws) }

func checkLaws(t *rapid.T) {
	h := drawHistory(t)
	for _, r := range h.replicas {
		for _, op := range h.ops {
			_, _ = r.doc.Apply(op)
			r.check(t)
		}
	}
	want := text(h.replicas[0].doc)
	same := func(what string, d *crdt.Doc) {
		if diff := cmp.Diff(want, text(d)); diff != "" {
			t.Fatalf("%s (-replica a +it):\n%s", what, diff)
		}
	}
	for _, r := range h.replicas[1:] {
		same("replica "+r.name+" got the same ops", r.doc)
	}
	order := rapid.Permutation(slices.Concat(h.ops, h.ops)).Draw(t, "order")
	same("another order with repeats", replay(t, order))
	slices.Reverse(order)
	d := replay(t, order)
	same("the reverse of that", d)

	for _, op := range h.ops {
		if res, err := d.Apply(op); err == nil && res.Status != crdt.Duplicate {
			t.Fatalf("op %s again: got %s, want duplicate or an error", op.ID.Short(), res.Status)
		}
	}
	same("every op once more", d)
	if diff := cmp.Diff(modelOf(h.ops), observe(d)); diff != "" {
		t.Fatalf("document (-model +document):\n%s", diff)
	}
}

// TestStampIsATotalOrder: of two different writes exactly one wins, and winning
// is transitive, so all replicas pick the same one.
func TestStampIsATotalOrder(t *testing.T) {
	stamp := rapid.Custom(func(t *rapid.T) crdt.Stamp {
		small := rapid.ByteRange(0, 2)
		return crdt.Stamp{
			Seq:    uint64(small.Draw(t, "seq")),
			Author: crdt.Author{31: small.Draw(t, "author")},
			Op:     crdt.OpID{31: small.Draw(t, "op")},
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := stamp.Draw(t, "a"), stamp.Draw(t, "b"), stamp.Draw(t, "c")
		if a == b && a.Wins(b) || a != b && a.Wins(b) == b.Wins(a) {
			t.Fatalf("a wins %t, b wins %t", a.Wins(b), b.Wins(a))
		}
		if a.Wins(b) && b.Wins(c) && !a.Wins(c) {
			t.Fatal("a beats b, b beats c, a does not beat c")
		}
		if a.Seq > b.Seq && !a.Wins(b) || a.Seq == b.Seq && a.Author.Compare(b.Author) < 0 && !a.Wins(b) {
			t.Fatal("not by greater seq, then lower author")
		}
	})
}
