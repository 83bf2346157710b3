package crdt_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// orphan returns an op of an author whose parent never comes; it is signed,
// so that it weighs what it weighs.
func orphan(t testing.TB, author string, n int, edits []crdt.Edit) *crdt.Op {
	t.Helper()
	op := &crdt.Op{Seq: 2, Story: "1_story_x", Parents: []crdt.OpID{{1, byte(n >> 16), byte(n >> 8), byte(n)}}, Edits: edits}
	return newReplica(author).sign(t, op)
}

// lightOrphan is orphan for floods that are counted and not weighed.
func lightOrphan(_ testing.TB, author string, n int, edits []crdt.Edit) *crdt.Op {
	return made(author, n, crdt.Op{Seq: 2, Parents: []crdt.OpID{{1, byte(n >> 16), byte(n >> 8), byte(n)}}, Edits: edits})
}

// TestC17_ReverseChain: 100,000 ops, each the parent of the next, come in
// reverse order: the last to come releases all, without deep stack.
func TestC17_ReverseChain(t *testing.T) {
	ops := chain("a", 100_000, nil)
	d := crdt.NewDoc(testSchema)
	for _, op := range slices.Backward(ops[1:]) {
		mustApply(t, d, op, crdt.Pending)
	}
	res := mustApply(t, d, ops[0], crdt.Applied)
	if !sameOps(res.Released, ops[1:]) {
		t.Fatalf("the first op releases %d, want all others in order", len(res.Released))
	}
	mustCheck(t, d)
	if diff := cmp.Diff(text(replay(t, ops)), text(d)); diff != "" {
		t.Errorf("the order matters (-forward +reverse):\n%s", diff)
	}
}

// TestC11_OrphanDeliveredAgainAndAgain: it waits once.
func TestC11_OrphanDeliveredAgainAndAgain(t *testing.T) {
	d := crdt.NewDoc(testSchema)
	op := lightOrphan(t, "a", 0, nil)
	mustApply(t, d, op, crdt.Pending)
	for range 20_000 {
		mustApply(t, d, op, crdt.Duplicate)
	}
	if status, err := d.Admit(op); d.PendingLen() != 1 || status != crdt.Duplicate || err != nil {
		t.Errorf("%d ops are pending, want 1; Admit says %s, error %v, want duplicate", d.PendingLen(), status, err)
	}
	mustCheck(t, d)
}

var (
	lightEdits = []crdt.Edit{crdt.Set("stage", crdt.String("2_current"))}
	longEdits  = []crdt.Edit{crdt.Set("stage", crdt.String(strings.Repeat("x", 60<<10)))}
)

// unknownEdits returns n edits of an unknown kind: three bytes of payload each,
// and a hundred in memory.
func unknownEdits(n int) []crdt.Edit {
	edits := make([]crdt.Edit, n)
	for i := range edits {
		edits[i].Kind = 99
	}
	return edits
}

