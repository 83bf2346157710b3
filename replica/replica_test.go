package replica_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"modernc.org/sqlite"

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

// TestNothingIsCreatedByReading: neither file nor folder; other processes'
// first write is seen.
func TestNothingIsCreatedByReading(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".huskies")
	path := filepath.Join(dir, "pipeline.db")
	r := newReplica(t, path)
	if _, err := read(t, r, "1_s"); err == nil {
		t.Error("a story in an empty pipeline")
	}
	if err := r.History(t.Context(), func(replica.Entry) error { return errors.New("an op") }); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading made the folder: %v", err)
	}
	create(t, newReplica(t, path), "1_s")
	if _, err := read(t, r, "1_s"); err != nil {
		t.Error(err)
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

// TestDamagedRowsArePassedOver: what builds on a damaged op goes on; only the
// op's own edits are missing. The server does not die and can write.
func TestDamagedRowsArePassedOver(t *testing.T) {
	for name, tt := range map[string]struct {
		damage string
		name   string // of 1_s afterwards
		agent  string
	}{
		"payload flipped":   {"UPDATE crdt_ops SET payload = CAST(replace(payload, CAST('second' AS BLOB), CAST('sEcond' AS BLOB)) AS BLOB) WHERE arrival = 2", "first", "late"},
		"payload cut":       {"UPDATE crdt_ops SET payload = substr(payload, 1, 20) WHERE arrival = 2", "first", "late"},
		"payload empty":     {"UPDATE crdt_ops SET payload = x'' WHERE arrival = 2", "first", "late"},
		"op ID damaged":     {"UPDATE crdt_ops SET op_id = zeroblob(32) WHERE arrival = 2", "second", "late"},
		"signature damaged": {"UPDATE crdt_ops SET signature = zeroblob(64) WHERE arrival = 2", "second", "late"}, // for verify to find
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			r := newReplica(t, path)
			write(t, r, "1_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: ptr("first")})
			write(t, r, "1_s", pipeline.Changes{Name: ptr("second")})
			write(t, r, "1_s", pipeline.Changes{Agent: ptr("late")})
			_ = r.Close()
			exec(t, path, tt.damage)
			r = newReplica(t, path)
			s, err := read(t, r, "1_s")
			if err != nil || s.Name != tt.name || s.Agent != tt.agent {
				t.Errorf("got %+v, %v; want name %s, agent %s", s, err, tt.name, tt.agent)
			}
			if got := write(t, r, "1_s", pipeline.Changes{Name: ptr("after")}); got.Name != "after" {
				t.Errorf("a write afterwards: %+v", got)
			}
			if got := text(t, newReplica(t, path)); got != text(t, r) {
				t.Error("a restart shows another document")
			}
		})
	}
}

// removeFiles removes a database as git clean would.
func removeFiles(t *testing.T, path string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// TestRemovedFile: a database that is removed under a running process is an
// error, once; then the process goes on with what is there.
func TestRemovedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	for name, call := range map[string]func(*replica.Replica) error{
		"read":  func(r *replica.Replica) error { _, err := read(t, r, "1_s"); return err },
		"write": func(r *replica.Replica) error { return rename(r, "1_s", "x") },
	} {
		r := newReplica(t, path)
		create(t, r, "1_s")
		removeFiles(t, path)
		var storage *oplog.Error
		if err := call(r); !errors.As(err, &storage) || !strings.Contains(storage.Next, "tell the user") {
			t.Errorf("%s: got %v", name, err)
		}
		var domain *pipeline.Error
		if err := call(r); !errors.As(err, &domain) || domain.Code != pipeline.CodeNotFound {
			t.Errorf("%s, the second time: got %v", name, err)
		}
		create(t, r, "2_s") // into a new file
		if _, err := read(t, newReplica(t, path), "2_s"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		removeFiles(t, path)
	}
}

// rename writes a name; its error is the caller's.
func rename(r *replica.Replica, id, name string) error {
	_, err := r.Update(context.Background(), "", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write(id, pipeline.Changes{Name: &name})
		return err
	})
	return err
}

// TestRestoredBackup: a backup put in place of the database, as another file or
// into the same one, is read anew by running processes, and what they write
// afterwards is seen by all.
func TestRestoredBackup(t *testing.T) {
	for name, restore := range map[string]func(path, backup string){
		"another file": func(path, backup string) {
			removeFiles(t, path)
			if err := os.Rename(backup, path); err != nil {
				t.Fatal(err)
			}
		},
		"in place": func(path, backup string) { restoreInto(t, path, backup) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			backup := path + ".backup"
			a, b := newReplica(t, path), newReplica(t, path)
			create(t, a, "1_s")
			exec(t, path, fmt.Sprintf("VACUUM INTO '%s'", backup))
			for i := range 10 {
				create(t, a, fmt.Sprintf("%d_s", i+2))
			}
			text(t, b)
			restore(path, backup)
			create(t, a, "50_s")
			if _, err := read(t, b, "50_s"); err != nil {
				t.Error(err)
			}
			create(t, b, "60_s")
			want := text(t, newReplica(t, path))
			if strings.Contains(want, "2_s") || !strings.Contains(want, "story 1_s ") || !strings.Contains(want, "story 50_s ") || !strings.Contains(want, "story 60_s ") {
				t.Error("the file holds:", want)
			}
			for _, r := range []*replica.Replica{a, b} {
				if diff := cmp.Diff(want, text(t, r)); diff != "" {
					t.Error("(-file +process):", diff)
				}
			}
		})
	}
}

// restoreInto copies the backup into the database by SQLite's backup API, as
// the sqlite3 shell's .restore does.
func restoreInto(t *testing.T, path, backup string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		b, err := c.(interface {
			NewRestore(string) (*sqlite.Backup, error)
		}).NewRestore(backup)
		if err != nil {
			return err
		}
		for more := true; more; {
			if more, err = b.Step(-1); err != nil {
				return err
			}
		}
		return b.Finish()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLostRowsAreReported: ops that wait for a row which is gone are not passed
// over without a word.
func TestLostRowsAreReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	create(t, r, "2_s")
	create(t, r, "3_s")
	exec(t, path, "DELETE FROM crdt_ops WHERE arrival = 2")
	var log bytes.Buffer
	fresh := replica.New(replica.Config{Path: path, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer fresh.Close()
	text(t, fresh)
	text(t, fresh)
	if got := strings.Count(log.String(), "ops wait for others that are not in the database"); got != 1 {
		t.Errorf("reported %d times: %s", got, &log)
	}
}

// TestReadersAndWritersMeetANewFile, in one process and with replicas of their
// own: nobody gets an error, and a file removed meanwhile holds nobody up.
func TestReadersAndWritersMeetANewFile(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "p.db")
		shared := newReplica(t, path)
		var wg sync.WaitGroup
		for i := range 6 {
			r := shared
			if i%2 == 0 {
				r = newReplica(t, path)
			}
			wg.Go(func() {
				for n := range 3 {
					if i < 3 {
						create(t, r, fmt.Sprintf("%d_s%d", i, n))
					}
					if err := r.View(context.Background(), func(s *pipeline.State) error { return s.Doc().Check() }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if err := newReplica(t, path).View(t.Context(), func(s *pipeline.State) error {
			if n := s.Doc().StoryCount(); n != 9 {
				t.Errorf("%d stories, want 9", n)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
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
