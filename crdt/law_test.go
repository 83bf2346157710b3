package crdt_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestLaws: in every history, replicas that got all ops and trust the same
// authors print the same, as do fresh documents in any order with any repeats,
// and documents that got the ops through others; a repeat changes nothing; a
// row that cannot be read leaves out one op's edits and nothing else; and what
// they all show is what the model says.
//
// A history that breaks a law is written to testdata/rapid/TestLaws, and every
// later run begins with the files there: commit the file together with the fix,
// and with a history in testdata/histories, since a file says nothing any more
// once the draws of law_draw_test.go change.
func TestLaws(t *testing.T) { rapid.Check(t, checkLaws) }

func checkLaws(t *rapid.T) {
	h := drawHistory(t)
	for _, r := range h.replicas {
		for _, op := range h.ops {
			_, _ = r.tryReceive(t, op)
		}
		r.restart(t)
		checkLog(t, slices.Concat(r.log, undamaged(h.ops)), r.trusted, r.doc)
	}
	trusted := authors(drawTrusted(t)...)
	log := undamaged(h.ops)
	checkLog(t, log, trusted, replayLog(t, log, trusted...))

	// The same with rows that cannot be read, of which some come otherwise.
	for i := range log {
		log[i].damaged = rapid.IntRange(0, 4).Draw(t, "damaged") == 0
	}
	for range len(log) / 4 {
		log = append(log, row{op: h.ops[rapid.IntRange(0, len(h.ops)-1).Draw(t, "comes anyway")]})
	}
	checkLog(t, log, trusted, replayLog(t, log, trusted...))
}

// checkLog checks a document that got all rows of a log.
func checkLog(t *rapid.T, log []row, trusted []crdt.Author, d *crdt.Doc) {
	want := text(d)
	if diff := cmp.Diff(modelOf(log, trusted...), observe(d)); diff != "" {
		t.Fatalf("document (-model +document):\n%s", diff)
	}
	if len(log) == 0 {
		return
	}
	shuffled := permuted(t, slices.Concat(log, log))
	sameText(t, "another order with repeats", want, replayLog(t, shuffled, trusted...))
	slices.Reverse(shuffled)
	last := crdt.NewDoc(testSchema, trusted...)
	for _, row := range shuffled {
		applyRow(last, row)
		if err := last.Check(); err != nil {
			t.Fatalf("after op %s, damaged %t: %v", row.op.ID.Short(), row.damaged, err)
		}
	}
	sameText(t, "the reverse of that", want, last)
	sameText(t, "by way of others", want, forward(t, log, trusted))

	for _, row := range log {
		if res, err := applyRow(last, row); err == nil && res.Status != crdt.Duplicate {
			t.Fatalf("op %s again: got %s, want duplicate or an error", row.op.ID.Short(), res.Status)
		}
	}
	if err := last.Check(); err != nil {
		t.Fatal(err)
	}
	sameText(t, "every row once more", want, last)
}

func permuted(t *rapid.T, log []row) []row {
	indices := make([]int, len(log))
	for i := range indices {
		indices[i] = i
	}
	var other []row
	for _, i := range rapid.Permutation(indices).Draw(t, "order") {
		other = append(other, log[i])
	}
	return other
}

// forward cuts the log in two and gives each part to a document of its own.
// These pass on what they could make sense of, in the order in which they did,
// and only then the rest.
func forward(t *rapid.T, log []row, trusted []crdt.Author) *crdt.Doc {
	cut := rapid.IntRange(0, len(log)).Draw(t, "cut")
	var passed []row
	for _, part := range [][]row{log[cut:], log[:cut]} {
		d := crdt.NewDoc(testSchema, trusted...)
		for _, row := range part {
			res, _ := applyRow(d, row)
			if res.Status == crdt.Applied || res.Status == crdt.Held {
				passed = append(passed, row)
			}
			passed = append(passed, undamaged(res.Released)...)
		}
	}
	return replayLog(t, slices.Concat(passed, log), trusted...)
}

func sameText(t rapid.TB, what, want string, d *crdt.Doc) {
	t.Helper()
	if diff := cmp.Diff(want, text(d)); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// TestStampIsATotalOrder: of two different writes exactly one wins, and winning
// is transitive, so all replicas pick the same one.
func TestStampIsATotalOrder(t *testing.T) {
	stamp := rapid.Custom(func(t *rapid.T) crdt.Stamp {
		small := rapid.ByteRange(0, 2)
		return crdt.Stamp{
			Fence:  crdt.Fence{Epoch: uint64(small.Draw(t, "epoch")), Revision: uint64(small.Draw(t, "revision"))},
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
		if n := a.Fence.Compare(b.Fence); n != 0 && a.Wins(b) != (n > 0) {
			t.Fatal("not by greater fence")
		} else if n != 0 {
			return
		}
		if a.Seq > b.Seq && !a.Wins(b) || a.Seq == b.Seq && a.Author.Compare(b.Author) < 0 && !a.Wins(b) {
			t.Fatal("not by greater seq, then lower author")
		}
	})
}
