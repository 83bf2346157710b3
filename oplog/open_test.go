package oplog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gofrs/flock"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

func TestOpenCreatesPrivateFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".huskies")
	l := mustCreate(t, filepath.Join(dir, "pipeline.db"))
	appendOps(t, l, "a")
	want := map[string]os.FileMode{
		"": 0o700, ".gitignore": 0o600, "pipeline.db": 0o600,
		"pipeline.db.lock": 0o600, "pipeline.db-wal": 0o600, "pipeline.db-shm": 0o600,
	}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), mode)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(dir, ".gitignore")); !strings.HasSuffix(string(b), "\npipeline.db*\n.gitignore\n") {
		t.Errorf(".gitignore does not ignore the database and itself: %q", b)
	}
}

func TestOpenMakesNoTrail(t *testing.T) {
	root := t.TempDir()
	_, err := create(testConfig(t, filepath.Join(root, "no", "such", "p.db")))
	var e *Error
	if !errors.As(err, &e) || e.Code != dbfile.CodeNoFolder {
		t.Errorf("got %v", err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Errorf("it left %v", entries)
	}
}

// TestSettings: the settings that durability rests on are really in force.
func TestSettings(t *testing.T) {
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "fullfsync": "1", "checkpoint_fullfsync": "1",
		"busy_timeout": "1000", "user_version": fmt.Sprint(newestSchema), "journal_size_limit": "67108864", "application_id": fmt.Sprint(applicationID),
	} {
		var got string
		if err := l.file.Conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
		}
	}
}

// TestOddPaths: characters that mean something in SQLite's URIs are plain here.
func TestOddPaths(t *testing.T) {
	for _, name := range []string{"a b.db", "a?mode=memory.db", "a#b.db", "a%20b.db", "é.db"} {
		path := filepath.Join(t.TempDir(), name)
		l := mustCreate(t, path)
		appendOps(t, l, "x")
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
		if got := len(readAll(t, l, 0)); got != 1 {
			t.Errorf("%s: %d rows", name, got)
		}
	}
}

// TestForeignFiles: what is not ours is left byte for byte as it was.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		stmt string
		code Code
	}{
		"other program": {"CREATE TABLE notes (text)", CodeNotOurs},
		"other id":      {"PRAGMA application_id = 42", CodeNotOurs},
		"newer":         {fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 99", applicationID), CodeNewer},
		"negative":      {fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = -2147483646", applicationID), dbfile.CodeDamaged},
		"no version":    {fmt.Sprintf("PRAGMA application_id = %d", applicationID), dbfile.CodeDamaged},
		"no database":   {"", dbfile.CodeNotDatabase},
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "_"))
		if tt.stmt != "" {
			execRaw(t, path, tt.stmt)
		} else if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
			t.Fatal(err)
		}
		before := fileHash(t, path)
		_, err := Open(t.Context(), testConfig(t, path))
		var e *Error
		if !errors.As(err, &e) || e.Code != tt.code {
			t.Errorf("%s: got %v (%+v)", name, err, e)
		}
		if !bytes.Equal(before, fileHash(t, path)) {
			t.Errorf("%s: the file changed", name)
		}
	}
}

