package replica_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestFencesOfOps: what says who has a story carries the greatest fence that is known for it, from the claim that a
// reservation came before on. Other ops carry none, and stay ones that every build reads.
func TestFencesOfOps(t *testing.T) {
	r := newReplica(t, filepath.Join(t.TempDir(), "p.db"))
	s := r.OpenSession("s")
	first, second := crdt.Fence{Epoch: 7, Revision: 3}, crdt.Fence{Epoch: 6, Revision: 9}
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
	do(pipeline.Reservation{Story: "1_s", Fence: second}, claiming)                    // of a hub whose clock was set back
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

// TestReservationsAreOver: where a hub gives out stories, a claim follows the last reservation, in time. What was reserved
// before another process had the story, or long ago, is no ground for a claim, and neither is none.
func TestReservationsAreOver(t *testing.T) {
	now := fixedNow()
	cfg := configOf(t, filepath.Join(t.TempDir(), "p.db"))
	cfg.Now = func() time.Time { return now }
	r := open(t, cfg)
	s := r.OpenSession("s")
	create(t, r, "1_s")
	do := func(caller pipeline.Caller, fn func(*pipeline.Tx) error) error {
		caller.Session, caller.Name = s.ID(), "ann"
		_, err := r.Update(t.Context(), "ann", func(tx *pipeline.Tx) error {
			tx.By(caller)
			return fn(tx)
		})
		return err
	}
	claiming := func(tx *pipeline.Tx) error { _, err := tx.Claim("1_s", s.ClaimOptions("ann", 60)); return err }
	releasing := func(tx *pipeline.Tx) error { _, err := tx.Release("1_s"); return err }
	reserved := func(epoch, revision uint64, left time.Duration) pipeline.Caller {
		return pipeline.Caller{Shared: true, Reserved: pipeline.Reservation{
			Story: "1_s", Fence: crdt.Fence{Epoch: epoch, Revision: revision}, Until: now.Add(left),
		}}
	}
	steps := []struct {
		what   string
		caller pipeline.Caller
		do     func(*pipeline.Tx) error
		over   bool
	}{
		{"without a reservation", pipeline.Caller{Shared: true}, claiming, true},
		{"with an old reservation", reserved(7, 3, 0), claiming, true},
		{"with a reservation", reserved(7, 4, time.Second), claiming, false},
		{"again while the lease lasts", pipeline.Caller{Shared: true}, claiming, false},
		{"releasing", pipeline.Caller{}, releasing, false},
		{"with one from before that claim", reserved(7, 3, time.Second), claiming, true},
		{"with the one of that claim", reserved(7, 4, time.Second), claiming, true},
		{"with the next", reserved(7, 5, time.Second), claiming, false},
	}
	for _, step := range steps {
		if err := do(step.caller, step.do); pipeline.IsUnreachable(err) != step.over || err != nil && !step.over {
			t.Errorf("%s: error %v, want one that the hub does not say whose the story is: %v", step.what, err, step.over)
		}
	}
	now = now.Add(time.Hour)
	if err := do(pipeline.Caller{Shared: true}, claiming); !pipeline.IsUnreachable(err) {
		t.Errorf("renewing after the end of the lease, without a reservation: error %v", err)
	}
	if err := do(reserved(7, 6, time.Second), claiming); err != nil {
		t.Errorf("renewing after the end of the lease, with a reservation: %v", err)
	}
}
