package replica_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// TestNothingIsCreatedByReading shows that reading makes neither file nor folder, and that other
// processes' first write is seen.
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

// TestDamagedRowsArePassedOver shows that a rebuild leaves out the edits of a damaged op, and only
// those. What builds on the op goes on, and the server can write.
func TestDamagedRowsArePassedOver(t *testing.T) {
	for name, tt := range map[string]struct {
		damage string
		name   string // of 1_s afterwards
	}{
		"payload flipped":   {"payload = CAST(replace(payload, CAST('second' AS BLOB), CAST('sEcond' AS BLOB)) AS BLOB)", "first"},
		"payload cut":       {"payload = substr(payload, 1, 20)", "first"},
		"payload empty":     {"payload = x''", "first"},
		"op ID damaged":     {"op_id = zeroblob(32)", "second"},
		"signature damaged": {"signature = zeroblob(64)", "second"}, // for verify to find
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			r := newReplica(t, path)
			write(t, r, "1_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: ptr("first")})
			write(t, r, "1_s", pipeline.Changes{Name: ptr("second")})
			write(t, r, "1_s", pipeline.Changes{Agent: ptr("late")})
			exec(t, path, "UPDATE crdt_ops SET "+tt.damage+" WHERE arrival = 2")
			if s, err := read(t, r, "1_s"); err != nil || s.Name != "second" || s.Agent != "late" {
				t.Errorf("what was applied before the damage does not stay: %+v, %v", s, err)
			}
			if err := r.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s, err := read(t, r, "1_s"); err != nil || s.Name != tt.name || s.Agent != "late" {
				t.Errorf("got %+v, %v; want name %s", s, err, tt.name)
			}
			if got := write(t, r, "1_s", pipeline.Changes{Name: ptr("after")}); got.Name != "after" {
				t.Errorf("a write afterwards: %+v", got)
			}
			if got := text(t, newReplica(t, path)); got != text(t, r) {
				t.Error("a restart shows another state")
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

// TestRemovedFile shows that after the database was removed under a running process every read and
// write of that process is an error that says so. Nobody makes an empty pipeline. The process goes
// on when the file is back, and a process that is started anew begins afresh.
func TestRemovedFile(t *testing.T) {
	dir := t.TempDir()
	path, away := filepath.Join(dir, "p.db"), filepath.Join(dir, "away.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	before := text(t, r)
	exec(t, path, "PRAGMA wal_checkpoint(TRUNCATE)")
	if err := os.Rename(path, away); err != nil {
		t.Fatal(err)
	}
	removeFiles(t, path)
	_, line := stranger(t, crdt.Op{Story: "1_s", Seq: 1, Edits: []crdt.Edit{crdt.Set("stage", crdt.String("1_backlog"))}})
	calls := map[string]func() error{
		"read":   func() error { _, err := read(t, r, "1_s"); return err },
		"write":  func() error { return rename(r, "1_s", "x") },
		"trust":  func() error { return r.Trust(t.Context(), crdt.Author{1, 31: 1}, "") },
		"import": func() error { _, err := tryImport(r, line); return err },
		"wait":   func() error { return r.Wait(t.Context(), replica.Position{}) },
		"heads":  func() error { _, err := r.Heads(t.Context()); return err },
		"log":    func() error { return r.History(t.Context(), func(replica.Entry) error { return nil }) },
		"author": func() error { _, _, err := r.Author(t.Context()); return err },
	}
	for range 2 {
		for name, call := range calls {
			var storage *oplog.Error
			if err := call(); !errors.As(err, &storage) || storage.Code != replica.CodeRemoved {
				t.Errorf("%s: got %v", name, err)
			}
			if _, err := os.Stat(path); err == nil {
				t.Fatalf("%s made a database", name)
			}
		}
	}
	if err := os.Rename(away, path); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, text(t, r)); diff != "" {
		t.Error("the file is back (-before +after):", diff)
	}
	create(t, r, "2_s")
	removeFiles(t, path)
	create(t, newReplica(t, path), "3_s") // into a new file
	var storage *oplog.Error
	if _, err := read(t, r, "3_s"); !errors.As(err, &storage) || storage.Code != replica.CodeReplaced {
		t.Errorf("got %v", err)
	}
}

// TestOtherPipelineInItsPlace shows that each process that had the file hears once that another
// pipeline is in its place, and then goes on with that pipeline.
func TestOtherPipelineInItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	a, b, c := newReplica(t, path), newReplica(t, path), newReplica(t, path)
	create(t, a, "1_s")
	text(t, b)
	text(t, c)
	removeFiles(t, path)
	create(t, newReplica(t, path), "2_s")
	for name, call := range map[string]func() error{
		"the writer's write": func() error { return rename(a, "2_s", "x") },
		"a read":             func() error { _, err := read(t, b, "2_s"); return err },
		"a write":            func() error { return rename(c, "2_s", "y") },
	} {
		var storage *oplog.Error
		if err := call(); !errors.As(err, &storage) || storage.Code != replica.CodeReplaced {
			t.Errorf("%s: got %v", name, err)
		}
		if err := call(); err != nil {
			t.Errorf("%s, the second time: got %v", name, err)
		}
	}
}

// TestOtherPipelineOverIt shows the same of another pipeline that is copied into the file itself,
// whichever call is the first after that.
func TestOtherPipelineOverIt(t *testing.T) {
	for name, call := range map[string]func(*replica.Replica) error{
		"a read":  func(r *replica.Replica) error { _, err := read(t, r, "2_s"); return err },
		"a write": func(r *replica.Replica) error { return rename(r, "2_s", "x") },
	} {
		for _, watching := range []bool{false, true} {
			dir := t.TempDir()
			path, other := filepath.Join(dir, "p.db"), filepath.Join(dir, "other.db")
			o := newReplica(t, other)
			create(t, o, "2_s")
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			r := newReplica(t, path)
			create(t, r, "1_s")
			var storage *oplog.Error
			if watching {
				names, done := watch(t.Context(), r)
				watched(t, names, "1_s")
				restoreInto(t, path, other)
				if err := <-done; !errors.As(err, &storage) {
					t.Errorf("%s, the watch before it: got %v", name, err)
				}
			} else {
				restoreInto(t, path, other)
			}
			if err := call(r); !errors.As(err, &storage) || storage.Code != replica.CodeReplaced {
				t.Errorf("%s, watching %v: got %v", name, watching, err)
			}
			if err := call(r); err != nil {
				t.Errorf("%s, watching %v, the second time: got %v", name, watching, err)
			}
		}
	}
}

// TestOtherPipelineInMemory shows the same where the state of both is made in memory.
func TestOtherPipelineInMemory(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "p.db"), filepath.Join(dir, "other.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	create(t, newReplica(t, other), "2_s")
	for _, path := range []string{path, other} {
		exec(t, path, "UPDATE state SET format = 0")
	}
	if _, err := read(t, r, "1_s"); err != nil {
		t.Error(err)
	}
	restoreInto(t, path, other)
	var storage *oplog.Error
	if _, err := read(t, r, "2_s"); !errors.As(err, &storage) || storage.Code != replica.CodeReplaced {
		t.Errorf("got %v", err)
	}
	if _, err := read(t, r, "2_s"); err != nil {
		t.Errorf("the second time: got %v", err)
	}
}

// TestRemovedAfterAFailure shows that a file that goes away when a commit has failed is missed, too,
// and that no read makes another file.
func TestRemovedAfterAFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flaky.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	failCommits(0b1)
	var storage *oplog.Error
	if err := rename(r, "1_s", "x"); !errors.As(err, &storage) || storage.Op != "commit" {
		t.Errorf("the change: %v", err)
	}
	removeFiles(t, path)
	for range 2 {
		if _, err := read(t, r, "1_s"); !errors.As(err, &storage) || storage.Code != replica.CodeRemoved {
			t.Errorf("a read: %v", err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a read made a database")
	}
}

// TestMovedFolder shows that nothing is written into a database whose folder was moved away, also
// when the folder was there just now.
func TestMovedFolder(t *testing.T) {
	for name, inItsPlace := range map[string]bool{"nothing in its place": false, "a file in its place": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			home := filepath.Join(dir, ".huskies")
			r := newReplica(t, filepath.Join(home, "p.db"))
			create(t, r, "1_s")
			if err := os.Rename(home, filepath.Join(dir, "moved")); err != nil {
				t.Fatal(err)
			}
			if inItsPlace {
				if err := os.WriteFile(home, nil, 0o600); err != nil { // which makes for another error
					t.Fatal(err)
				}
			}
			var storage *oplog.Error
			if err := rename(r, "1_s", "gone"); !errors.As(err, &storage) || storage.Code != replica.CodeRemoved {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(filepath.Join(home, "p.db")); err == nil {
				t.Error("a write made a database")
			}
		})
	}
}

// TestLostRows shows that a row that was taken out of the log stays applied until a rebuild. Then
// the ops that build on it wait, and answers say that the log lacks something.
func TestLostRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := chain(t, path, 3)
	lines := exported(t, r)
	want := shown(t, r)
	exec(t, path, "DELETE FROM crdt_ops WHERE arrival = 2")
	if got := listed(t, r); got != "1_s 2_s 3_s" {
		t.Errorf("before a rebuild the stories are %s", got)
	}
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := r.View(t.Context(), func(v *replica.View) error {
		if got := strings.Join(v.IDs("", 10), " "); got != "1_s" || !v.Missing().Any() {
			t.Errorf("after a rebuild the stories are %s, and missing is %v", got, v.Missing())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	imports(t, r, replica.ImportReport{New: 1, Known: 2}, lines...)
	if diff := cmp.Diff(want, shown(t, r)); diff != "" {
		t.Error("when the op has come again (-before +after):", diff)
	}
}

// TestReadersAndWritersMeetANewFile shows that nobody gets an error while several readers and
// writers, in one process and with replicas of their own, begin a database.
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
						create(t, r, fmt.Sprintf("%d_s", 1+3*i+n))
					}
					if err := r.View(context.Background(), func(v *replica.View) error { v.IDs("", 10); return nil }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := len(strings.Fields(listed(t, newReplica(t, path)))); n != 9 {
			t.Errorf("%d stories, want 9", n)
		}
	}
}

// TestOpOfANewerVersion shows that a sound op that this build cannot read is no damage. Such an op
// ends reading and writing with a clear error, since it may not be ignored.
func TestOpOfANewerVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	_ = r.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var payload []byte
	if err := db.QueryRow("SELECT payload FROM crdt_ops").Scan(&payload); err != nil {
		t.Fatal(err)
	}
	if payload[1] != 1 || payload[2] != 1 {
		t.Fatalf("the payload does not begin with version 1: %x", payload[:8])
	}
	payload[2] = 3
	id := sha256.Sum256(payload)
	if _, err := db.Exec("UPDATE crdt_ops SET payload = ?, op_id = ?", payload, id[:]); err != nil {
		t.Fatal(err)
	}
	r = newReplica(t, path)
	for what, call := range map[string]func() error{
		"rebuild": func() error { return r.Rebuild(t.Context()) },
		"read":    func() error { _, err := read(t, r, "1_s"); return err },
		"write":   func() error { return rename(r, "1_s", "x") },
		"history": func() error { return r.History(t.Context(), func(replica.Entry) error { return nil }) },
	} {
		var storage *oplog.Error
		if err := call(); !errors.As(err, &storage) || storage.Code != oplog.CodeNewerOp {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// TestWALBesideABackup shows that a backup can be read and written that was copied to where a killed
// process left a write-ahead log. SQLite takes an empty one for none.
func TestWALBesideABackup(t *testing.T) {
	for _, left := range []string{"", "no write-ahead log"} {
		for _, readOnly := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "p.db")
			if err := chain(t, path, 1).Close(); err != nil {
				t.Fatal(err)
			}
			exec(t, path, "PRAGMA journal_mode = DELETE")
			if err := os.WriteFile(path+"-wal", []byte(left), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := configOf(t, path)
			cfg.ReadOnly = readOnly
			r := replica.New(cfg)
			defer func() { _ = r.Close() }()
			if _, err := read(t, r, "1_s"); err != nil {
				t.Errorf("-wal %q, read-only %t: %v", left, readOnly, err)
			}
			if readOnly {
				continue
			}
			if err := rename(r, "1_s", "another"); err != nil {
				t.Errorf("-wal %q: %v", left, err)
			}
		}
	}
}