// TestC11_PendingBounds: Admit bounds what waits per author and in total, by
// count and by memory, and admits an op that it refused once there is room.
func TestC11_PendingBounds(t *testing.T) {
	tests := []struct {
		name     string
		authors  []string
		orphan   func(testing.TB, string, int, []crdt.Edit) *crdt.Op
		edits    []crdt.Edit
		min, max int // ops that find room
	}{
		{"count of an author", []string{"a"}, lightOrphan, lightEdits, crdt.MaxPendingPerAuthor, crdt.MaxPendingPerAuthor},
		{"count in total", []string{"a", "b", "c", "d", "e"}, lightOrphan, lightEdits, crdt.MaxPending, crdt.MaxPending},
		{"bytes of an author", []string{"a"}, orphan, longEdits, 500, crdt.MaxPendingBytesPerAuthor / (60 << 10)},
		{"bytes in total", []string{"a", "b", "c", "d", "e"}, orphan, longEdits, 2000, crdt.MaxPendingBytes / (60 << 10)},
		{"edits of an author", []string{"a"}, orphan, unknownEdits(crdt.MaxEdits), 950, crdt.MaxPendingBytesPerAuthor / (100 * crdt.MaxEdits)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := crdt.NewDoc(testSchema)
			root := made("root", 0, crdt.Op{Seq: 1})
			waiting := newReplica(tt.authors[0]).sign(t, &crdt.Op{Seq: 2, Story: "1_story_x", Parents: []crdt.OpID{root.ID}, Edits: tt.edits})
			mustApply(t, d, waiting, crdt.Pending)

			var refused *crdt.Op
			for n := 0; refused == nil && n <= tt.max; n++ {
				op := tt.orphan(t, tt.authors[n%len(tt.authors)], n, tt.edits)
				if status, err := d.Admit(op); errors.Is(err, crdt.ErrPendingFull) && status == crdt.Pending {
					refused = op
				} else if mustApply(t, d, op, crdt.Pending); err != nil {
					t.Fatal(err)
				}
			}
			if refused == nil || d.PendingLen() < tt.min || d.PendingLen() > tt.max {
				t.Fatalf("%d ops wait, refused one: %t; want %d to %d", d.PendingLen(), refused != nil, tt.min, tt.max)
			}
			if len(tt.authors) == 1 { // one author's flood leaves room for others
				mustAdmit(t, d, lightOrphan(t, "other", 0, lightEdits), crdt.Pending)
			}
			mustAdmit(t, d, root, crdt.Applied) // what has its parents is always taken
			mustApply(t, d, root, crdt.Applied)
			if refused.Author != waiting.Author {
				refused = tt.orphan(t, tt.authors[0], tt.max+1, tt.edits)
			}
			mustAdmit(t, d, refused, crdt.Pending) // and so is what there is room for again
			mustCheck(t, d)

			// What a log has already is taken, whatever the bounds.
			mustApply(t, d, refused, crdt.Pending)
			mustApply(t, d, tt.orphan(t, tt.authors[0], tt.max+2, tt.edits), crdt.Pending)
			mustCheck(t, d)
		})
	}
}

func mustAdmit(t testing.TB, d *crdt.Doc, op *crdt.Op, want crdt.Status) {
	t.Helper()
	if status, err := d.Admit(op); err != nil || status != want {
		t.Fatalf("admit op %s: got %s, error %v, want %s", op.ID.Short(), status, err, want)
	}
}

// TestC8_RefusedOpsHoldBackWhatBuildsOnThem: in every order an op with a wrong
// seq is refused, at once or when its parents come, what builds on it stays
// pending, and the rest goes on.
func TestC8_RefusedOpsHoldBackWhatBuildsOnThem(t *testing.T) {
	ids := func(ops ...*crdt.Op) (ids []crdt.OpID) {
		for _, op := range ops {
			ids = append(ids, op.ID)
		}
		return ids
	}
	root := made("a", 1, crdt.Op{Seq: 1})
	good := made("b", 1, crdt.Op{Seq: 2, Parents: ids(root)})
	bad := made("m", 1, crdt.Op{Seq: 9, Parents: ids(root)})
	onBad := made("m", 2, crdt.Op{Seq: 10, Parents: ids(bad)})
	onBoth := made("m", 3, crdt.Op{Seq: 10, Parents: ids(bad, good)})
	onSand := made("a", 2, crdt.Op{Seq: 11, Parents: ids(onBad)})

	want := text(replay(t, []*crdt.Op{root, good, onBad, onBoth, onSand}))
	permutations([]*crdt.Op{root, good, bad, onBad, onBoth, onSand}, func(ops []*crdt.Op) {
		d := crdt.NewDoc(testSchema)
		refusals := 0
		for _, op := range ops {
			res, err := d.Apply(op)
			if err != nil {
				wantError(t, err, crdt.ErrRefused, "seq 9")
				refusals++
			}
			refusals += len(res.Refused)
			mustCheck(t, d)
		}
		if got := text(d); got != want || refusals != 1 || d.PendingLen() != 3 {
			t.Fatalf("order %v: %d refusals, want 1; document (-want +got):\n%s", ops, refusals, cmp.Diff(want, got))
		}
		_, err := d.Apply(bad)
		wantError(t, err, crdt.ErrRefused)
	})
}

// TestMemoryOfAnEdit: the bounds on what waits count 128 bytes an edit.
func TestMemoryOfAnEdit(t *testing.T) {
	if got := unsafe.Sizeof(crdt.Edit{}); got != 128 && unsafe.Sizeof(uintptr(0)) == 8 {
		t.Errorf("an edit takes %d bytes: correct Op.memory, which counts 128", got)
	}
}
