package crdt_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// decodeOnly returns an op of the named replica without signing it, as a
// replay does: signatures would be most of the time of the tests below.
func decodeOnly(t testing.TB, name string, seq uint64, parents []crdt.OpID, edits ...fields) *crdt.Op {
	t.Helper()
	author := crdt.AuthorOf(keyOf(name))
	ids := []any{}
	for _, p := range parents {
		ids = append(ids, p[:])
	}
	payload, err := deterministic.Marshal(fields{
		uint64(1): 1, uint64(2): author[:], uint64(3): seq, uint64(4): ids, uint64(5): "1_story_x", uint64(6): edits,
	})
	if err != nil {
		t.Fatal(err)
	}
	op, err := crdt.Decode(payload)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// orphan returns the n-th op of an author whose parent never comes.
func orphan(t testing.TB, name string, n int, edits ...fields) *crdt.Op {
	t.Helper()
	var parent crdt.OpID
	binary.BigEndian.PutUint64(parent[:], uint64(n)+1)
	return decodeOnly(t, name, 2, []crdt.OpID{parent}, edits...)
}

// TestC17_ReverseChain: 20,000 ops, each the parent of the next, come in
// reverse order: the last to come releases all, without deep stack.
func TestC17_ReverseChain(t *testing.T) {
	const n = 20_000
	chain := make([]*crdt.Op, n)
	var parents []crdt.OpID
	for i := range chain {
		chain[i] = decodeOnly(t, "a", uint64(i)+1, parents, editMap())
		parents = []crdt.OpID{chain[i].ID}
	}
	d := crdt.NewDoc(testSchema)
	for _, op := range slices.Backward(chain[1:]) {
		if res, err := d.Apply(op); err != nil || res.Status != crdt.Pending {
			t.Fatalf("got %s, error %v, want pending", res.Status, err)
		}
	}
	res, err := d.Apply(chain[0])
	if err != nil || res.Status != crdt.Applied || !slices.Equal(res.Released, chain[1:]) {
		t.Fatalf("the first op: got %s, error %v, %d released, want all others in order", res.Status, err, len(res.Released))
	}
	if err := d.Check(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(text(replay(t, chain)), text(d)); diff != "" {
		t.Errorf("the order matters (-forward +reverse):\n%s", diff)
	}
}

// TestC11_OrphanDeliveredAgainAndAgain: it waits once.
func TestC11_OrphanDeliveredAgainAndAgain(t *testing.T) {
	d := crdt.NewDoc(testSchema)
	op := orphan(t, "a", 0, editMap())
	for i := range 20_000 {
		want := crdt.Duplicate
		if i == 0 {
			want = crdt.Pending
		}
		if res, err := d.Apply(op); err != nil || res.Status != want {
			t.Fatalf("delivery %d: got %s, error %v, want %s", i, res.Status, err, want)
		}
	}
	if d.PendingLen() != 1 {
		t.Errorf("%d ops are pending, want 1", d.PendingLen())
	}
	if err := d.Check(); err != nil {
		t.Error(err)
	}
}

// manyUnknown returns n edits of an unknown kind: three bytes of payload each,
// and a hundred in memory.
func manyUnknown(n int) []fields {
	edits := make([]fields, n)
	for i := range edits {
		edits[i] = fields{uint64(1): 99}
	}
	return edits
}

// TestC11_PendingBounds: the bounds on what waits hold per author and in total,
// by count and by memory, and an op they refuse is taken once there is room.
func TestC11_PendingBounds(t *testing.T) {
	long := with(editMap(), uint64(3), strings.Repeat("x", 60<<10))
	tests := []struct {
		name    string
		authors []string
		edits   []fields
		min     int // ops that have to find room
		max     int
	}{
		{"count of an author", []string{"a"}, []fields{editMap()}, crdt.MaxPendingPerAuthor, crdt.MaxPendingPerAuthor},
		{"count in total", []string{"a", "b", "c", "d", "e"}, []fields{editMap()}, crdt.MaxPending, crdt.MaxPending},
		{"bytes of an author", []string{"a"}, []fields{long}, 500, crdt.MaxPendingBytesPerAuthor / (60 << 10)},
		{"bytes in total", []string{"a", "b", "c", "d", "e"}, []fields{long}, 2000, crdt.MaxPendingBytes / (60 << 10)},
		{"edits of an author", []string{"a"}, manyUnknown(crdt.MaxEdits), 1000, crdt.MaxPendingBytesPerAuthor / (100 * crdt.MaxEdits)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := crdt.NewDoc(testSchema)
			root := decodeOnly(t, "root", 1, nil, editMap())
			waiting := decodeOnly(t, tt.authors[0], 2, []crdt.OpID{root.ID}, tt.edits...)
			mustApply(t, d, waiting, crdt.Pending)

			var refused *crdt.Op
			n := 1
			for ; refused == nil && n <= tt.max+1; n++ {
				op := orphan(t, tt.authors[n%len(tt.authors)], n, tt.edits...)
				if _, err := d.Apply(op); errors.Is(err, crdt.ErrPendingFull) {
					refused = op
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if refused == nil || d.PendingLen() < tt.min || d.PendingLen() > tt.max {
				t.Fatalf("%d ops wait, refused one: %t; want %d to %d", d.PendingLen(), refused != nil, tt.min, tt.max)
			}
			if len(tt.authors) == 1 { // one author's flood leaves room for others
				mustApply(t, d, orphan(t, "other", 0, editMap()), crdt.Pending)
			}

			before := text(d)
			if _, err := d.Apply(refused); !errors.Is(err, crdt.ErrPendingFull) || text(d) != before {
				t.Errorf("refused again: got error %v, document changed: %t", err, text(d) != before)
			}
			mustApply(t, d, root, crdt.Applied) // what has its parents is always taken
			if refused.Author != waiting.Author {
				refused = orphan(t, tt.authors[0], n, tt.edits...)
			}
			mustApply(t, d, refused, crdt.Pending) // and so is what there is room for again
			if err := d.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func mustApply(t testing.TB, d *crdt.Doc, op *crdt.Op, want crdt.Status) crdt.Result {
	t.Helper()
	res, err := d.Apply(op)
	if err != nil || res.Status != want {
		t.Fatalf("apply op %s: got %s, error %v, want %s", op.ID.Short(), res.Status, err, want)
	}
	return res
}

// TestC8_RefusedOpsHoldBackWhatBuildsOnThem: in every order an op with a wrong
// seq is refused, at once or when its parents come, what builds on it stays
// pending, and the rest goes on.
func TestC8_RefusedOpsHoldBackWhatBuildsOnThem(t *testing.T) {
	root := decodeOnly(t, "a", 1, nil, editMap())
	ids := func(ops ...*crdt.Op) []crdt.OpID {
		var ids []crdt.OpID
		for _, op := range ops {
			ids = append(ids, op.ID)
		}
		sortIDs(ids)
		return ids
	}
	good := decodeOnly(t, "b", 2, ids(root), editMap())
	bad := decodeOnly(t, "m", 9, ids(root), editMap())
	onBad := decodeOnly(t, "m", 10, ids(bad), editMap())
	onBoth := decodeOnly(t, "m", 10, ids(bad, good), editMap())
	onSand := decodeOnly(t, "a", 11, ids(onBad), editMap())

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
			if err := d.Check(); err != nil {
				t.Fatal(err)
			}
		}
		if got := text(d); got != want || refusals != 1 || d.PendingLen() != 3 {
			t.Fatalf("order %v: %d refusals, want 1; document (-want +got):\n%s", ops, refusals, cmp.Diff(want, got))
		}
		_, err := d.Apply(bad)
		wantError(t, err, crdt.ErrRefused)
	})
}
