package replica_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// TestC1_RestartAfterUpdates shows that the state after a restart is the one before, byte for
// byte, and so is that of a process that was there all the time.
func TestC1_RestartAfterUpdates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	watcher, r := newReplica(t, path), newReplica(t, path)
	for i := range 10 {
		id := fmt.Sprintf("%d_story", i+1)
		create(t, r, id)
		text(t, watcher)
		for _, s := range []pipeline.Stage{pipeline.Current, pipeline.QA} {
			write(t, r, id, pipeline.Changes{Stage: &s, Name: ptr(string(s)), DependsOn: &[]uint32{uint32(i), 99}})
		}
		if _, err := r.Update(t.Context(), "", func(tx *pipeline.Tx) error { _, err := tx.BumpRetry(id, 2, 3); return err }); err != nil {
			t.Fatal(err)
		}
	}
	before := text(t, r)
	if s, err := read(t, r, "10_story"); err != nil || s.Stage != pipeline.QA || s.RetryCount != 2 || len(s.DependsOn) != 2 {
		t.Fatalf("the state is not what the test means: %+v, %v", s, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	restarted := newReplica(t, path)
	if diff := cmp.Diff(before, text(t, restarted)); diff != "" {
		t.Error("after a restart (-before +after):", diff)
	}
	if diff := cmp.Diff(before, text(t, watcher)); diff != "" {
		t.Error("in the process beside (-writer +watcher):", diff)
	}
	// Later writes get later clocks.
	s := write(t, restarted, "1_story", pipeline.Changes{Name: ptr("later")})
	if got, _ := read(t, watcher, "1_story"); got.Name != "later" || got.Rev != s.Rev {
		t.Errorf("a write after the restart lost: %+v", got)
	}
}

// TestC5_OneCallIsOneOp shows that six fields are one row. There is no point between them at which
// a crash could leave half.
func TestC5_OneCallIsOneOp(t *testing.T) {
	r := newReplica(t, filepath.Join(t.TempDir(), "p.db"))
	want := write(t, r, "1_s", pipeline.Changes{
		Stage: ptr(pipeline.Current), Name: ptr("n"), Agent: ptr("a"),
		RetryCount: ptr(int64(1)), Blocked: ptr(true), DependsOn: &[]uint32{7},
	})
	var ops []*crdt.Op
	if err := r.History(t.Context(), func(e replica.Entry) error { ops = append(ops, e.Op); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(ops) != 1 || len(ops[0].Edits) < 6 || ops[0].ID != want.Rev || ops[0].Agent != "tester" {
		t.Errorf("got %d ops: %+v", len(ops), ops)
	}
}

// TestC10_SameValueInManyFields shows that equal values in several fields stay apart, also after a
// restart.
func TestC10_SameValueInManyFields(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	for _, c := range []pipeline.Changes{{Stage: ptr(pipeline.QA)}, {Name: ptr("3_qa")}, {Agent: ptr("3_qa")}} {
		write(t, r, "1_s", c)
	}
	_ = r.Close()
	s, err := read(t, newReplica(t, path), "1_s")
	if err != nil || s.Stage != pipeline.QA || s.Name != "3_qa" || s.Agent != "3_qa" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// TestReadsAreFresh shows that a read sees what another process's acknowledged write did, and that
// a write decides on it.
func TestReadsAreFresh(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	a, b := newReplica(t, path), newReplica(t, path)
	for i := range 20 {
		id := fmt.Sprintf("%d_s", i)
		create(t, a, id)
		if _, err := read(t, b, id); err != nil {
			t.Fatal(err)
		}
		a, b = b, a
	}
	// A claim is won once.
	s, _ := read(t, a, "3_s")
	claim := func(r *replica.Replica, agent string) error {
		_, err := r.Update(t.Context(), agent, func(tx *pipeline.Tx) error {
			if err := tx.Expect("3_s", s.Rev.Short()); err != nil {
				return err
			}
			_, _, err := tx.Write("3_s", pipeline.Changes{Agent: &agent, Stage: ptr(pipeline.Current)})
			return err
		})
		return err
	}
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = claim([]*replica.Replica{a, b}[i%2], fmt.Sprint("agent-", i)) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		var e *pipeline.Error
		if err == nil {
			won++
		} else if !errors.As(err, &e) || e.Kind() != pipeline.KindConflict {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("the claim was won %d times", won)
	}
}

// TestFailedAppendChangesNothing shows that a failed append is an error to the caller, that the
// state is as before, and that the next write works when the cause is gone.
func TestFailedAppendChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), brittle)
	create(t, newReplica(t, path), "1_s")
	r := newReplica(t, path)
	before := text(t, r)
	err := rename(r, "1_s", "broken")
	var storage *oplog.Error
	if !errors.As(err, &storage) || storage.Code == "" {
		t.Errorf("got %v", err)
	}
	exec(t, path, "DROP TRIGGER broken") // with it the database could not be opened any more
	if diff := cmp.Diff(before, text(t, r)); diff != "" {
		t.Error("the state changed:", diff)
	}
	if got := write(t, r, "1_s", pipeline.Changes{Name: ptr("n")}); got.Name != "n" {
		t.Errorf("got %+v", got)
	}
}

// TestCancelledWriteDoesNotHappen shows that a call whose context ended before its turn writes
// nothing.
func TestCancelledWriteDoesNotHappen(t *testing.T) {
	r := newReplica(t, filepath.Join(t.TempDir(), "p.db"))
	create(t, r, "1_s")
	before := text(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Update(ctx, "", renaming("1_s", "n"))
	if !errors.Is(err, context.Canceled) || text(t, r) != before {
		t.Errorf("got %v", err)
	}
}

// TestManyWritersInAndOutOfProcess shows that every increment counts.
func TestManyWritersInAndOutOfProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	const replicas, goroutines, each = 3, 2, 40
	create(t, newReplica(t, path), "1_s")
	var wg sync.WaitGroup
	for range replicas {
		r := newReplica(t, path)
		for range goroutines {
			wg.Go(func() {
				for range each {
					if _, err := bump(r, "1_s"); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	s, err := read(t, newReplica(t, path), "1_s")
	if want := int64(replicas * goroutines * each); err != nil || s.RetryCount != want {
		t.Errorf("got %d (%v), want %d", s.RetryCount, err, want)
	}
}

// TestNoWriterStarves shows that every writer gets its turns while all write in a loop. Each
// replica has a descriptor of its own on the lock file, as a process has.
func TestNoWriterStarves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	create(t, newReplica(t, path), "1_s")
	const writers, enough = 4, 50
	var counts [writers]atomic.Int64
	var behind atomic.Int64 // writers that do not have enough yet
	behind.Store(writers)
	var wg sync.WaitGroup
	for i := range writers {
		r := newReplica(t, path)
		wg.Go(func() {
			for behind.Load() > 0 && !t.Failed() {
				if _, err := bump(r, "1_s"); err != nil {
					t.Error(err)
					return
				}
				n := counts[i].Add(1)
				if n == enough {
					behind.Add(-1)
				}
				if n > 40*enough {
					t.Errorf("one writer has %d turns while another has not got %d", n, enough)
					return
				}
			}
		})
	}
	wg.Wait()
	for i := range counts {
		t.Logf("writer %d: %d turns", i, counts[i].Load())
	}
}
