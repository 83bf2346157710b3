package backups

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// world is a pipeline with a folder for its backups, and a clock that a test moves.
type world struct {
	t      *testing.T
	now    time.Time
	state  string
	path   string
	folder *Folder
	writes int
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC), state: t.TempDir(), path: filepath.Join(t.TempDir(), "p.db")}
	w.folder = Of(w.state, w.path)
	return w
}

func (w *world) config() oplog.Config {
	return oplog.Config{Path: w.path, Now: func() time.Time { return w.now }, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)}
}

// write makes one more story.
func (w *world) write() {
	w.t.Helper()
	r := replica.New(replica.Config{Path: w.path, Now: func() time.Time { return w.now }, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)})
	defer r.Close()
	w.writes++
	stage := pipeline.Backlog
	_, err := r.Update(w.t.Context(), "tester", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write(fmt.Sprintf("%d_s", w.writes), pipeline.Changes{Stage: &stage})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) make(ask Request) Backup {
	w.t.Helper()
	b, err := w.folder.Make(w.t.Context(), w.config(), ask)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// kept returns the times and the numbers of ops of the copies, the newest first.
func (w *world) kept() string {
	w.t.Helper()
	all, err := w.folder.List()
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for _, b := range all {
		line := fmt.Sprintf("%s %d", b.Made.Format("15:04"), b.Ops)
		if b.Before {
			line += " before"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, ", ")
}

// TestWhichAreKept: within an hour the newest replaces the one before it, except the first of the
// hour and what was made before a change; seven are kept.
func TestWhichAreKept(t *testing.T) {
	w := newWorld(t)
	step := func(minutes int, ask Request, want string) {
		t.Helper()
		w.now = w.now.Add(time.Duration(minutes) * time.Minute)
		w.write()
		w.make(ask)
		if diff := cmp.Diff(want, w.kept()); diff != "" {
			t.Error("(-want +got):", diff)
		}
	}
	step(0, Request{}, "09:00 1")
	step(10, Request{}, "09:10 2, 09:00 1")
	step(10, Request{}, "09:20 3, 09:00 1")
	w.make(Request{}) // nothing was written
	step(30, Request{Before: true}, "09:50 4 before, 09:00 1")
	step(1, Request{}, "09:51 5, 09:50 4 before, 09:00 1")
	step(1, Request{}, "09:52 6, 09:50 4 before, 09:00 1")
	for range 8 {
		w.now = w.now.Add(time.Hour)
		w.write()
		w.make(Request{})
	}
	want := "17:52 14, 16:52 13, 15:52 12, 14:52 11, 13:52 10, 12:52 9, 11:52 8"
	if diff := cmp.Diff(want, w.kept()); diff != "" {
		t.Error("(-want +got):", diff)
	}

	// What is begun anew at the path pushes out nothing of the lost pipeline.
	if err := os.RemoveAll(filepath.Dir(w.path)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(w.path), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 9 {
		w.now = w.now.Add(2 * time.Hour)
		w.write()
		w.make(Request{})
	}
	if got := w.kept(); !strings.HasSuffix(got, ", "+want) || strings.Count(got, ",") != 13 {
		t.Errorf("with another pipeline at the path the copies are %s", got)
	}
}

// TestSameStateIsKeptBefore: a copy that is there already gets a name that keeps it.
func TestSameStateIsKeptBefore(t *testing.T) {
	w := newWorld(t)
	w.write()
	w.make(Request{})
	b := w.make(Request{Before: true})
	if _, err := os.Stat(b.Path); err != nil || w.kept() != "09:00 1 before" {
		t.Errorf("the copies are %s (%v)", w.kept(), err)
	}
}

// TestFolderIsPrivate: modes, the note for people, and where a link leads.
func TestFolderIsPrivate(t *testing.T) {
	w := newWorld(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(w.path), link); err != nil {
		t.Fatal(err)
	}
	if other := Of(w.state, filepath.Join(link, "p.db")); other.Path != w.folder.Path {
		t.Error("a link to the project's folder has a folder of its own")
	}
	w.write()
	b := w.make(Request{})
	for path, want := range map[string]os.FileMode{b.Path: 0o600, w.folder.Path: 0o700, filepath.Join(w.state, program): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v (%v)", path, info.Mode(), want, err)
		}
	}
	note, err := os.ReadFile(filepath.Join(w.folder.Path, noteFile))
	if err != nil || !strings.HasPrefix(string(note), w.folder.Database+"\n") {
		t.Errorf("the note says %q (%v)", note, err)
	}
	real := Of(w.state, w.path)
	if err := os.RemoveAll(filepath.Dir(w.path)); err != nil {
		t.Fatal(err)
	}
	if gone := Of(w.state, w.path); gone.Path != real.Path {
		t.Error("a project that is gone has another folder")
	}
}

// TestFoldersOfOthers: what somebody else put in the place of our folders is not used.
func TestFoldersOfOthers(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, w *world){
		"link": func(t *testing.T, w *world) {
			if err := os.Symlink(t.TempDir(), filepath.Join(w.state, program)); err != nil {
				t.Fatal(err)
			}
		},
		"file": func(t *testing.T, w *world) {
			if err := os.WriteFile(filepath.Join(w.state, program), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"others can write": func(t *testing.T, w *world) {
			w.make(Request{})
			if err := os.Chmod(filepath.Join(w.state, program), 0o777); err != nil {
				t.Fatal(err)
			}
		},
		"a link for the lock": func(t *testing.T, w *world) {
			w.make(Request{})
			lock := filepath.Join(w.folder.Path, "backups.lock")
			if err := errors.Join(os.Remove(lock), os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), lock)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write()
			spoil(t, w)
			if b, err := w.folder.Make(t.Context(), w.config(), Request{}); err == nil {
				t.Error("it made", b.Path)
			}
		})
	}
}

// TestNamesOfOthers: files that have no name of a copy are left alone, and links are no copies.
func TestNamesOfOthers(t *testing.T) {
	w := newWorld(t)
	w.write()
	b := w.make(Request{})
	names := []string{"notes.db", "20261130T090000.000Z-1-1-aaaaaaaa-bbbbbbbb.db.old", "20269930T090000.000Z-1-1-aaaaaaaa-bbbbbbbb.db"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(w.folder.Path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(b.Path, filepath.Join(w.folder.Path, "20261130T100000.000Z-1-1-aaaaaaaa-bbbbbbbb.db")); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(10 * time.Hour)
	w.write()
	w.make(Request{})
	if got := w.kept(); got != "19:00 2, 09:00 1" {
		t.Error("the copies are", got)
	}
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(w.folder.Path, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestManyMakeOne: processes that make a copy at once make one, and remove what a killed one left.
func TestManyMakeOne(t *testing.T) {
	w := newWorld(t)
	w.write()
	w.make(Request{})
	w.write()
	left := filepath.Join(w.folder.Path, partName)
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := w.folder.Make(context.Background(), w.config(), Request{Wait: time.Minute}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := w.kept(); got != "09:00 2, 09:00 1" {
		t.Error("the copies are", got)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what was left is there")
	}
	release, err := w.folder.lock(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := w.folder.Make(t.Context(), w.config(), Request{}); !errors.Is(err, ErrBusy) {
		t.Errorf("with the lock taken: got %v, want ErrBusy", err)
	}
}

// TestNothingToCopy: no database and one without ops leave nothing behind.
func TestNothingToCopy(t *testing.T) {
	w := newWorld(t)
	if _, err := w.folder.Make(t.Context(), w.config(), Request{}); !errors.Is(err, ErrEmpty) {
		t.Errorf("got %v, want ErrEmpty", err)
	}
	if got := w.kept(); got != "" {
		t.Error("the copies are", got)
	}
	if _, err := os.Stat(w.path); err == nil {
		t.Error("it made a database")
	}
}

// TestTooLarge: the bound counts the file with its write-ahead log.
func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	w.write()
	wal, err := os.OpenFile(w.path, os.O_WRONLY, 0)
	if err == nil {
		err = errors.Join(wal.Truncate(maxDatabase+1), wal.Close()) // it takes no room on the disk
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.folder.Make(t.Context(), w.config(), Request{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}
