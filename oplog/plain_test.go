//go:build unix

package oplog

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// TestC36_NoLinks: where a file of ours belongs somebody may have put something else. It is not
// followed, not read and not written to, and the error says what it is.
func TestC36_NoLinks(t *testing.T) {
	for _, suffix := range []string{".lock", "-wal", "-shm", "-journal"} {
		for name, put := range strangers {
			t.Run(name+" at "+suffix, func(t *testing.T) {
				dir := t.TempDir()
				path, victim := filepath.Join(dir, "p.db"), filepath.Join(dir, "victim")
				check(t, mustCreate(t, path).Close())
				check(t, os.WriteFile(victim, []byte("as it was"), 0o600))
				check(t, errors.Join(os.RemoveAll(path+suffix), put(victim, path+suffix)))
				l, err := create(testConfig(t, path))
				if err == nil {
					err = write(l, func(tx *Tx) error { return tx.Trust(ann, "ann") })
				}
				var e *Error
				if !errors.As(err, &e) || e.Path != path+suffix || !strings.Contains(err.Error(), name) {
					t.Errorf("got %v", err)
				}
				if text, err := os.ReadFile(victim); err != nil || string(text) != "as it was" {
					t.Errorf("the file behind it is %q (%v)", text, err)
				}
			})
		}
	}
}

// strangers put what is not a plain file at a path, by what they are called.
var strangers = map[string]func(victim, path string) error{
	"a symbolic link": os.Symlink,
	"a named pipe":    func(_, path string) error { return syscall.Mkfifo(path, 0o600) },
	"a folder":        func(_, path string) error { return os.Mkdir(path, 0o700) },
}

// TestC36_NothingIsBegun: where a new database cannot be used for what stands beside it, none is made.
func TestC36_NothingIsBegun(t *testing.T) {
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		path := filepath.Join(t.TempDir(), "p.db")
		check(t, syscall.Mkfifo(path+suffix, 0o600))
		_, err := create(testConfig(t, path))
		var e *Error
		if !errors.As(err, &e) || e.Code != dbfile.CodeNotPlain {
			t.Errorf("%s: got %v", suffix, err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a database was made (%v)", suffix, err)
		}
	}
}

// TestC36_GitIgnore: a .gitignore that is no plain file, or has no end, is not read through.
func TestC36_GitIgnore(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"endless": func(path string) error { return os.Symlink("/dev/zero", path) },
		"pipe":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"large": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("x\n"), 0o600), os.Truncate(path, 1<<40))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), ".huskies")
			check(t, errors.Join(os.Mkdir(dir, 0o700), put(filepath.Join(dir, ".gitignore"))))
			var log bytes.Buffer
			cfg := testConfig(t, filepath.Join(dir, "p.db"))
			cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			l, err := create(cfg)
			check(t, err)
			check(t, l.Close())
			if !strings.Contains(log.String(), "git ignore") {
				t.Errorf("it said %s", log.String())
			}
		})
	}
}

// TestC36_ManyNames: a database or a lock with two names would be locked twice at once. It can be
// read and is not written to, also when the second name comes while it is open.
func TestC36_ManyNames(t *testing.T) {
	for _, suffix := range []string{"", "-wal", ".lock"} {
		dir := t.TempDir()
		path, second := filepath.Join(dir, "p.db"), filepath.Join(dir, "q.db")
		l := mustCreate(t, path)
		appendOps(t, l, "a")
		check(t, write(l, func(tx *Tx) error { return tx.Trust(ann, "ann") }))
		check(t, os.Link(path+suffix, second))
		refused := func(l *Log) {
			t.Helper()
			err := write(l, func(tx *Tx) error { return tx.Trust(bob, "bob") })
			if !errors.Is(err, dbfile.ErrManyNames) {
				t.Errorf("%q: the write got %v", suffix, err)
			}
		}
		refused(l)
		if suffix != ".lock" {
			again, err := Open(t.Context(), testConfig(t, path))
			check(t, err)
			if n := len(readAll(t, again, 0)); n != 1 {
				t.Errorf("%q: %d rows", suffix, n)
			}
			refused(again)
			check(t, again.Close())
		}
		check(t, os.Remove(second))
		check(t, write(l, func(tx *Tx) error { return tx.Trust(bob, "bob") }))
	}
}
