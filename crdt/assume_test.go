package crdt_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestAssumeApplied: what builds on a damaged op goes on, only its own edits
// are missing; ops written afterwards follow from its seq.
func TestAssumeApplied(t *testing.T) {
	a := newReplica("a")
	a.write(t, "1_story_x", crdt.Set("stage", crdt.String("1_backlog")))
	damaged := a.write(t, "1_story_x", crdt.Set("name", crdt.String("lost")))
	a.write(t, "1_story_x", crdt.Set("stage", crdt.String("2_current")))
	last := a.write(t, "1_story_x", crdt.Set("agent", crdt.String("coder-1")))

	b := newReplica("b")
	for _, op := range a.ops() {
		if op != damaged {
			b.receive(t, op)
		}
	}
	if b.doc.PendingLen() != 2 {
		t.Fatalf("%d ops are pending, want 2", b.doc.PendingLen())
	}
	res := b.doc.AssumeApplied(damaged.ID, damaged.Seq)
	b.check(t)
	if res.Status != crdt.Applied || len(res.Released) != 2 || !b.doc.Has(damaged.ID) {
		t.Errorf("got %s, %d released, want applied, 2", res.Status, len(res.Released))
	}
	s := b.doc.Story("1_story_x")
	if s.Str(fieldStage) != "2_current" || s.Str(fieldName) != "" || s.Rev() != last.ID {
		t.Errorf("stage %q, name %q, rev %s", s.Str(fieldStage), s.Str(fieldName), s.Rev())
	}
	if _, seq := b.doc.Next(); seq != last.Seq+1 {
		t.Errorf("the next seq is %d, want %d", seq, last.Seq+1)
	}
	if res := b.doc.AssumeApplied(damaged.ID, damaged.Seq); res.Status != crdt.Duplicate {
		t.Errorf("assumed again: got %s, want duplicate", res.Status)
	}
	if res := b.doc.AssumeApplied(last.ID, 77); res.Status != crdt.Duplicate {
		t.Errorf("an applied op assumed: got %s, want duplicate", res.Status)
	}

	// The op comes from elsewhere after all: the document is whole again.
	if res := b.receive(t, damaged); res.Status != crdt.Applied {
		t.Errorf("the damaged op comes: got %s, want applied", res.Status)
	}
	if res := b.receive(t, damaged); res.Status != crdt.Duplicate {
		t.Errorf("and again: got %s, want duplicate", res.Status)
	}
	if diff := cmp.Diff(text(a.doc), text(b.doc)); diff != "" {
		t.Errorf("documents differ (-a +b):\n%s", diff)
	}
}

// TestAssumeAppliedAnywhere: whichever op of a history is assumed, and when,
// also while it is pending: once all ops are here the document is the one
// without damage.
func TestAssumeAppliedAnywhere(t *testing.T) {
	a, b := newReplica("a"), newReplica("b")
	a.write(t, "1_story_x", crdt.Set("stage", crdt.String("1_backlog")))
	b.pull(t, a)
	a.write(t, "1_story_x", crdt.Inc("retry_count", 1, crdt.OpID{}))
	b.write(t, "1_story_x", crdt.Inc("retry_count", 2, crdt.OpID{}))
	a.pull(t, b)
	a.write(t, "1_story_x", crdt.Dep(7, true))
	want := text(a.doc)
	permutations(a.ops(), func(ops []*crdt.Op) {
		for _, damaged := range ops {
			for when := range ops {
				d := crdt.NewDoc(testSchema)
				for i, op := range slices.Concat(ops, ops) {
					if i == when {
						d.AssumeApplied(damaged.ID, damaged.Seq)
					}
					if _, err := d.Apply(op); err != nil {
						t.Fatal(err)
					}
					if err := d.Check(); err != nil {
						t.Fatal(err)
					}
				}
				if got := text(d); got != want {
					t.Fatalf("op with seq %d assumed at step %d (-want +got):\n%s", damaged.Seq, when, cmp.Diff(want, got))
				}
			}
		}
	})
}