// TestFirstOpenRace: many open a new file at once; all get the same key.
func TestFirstOpenRace(t *testing.T) {
	for round := range 5 {
		path := filepath.Join(t.TempDir(), "p.db")
		var wg sync.WaitGroup
		authors := make([]crdt.Author, 8)
		for i := range authors {
			wg.Go(func() {
				cfg := testConfig(t, path)
				cfg.Rand = keySource(i + 1)
				l, err := create(cfg)
				if err != nil {
					t.Error(err)
					return
				}
				authors[i] = crdt.AuthorOf(l.Key())
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, a := range authors {
			if a != authors[0] {
				t.Fatalf("round %d: two identities in one file", round)
			}
		}
	}
}

// TestOpenNeedsNoLock: what is there and current is opened without the lock;
// what is not is left alone.
func TestOpenNeedsNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	if _, err := Open(t.Context(), testConfig(t, path)); !errors.Is(err, ErrNoLog) {
		t.Errorf("no file: got %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), testConfig(t, path)); !errors.Is(err, ErrNoLog) {
		t.Errorf("an empty file: got %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("the empty file is now %+v (%v)", info, err)
	}
	if _, err := os.Stat(path + ".lock"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a lock file came: %v", err)
	}

	appendOps(t, mustCreate(t, path), "a")
	defer holdLock(t, path+".lock")()
	l, err := Open(t.Context(), testConfig(t, path))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := len(readAll(t, l, 0)); got != 1 {
		t.Errorf("got %d rows, want 1", got)
	}
}

// TestOpenWhileOthersCreate: a reader that comes while the file is being made
// sees no log or a whole one.
func TestOpenWhileOthersCreate(t *testing.T) {
	for range 40 {
		path := filepath.Join(t.TempDir(), "p.db")
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				if i < 2 {
					l, err := create(testConfig(t, path))
					if err != nil {
						t.Error("create:", err)
						return
					}
					appendOps(t, l, fmt.Sprint("op", i))
					if err := l.Close(); err != nil {
						t.Error(err)
					}
					return
				}
				for {
					l, err := Open(context.Background(), testConfig(t, path))
					if errors.Is(err, ErrNoLog) {
						continue
					}
					if err != nil {
						t.Error("open:", err)
					} else if err := l.Close(); err != nil {
						t.Error(err)
					}
					return
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
	}
}

// openBackup opens a copy of a log of one op, as VACUUM INTO makes it.
func openBackup(t *testing.T) (reader *Log, path string) {
	t.Helper()
	of := filepath.Join(t.TempDir(), "p.db")
	appendOps(t, mustCreate(t, of), "a")
	path = of + ".backup"
	execRaw(t, of, "VACUUM INTO '"+path+"'")
	reader, err := Open(t.Context(), testConfig(t, path))
	check(t, err)
	t.Cleanup(func() { _ = reader.Close() })
	return reader, path
}

// TestBackupIsTurnedToWAL: a copy made by VACUUM INTO has another journal mode; it
// can be read as it is, and is turned back under the lock.
func TestBackupIsTurnedToWAL(t *testing.T) {
	reader, backup := openBackup(t)
	if rows := readAll(t, reader, 0); len(rows) != 1 || reader.Ready() {
		t.Errorf("a backup that is read: %d rows, ready: %t", len(rows), reader.Ready())
	}
	l := mustCreate(t, backup)
	appendOps(t, l, "b")
	if rows := readAll(t, reader, 0); len(rows) != 2 || !l.Ready() {
		t.Errorf("a backup that was written to: %d rows", len(rows))
	}
	var mode string
	if err := l.file.Conn.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal mode %q (%v)", mode, err)
	}
}

// TestNewerSchemaUnderARunningProcess: it stops writing, with a clear error.
func TestNewerSchemaUnderARunningProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	execRaw(t, path, fmt.Sprintf("PRAGMA user_version = %d", newestSchema+1))
	err := write(l, func(tx *Tx) error { _, err := appendNext(l, tx, "b"); return err })
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeNewer {
		t.Errorf("got %v", err)
	}
	if got := len(readAll(t, l, 0)); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
}

// TestHideFromGit: a folder that was there gets its .gitignore too; one that the
// user wrote stays, with a warning if the database is not covered.
func TestHideFromGit(t *testing.T) {
	for have, warns := range map[string]bool{"": false, "*\n": false, "pipeline.db*\n": false, "*\n!.gitignore\n": false, "work/\n": true, "*\n!*.db\n": true} {
		dir := filepath.Join(t.TempDir(), ".huskies")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		ignore := filepath.Join(dir, ".gitignore")
		if have != "" {
			if err := os.WriteFile(ignore, []byte(have), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		cfg := testConfig(t, filepath.Join(dir, "pipeline.db"))
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		l, err := create(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		got, err := os.ReadFile(ignore)
		if err != nil || have != "" && string(got) != have || have == "" && !strings.Contains(string(got), "\npipeline.db*\n") {
			t.Errorf("%q became %q (%v)", have, got, err)
		}
		if strings.Contains(log.String(), "make git ignore it") != warns {
			t.Errorf("%q: log: %s", have, &log)
		}
	}
}

// TestSymbolicLinksMeetAtOneLock, under whatever name the database is opened.
func TestSymbolicLinksMeetAtOneLock(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.db")
	mustCreate(t, path)
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	l := mustCreate(t, link)
	release := holdLock(t, path+".lock")
	if _, ok := NewLock(link).TryAcquire(); ok {
		t.Error("the lock was got twice")
	}
	release()
	if l.Presence() != Present {
		t.Error("a link counts as a replaced file")
	}
	other := filepath.Join(dir, "other.db")
	mustCreate(t, other)
	if err := errors.Join(os.Remove(link), os.Symlink(other, link)); err != nil {
		t.Fatal(err)
	}
	if l.Presence() != Replaced {
		t.Error("a link that leads elsewhere now does not count as replaced")
	}
	if err := errors.Join(os.Remove(link), os.Symlink(filepath.Join(dir, "no.db"), link)); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := Open(t.Context(), testConfig(t, link)); !errors.As(err, &e) || e.Code != dbfile.CodeNoFolder {
		t.Errorf("a dangling link: got %v", err)
	}
}

// TestPresence shows that what becomes of the file is seen at once.
func TestPresence(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	path := filepath.Join(folder, "p.db")
	var l *Log
	becomes := func(want Presence, what string, errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if got := l.Presence(); got != want {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	open := func() {
		t.Helper()
		if err := errors.Join(os.RemoveAll(folder), os.Mkdir(folder, 0o700)); err != nil {
			t.Fatal(err)
		}
		l = mustCreate(t, path)
		becomes(Present, "just opened")
		appendOps(t, l, "a")
		becomes(Present, "written to")
	}
	open()
	becomes(Removed, "moved away", os.Rename(path, path+".old"))
	becomes(Replaced, "another file", os.WriteFile(path, nil, 0o600))
	becomes(Present, "moved back", os.Rename(path+".old", path))
	other := filepath.Join(folder, "other")
	becomes(Replaced, "replaced", os.WriteFile(other, nil, 0o600), os.Rename(other, path))
	open()
	becomes(Removed, "removed", os.Remove(path))
	becomes(Removed, "still")
	open()
	becomes(Removed, "folder moved", os.Rename(folder, folder+".old"))
	becomes(Removed, "folder became a file", os.WriteFile(folder, nil, 0o600))
	becomes(Present, "folder moved back", os.Remove(folder), os.Rename(folder+".old", folder))
}

// TestPresenceOfABackup shows that a process that reads a backup sees that somebody writes
// to it by now.
func TestPresenceOfABackup(t *testing.T) {
	reader, path := openBackup(t)
	if got := reader.Presence(); got != Present {
		t.Errorf("a backup: got %v, want %v", got, Present)
	}
	mustCreate(t, path)
	if got := reader.Presence(); got != Turned {
		t.Errorf("a backup that somebody writes to: got %v, want %v", got, Turned)
	}
}

// TestLongPaths: a path that SQLite could not open leaves nothing behind; one that is just
// short enough is one like others.
func TestLongPaths(t *testing.T) {
	dir := t.TempDir()
	path := func(length int) string {
		path := dir
		for length-len(path) > maxFileName+1 {
			path = filepath.Join(path, strings.Repeat("d", min(100, length-len(path)-maxFileName/2)))
		}
		return filepath.Join(path, strings.Repeat("f", length-len(path)-1))
	}
	for _, path := range []string{path(maxPath), filepath.Join(dir, strings.Repeat("f", maxFileName))} {
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(t, CreateFolder(path))
		appendOps(t, mustCreate(t, path), "a")
	}
	for _, path := range []string{path(maxPath + 1), filepath.Join(dir, strings.Repeat("f", maxFileName+1))} {
		var refused *Error
		if err := CreateFolder(path); !errors.As(err, &refused) || refused.Code != CodeLongPath {
			t.Errorf("%d bytes: %v", len(path), err)
		}
	}
}

// holdLock takes the lock as another process would: flock(2) locks belong to
// the open file, so a second descriptor in this process is another holder.
func holdLock(t *testing.T, path string) (release func()) {
	t.Helper()
	f := flock.New(path)
	if err := f.Lock(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := f.Unlock(); err != nil {
			t.Error(err)
		}
	}
}
