package replica_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/replica"
)

// watch watches r in the background. Names sends the IDs of the stories each time they have
// changed. Done sends what Watch returned.
func watch(ctx context.Context, r *replica.Replica) (names <-chan string, done <-chan error) {
	shown, end := make(chan string), make(chan error, 1)
	go func() {
		last := "nothing yet"
		end <- r.Watch(ctx, func(v *replica.View) (bool, error) {
			if now := strings.Join(v.IDs("", 1000), " "); now != last {
				last = now
				select {
				case shown <- now:
				case <-ctx.Done():
				}
			}
			return false, nil
		})
	}()
	return shown, end
}

func watched(t *testing.T, names <-chan string, want string) {
	t.Helper()
	if got := <-names; got != want {
		t.Errorf("the watcher sees %q, want %q", got, want)
	}
}

// TestWatch shows that a watcher sees the pipeline as it is, and each change, whoever makes the
// change. So it is also when there is no database yet, and when the database is replaced or goes
// back to an earlier state.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.db")
	r, other := newReplica(t, path), newReplica(t, path)
	names, done := watch(t.Context(), r)
	watched(t, names, "")
	create(t, other, "1_other")
	watched(t, names, "1_other")
	create(t, r, "2_own")
	watched(t, names, "1_other 2_own")

	backup := filepath.Join(dir, "backup.db")
	if _, err := other.Backup(t.Context(), backup, true); err != nil {
		t.Fatal(err)
	}
	create(t, other, "3_lost")
	watched(t, names, "1_other 2_own 3_lost")
	restoreInto(t, path, backup)
	watched(t, names, "1_other 2_own")

	elsewhere := filepath.Join(dir, "elsewhere.db")
	there := newReplica(t, elsewhere)
	create(t, there, "9_elsewhere")
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Fatal("Watch ended:", err)
	default:
	}
	replace(t, path, elsewhere)
	var gone *oplog.Error
	if err := <-done; !errors.As(err, &gone) || gone.Code != replica.CodeReplaced {
		t.Errorf("another pipeline in its place: got %v", err)
	}
	if _, err := read(t, r, "9_elsewhere"); !errors.As(err, &gone) {
		t.Errorf("the next call: got %v", err)
	}
	names, _ = watch(t.Context(), r)
	watched(t, names, "9_elsewhere")
}

// replace puts another file in the place of the database. There is a file at any time.
func replace(t *testing.T, path, with string) {
	t.Helper()
	for _, file := range []string{path + "-wal", path + "-shm"} {
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
	if err := os.Rename(with, path); err != nil {
		t.Error(err)
	}
}

// TestWatchEnds shows that Watch ends when fn says so, when its context ends, when the replica is
// closed, and when the database cannot be read, each with its own error. The next call hears of a
// removed file, too. Nothing runs afterwards.
func TestWatchEnds(t *testing.T) {
	slip, enough := errors.New("slip"), errors.New("enough")
	for name, tt := range map[string]struct {
		end  func(r *replica.Replica, path string, cancel context.CancelCauseFunc)
		want func(error) bool
		next string // part of the error of the next View
	}{
		"context": {
			end:  func(_ *replica.Replica, _ string, cancel context.CancelCauseFunc) { cancel(enough) },
			want: func(err error) bool { return errors.Is(err, enough) },
		},
		"closed": {
			end:  func(r *replica.Replica, _ string, _ context.CancelCauseFunc) { _ = r.Close() },
			want: func(err error) bool { return errors.Is(err, context.Canceled) },
		},
		"removed": {
			end: func(_ *replica.Replica, path string, _ context.CancelCauseFunc) { removeFiles(t, path) },
			want: func(err error) bool {
				var storage *oplog.Error
				return errors.As(err, &storage) && storage.Code == replica.CodeRemoved
			},
			next: "was removed",
		},
		"no database any more": {
			end: func(_ *replica.Replica, path string, _ context.CancelCauseFunc) {
				bad := path + ".bad"
				if err := os.WriteFile(bad, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
					t.Error(err)
				}
				replace(t, path, bad)
			},
			want: func(err error) bool { var storage *oplog.Error; return errors.As(err, &storage) },
			next: "no",
		},
		"foreign schema": {
			end: func(_ *replica.Replica, path string, _ context.CancelCauseFunc) {
				exec(t, path, "PRAGMA application_id = 1")
				exec(t, path, "DROP TABLE crdt_ops")
			},
			want: func(err error) bool { var storage *oplog.Error; return errors.As(err, &storage) },
			next: "no",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			r := newReplica(t, path)
			create(t, r, "1_s")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			names, done := watch(ctx, r)
			watched(t, names, "1_s")
			tt.end(r, path, cancel)
			var err error
			for ended := false; !ended; {
				select {
				case err = <-done:
					ended = true
				case <-names:
				}
			}
			if !tt.want(err) {
				t.Errorf("Watch ended with %v", err)
			}
			if tt.next != "" {
				if _, err := read(t, r, "1_s"); err == nil || !strings.Contains(err.Error(), tt.next) {
					t.Errorf("the next call: got %v, want %q", err, tt.next)
				}
			}
		})
	}
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	if err := r.Watch(t.Context(), func(*replica.View) (bool, error) { return true, nil }); err != nil {
		t.Error("done at once:", err)
	}
	if err := r.Watch(t.Context(), func(*replica.View) (bool, error) { return false, slip }); !errors.Is(err, slip) {
		t.Error("an error of fn:", err)
	}
	nothingWatches(t)
}

// nothingWatches waits until no bell is watched any more.
func nothingWatches(t *testing.T) {
	t.Helper()
	for {
		var b strings.Builder
		if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "bell.(*watch).run") {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestManyWatch shows that each of many watchers sees the last of many changes, those of its own
// process and another's side by side, and that reads and writes go on.
func TestManyWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r, other := newReplica(t, path), newReplica(t, path)
	create(t, r, "1_s")
	const watchers, changes = 32, 50
	done := make(chan error, watchers)
	for range watchers {
		go func() {
			done <- r.Watch(t.Context(), func(v *replica.View) (bool, error) {
				story, err := v.Story("1_s")
				return story.RetryCount == 2*changes, err
			})
		}()
	}
	loop := func(r *replica.Replica) {
		for range changes {
			if _, err := bump(r, "1_s"); err != nil {
				t.Error(err)
			}
		}
	}
	go loop(other)
	loop(r)
	for range watchers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(text(t, other), text(t, r)); diff != "" {
		t.Error(diff)
	}
	nothingWatches(t)
}

// TestReadOnly shows that a replica that only looks makes no database, sees and is woken by what
// others write, and refuses to write itself.
func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "p.db")
	cfg := configOf(t, path)
	cfg.ReadOnly = true
	r := open(t, cfg)
	names, _ := watch(t.Context(), r)
	watched(t, names, "")
	for _, when := range []string{"without a database", "with one"} {
		if _, err := r.Update(t.Context(), "", renaming("1_s", "x")); err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("%s: a write: got %v", when, err)
		}
		if err := r.Trust(t.Context(), crdt.Author{1, 31: 1}, ""); err == nil {
			t.Errorf("%s: a decision was made", when)
		}
		if when == "with one" {
			break
		}
		other := newReplica(t, path)
		create(t, other, "1_s")
		watched(t, names, "1_s")
		create(t, other, "2_s")
		watched(t, names, "1_s 2_s")
	}
}
