package replica_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
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

	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

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

// TestOtherPipelineInItsPlace: each process that had the file hears once that it is gone, also
// one that comes when another has begun a new pipeline there.
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
		if err := call(); !errors.As(err, &storage) || !strings.Contains(storage.Error(), "another pipeline") || !strings.Contains(storage.Next, "tell the user") {
			t.Errorf("%s: got %v", name, err)
		}
		if err := call(); err != nil {
			t.Errorf("%s, the second time: got %v", name, err)
		}
	}
}

// TestOtherPipelineOverIt: so it is when another pipeline is copied into the file itself, and whoever
// hears of it first.
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
			if err := call(r); !errors.As(err, &storage) || !strings.Contains(storage.Error(), "another pipeline") || !strings.Contains(storage.Next, "tell the user") {
				t.Errorf("%s, watching %v: got %v", name, watching, err)
			}
			if err := call(r); err != nil {
				t.Errorf("%s, watching %v, the second time: got %v", name, watching, err)
			}
		}
	}
}

// TestRemovedAfterAFailure: a file that goes away when storing has failed is missed, too, and no
// read makes another. A change whose sync failed is not denied for what stands in that place.
func TestRemovedAfterAFailure(t *testing.T) {
	for name, moved := range map[string]bool{"while storing": true, "afterwards": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "p.db")
			var armed atomic.Bool
			r := replica.New(replica.Config{Path: path, Now: fixedNow, Rand: rand.Reader, Logger: discard, Sync: func(f *os.File) error {
				if !armed.Load() {
					return f.Sync()
				}
				if moved && armed.CompareAndSwap(true, false) {
					for _, suffix := range []string{"", "-wal", "-shm"} {
						if err := os.Rename(path+suffix, filepath.Join(dir, "away.db")+suffix); err != nil {
							t.Error(err)
						}
					}
				}
				return errors.New("the disk fails")
			}})
			t.Cleanup(func() { _ = r.Close() })
			create(t, r, "1_s")
			armed.Store(true)
			var storage *oplog.Error
			if err := rename(r, "1_s", "x"); !errors.As(err, &storage) || !strings.Contains(storage.Next, "may have been made") {
				t.Errorf("the change: %v", err)
			}
			armed.Store(false)
			if !moved {
				removeFiles(t, path)
			}
			if _, err := read(t, r, "1_s"); !errors.As(err, &storage) || !strings.Contains(storage.Error(), "was removed") {
				t.Errorf("a read: %v", err)
			}
			if _, err := read(t, r, "1_s"); !errors.As(err, new(*pipeline.Error)) {
				t.Errorf("the next read: %v", err)
			}
			if _, err := os.Stat(path); err == nil {
				t.Error("a read made a database")
			}
		})
	}
}

// TestMovedFolder: nothing is written into a database whose folder was moved away, also
// when it was there just now.
func TestMovedFolder(t *testing.T) {
	for name, inItsPlace := range map[string]bool{"nothing in its place": false, "a file in its place": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			home := filepath.Join(dir, ".huskies")
			if err := os.Mkdir(home, 0o700); err != nil {
				t.Fatal(err)
			}
			stands := time.Now().Add(time.Hour) // so that the files are old, and each look is the last one's
			r := replica.New(replica.Config{
				Path: filepath.Join(home, "p.db"), Now: func() time.Time { return stands }, Rand: rand.Reader,
				Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
			})
			t.Cleanup(func() { _ = r.Close() })
			create(t, r, "1_s")
			for range 2 {
				if err := rename(r, "1_s", "there"); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Rename(home, filepath.Join(dir, "moved")); err != nil {
				t.Fatal(err)
			}
			if inItsPlace {
				if err := os.WriteFile(home, nil, 0o600); err != nil { // which makes for another error
					t.Fatal(err)
				}
			}
			var storage *oplog.Error
			if err := rename(r, "1_s", "gone"); !errors.As(err, &storage) || !strings.Contains(storage.Error(), "was removed") {
				t.Errorf("got %v", err)
			}
		})
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

// TestRestoredWithoutKey: a process under which a backup without the key is put over the
// database signs with a fresh one, since others may have what it signed and what is not in the
// backup. It must see that also when it has not read what was lost.
func TestRestoredWithoutKey(t *testing.T) {
	for name, second := range map[string]bool{"lost rows of its own": false, "lost rows of another process": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, backup := filepath.Join(dir, "p.db"), filepath.Join(dir, "p.backup")
			r := newReplica(t, path)
			create(t, r, "1_s")
			if err := os.WriteFile(backup, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Backup(t.Context(), backup, false); err != nil {
				t.Fatal(err)
			}
			other := r
			if second {
				other = newReplica(t, path)
			}
			create(t, other, "2_s")
			former, lost := author(t, other), exported(t, other)
			restoreInto(t, path, backup)
			create(t, r, "3_s")
			if author(t, r) == former {
				t.Error("the key that the backup left out signs on")
			}
			imports(t, r, replica.ImportReport{New: 1, Known: 1}, lost...)
			if n := len(heads(t, r)); n != 2 {
				t.Errorf("%d heads, want 2: what was lost, and what came after", n)
			}
		})
	}
}

// TestRestoredTrust: of a file that went back and was decided upon anew a process takes the
// decision that is in it, not the one that was, though there are as many.
func TestRestoredTrust(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "p.db"), filepath.Join(dir, "p.backup")
	a, b := newReplica(t, path), newReplica(t, path)
	create(t, a, "1_s")
	exec(t, path, fmt.Sprintf("VACUUM INTO '%s'", backup))
	before, after := chain(t, filepath.Join(dir, "before.db"), 1), chain(t, filepath.Join(dir, "after.db"), 1)
	if err := a.Trust(t.Context(), author(t, before), ""); err != nil {
		t.Fatal(err)
	}
	text(t, a)
	restoreInto(t, path, backup)
	if err := b.Trust(t.Context(), author(t, after), ""); err != nil {
		t.Fatal(err)
	}
	imports(t, a, replica.ImportReport{New: 1, Held: 1}, exported(t, before)...)
	imports(t, a, replica.ImportReport{New: 1}, exported(t, after)...)
}

// restoreInto copies the backup into the database by SQLite's backup API, as
// the sqlite3 shell's .restore does.
func restoreInto(t *testing.T, path, backup string) {
	t.Helper()
	err := shell(t, path).Raw(func(c any) error {
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

// TestOpOfANewerVersion: a sound op that this build cannot read is no damage. It
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
	payload[2] = 2
	id := sha256.Sum256(payload)
	if _, err := db.Exec("UPDATE crdt_ops SET payload = ?, op_id = ?", payload, id[:]); err != nil {
		t.Fatal(err)
	}
	r = newReplica(t, path)
	_, readErr := read(t, r, "1_s")
	historyErr := r.History(t.Context(), func(replica.Entry) error { return nil })
	for what, err := range map[string]error{"read": readErr, "write": rename(r, "1_s", "x"), "history": historyErr} {
		var storage *oplog.Error
		if !errors.As(err, &storage) || !strings.Contains(storage.Next, "a newer huskies-mcp wrote") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}
