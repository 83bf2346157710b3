package replica_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestFencesOfOps: what says who has a story carries the greatest fence that is known for it, from the claim that a
// reservation came before on. Other ops carry none, and stay ones that every build reads.
func TestFencesOfOps(t *testing.T) {
	r := newReplica(t, filepath.Join(t.TempDir(), "p.db"))
	s := r.OpenSession("s")
	first, second := crdt.Fence{Epoch: 7, Revision: 3}, crdt.Fence{Epoch: 7, Revision: 2}
	do := func(reserved pipeline.Reservation, fn func(*pipeline.Tx) error) {
		t.Helper()
		_, err := r.Update(t.Context(), "ann", func(tx *pipeline.Tx) error {
			tx.By(pipeline.Caller{Session: s.ID(), Name: "ann", Reserved: reserved})
			return fn(tx)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	claiming := func(tx *pipeline.Tx) error { _, err := tx.Claim("1_s", s.ClaimOptions("ann", 0)); return err }
	advancing := func(tx *pipeline.Tx) error { _, err := tx.Advance("1_s", nil); return err }
	create(t, r, "1_s")
	create(t, r, "2_s")
	do(pipeline.Reservation{}, claiming) // as without a hub
	do(pipeline.Reservation{}, advancing)
	do(pipeline.Reservation{Story: "1_s", Fence: first}, claiming)
	do(pipeline.Reservation{}, renaming("1_s", "x"))
	do(pipeline.Reservation{}, advancing)
	do(pipeline.Reservation{Story: "1_s", Fence: second}, claiming)                    // of a hub that was put back
	do(pipeline.Reservation{Story: "1_s", Fence: first}, func(tx *pipeline.Tx) error { // of another story
		_, err := tx.Claim("2_s", s.ClaimOptions("ann", 0))
		return err
	})
	var got []string
	ops, _, err := r.OpsAfter(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, signed := range ops {
		op, err := crdt.Decode(signed.Payload)
		if err != nil {
			t.Fatal(err)
		}
		version := string('0' + rune(signed.Payload[2])) // behind the map's head and the key
		got = append(got, op.Story+" version "+version+" fence "+op.Fence.String())
	}
	want := []string{
		"1_s version 1 fence 0.0", "2_s version 1 fence 0.0", "1_s version 1 fence 0.0", "1_s version 1 fence 0.0",
		"1_s version 2 fence 7.3", "1_s version 1 fence 0.0", "1_s version 2 fence 7.3", "1_s version 2 fence 7.3", "2_s version 1 fence 0.0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
