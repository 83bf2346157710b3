package replica_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

func newReplica(t testing.TB, path string) *replica.Replica {
	t.Helper()
	r := replica.New(replica.Config{Path: path, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func ptr[T any](v T) *T { return &v }

// write writes c in one op.
func write(t testing.TB, r *replica.Replica, id string, c pipeline.Changes) pipeline.Story {
	t.Helper()
	s, err := r.Update(context.Background(), "tester", func(tx *pipeline.Tx) error { _, _, err := tx.Write(id, c); return err })
	if err != nil {
		t.Fatalf("write %s: %v", id, err)
	}
	return s
}

func create(t testing.TB, r *replica.Replica, id string) {
	t.Helper()
	write(t, r, id, pipeline.Changes{Stage: ptr(pipeline.Backlog)})
}

// text returns the whole document as text.
func text(t testing.TB, r *replica.Replica) (text string) {
	t.Helper()
	err := r.View(context.Background(), func(s *pipeline.State) error {
		text = string(s.Doc().AppendText(nil))
		return s.Doc().Check()
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func read(t testing.TB, r *replica.Replica, id string) (s pipeline.Story, err error) {
	t.Helper()
	err = r.View(context.Background(), func(st *pipeline.State) (err error) { s, err = st.Story(id); return err })
	return s, err
}

// shell is another program's connection to the database, until the test ends.
func shell(t *testing.T, path string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// exec changes the database past the package.
func exec(t testing.TB, path, stmt string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(stmt); err != nil {
		t.Fatal(err)
	}
}

// TestC1_RestartAfterUpdates: the document after a restart is the one before,
// byte for byte, and so is that of a process that was there all the time.
func TestC1_RestartAfterUpdates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	watcher, r := newReplica(t, path), newReplica(t, path)
	for i := range 10 {
		id := fmt.Sprintf("%d_story", i+1)
		create(t, r, id)
		text(t, watcher) // catches up in many small steps
		for _, s := range []pipeline.Stage{pipeline.Current, pipeline.QA} {
			write(t, r, id, pipeline.Changes{Stage: &s, Name: ptr(string(s)), DependsOn: &[]uint32{uint32(i), 99}})
		}
		if _, err := r.Update(t.Context(), "", func(tx *pipeline.Tx) error { _, err := tx.BumpRetry(id, 2, 3); return err }); err != nil {
			t.Fatal(err)
		}
	}
	before := text(t, r)
	if !strings.Contains(before, `stage "3_qa"`) {
		t.Fatal("the document is not what the test means:", before)
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

// TestC5_OneCallIsOneOp: six fields are one row; there is no point between
// them at which a crash could leave half.
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

// TestC10_SameValueInManyFields survives a restart.
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

// TestReadsAreFresh: a read sees what another process's acknowledged write did,
// and a write decides on it.
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
		} else if !errors.As(err, &e) || e.Code != pipeline.CodeConflict {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("the claim was won %d times", won)
	}
}

// TestFailedAppendChangesNothing: an error to the caller, memory as before, and
// the next write works when the cause is gone.
func TestFailedAppendChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	before := text(t, r)
	exec(t, path, "CREATE TRIGGER broken BEFORE INSERT ON crdt_ops BEGIN SELECT RAISE(ABORT, 'the disk broke'); END")
	_, err := r.Update(t.Context(), "", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("1_s", pipeline.Changes{Name: ptr("n")})
		return err
	})
	var storage *oplog.Error
	if !errors.As(err, &storage) || storage.Next == "" {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, text(t, r)); diff != "" {
		t.Error("the document changed:", diff)
	}
	exec(t, path, "DROP TRIGGER broken")
	if got := write(t, r, "1_s", pipeline.Changes{Name: ptr("n")}); got.Name != "n" {
		t.Errorf("got %+v", got)
	}
}

// TestCancelledWriteDoesNotHappen: a call whose context ended before its turn
// writes nothing.
func TestCancelledWriteDoesNotHappen(t *testing.T) {
	r := newReplica(t, filepath.Join(t.TempDir(), "p.db"))
	create(t, r, "1_s")
	before := text(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Update(ctx, "", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("1_s", pipeline.Changes{Name: ptr("n")})
		return err
	})
	if !errors.Is(err, context.Canceled) || text(t, r) != before {
		t.Errorf("got %v", err)
	}
}

// TestManyWritersInAndOutOfProcess: every increment counts.
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
					if _, err := r.Update(context.Background(), "", func(tx *pipeline.Tx) error { _, err := tx.BumpRetry("1_s", 1, 0); return err }); err != nil {
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

// TestNoWriterStarves: while all write in a loop, every one gets its turns. Each
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
				if _, err := r.Update(context.Background(), "", func(tx *pipeline.Tx) error { _, err := tx.BumpRetry("1_s", 1, 0); return err }); err != nil {
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
