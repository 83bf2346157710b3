package oplog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
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

	"github.com/huskies/huskies-mcp/crdt"
)

// clock ticks a second a look.
func clock() func() time.Time {
	var mu sync.Mutex
	at := time.UnixMilli(1_700_000_000_000)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(time.Second)
		return at
	}
}

// keySource is a source of keys: reads give the byte it is.
type keySource byte

func (k keySource) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(k)
	}
	return len(p), nil
}

func testConfig(t *testing.T, path string) Config {
	return Config{Path: path, Now: clock(), Rand: keySource(7), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// testLock is the lock of the database at path, with little patience.
func testLock(path string) *Lock { return NewLock(path, 50*time.Millisecond) }

// create is Create as a writer calls it.
func create(cfg Config) (*Log, error) {
	if err := CreateFolder(cfg.Path); err != nil {
		return nil, err
	}
	release, err := NewLock(cfg.Path, 0).Acquire(context.Background())
	if err != nil {
		return nil, err
	}
	defer release()
	return Create(context.Background(), cfg)
}

func mustCreate(t *testing.T, path string) *Log {
	t.Helper()
	l, err := create(testConfig(t, path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// makeOp signs an op that sets the story's name.
func makeOp(t *testing.T, key ed25519.PrivateKey, seq uint64, name string) (*crdt.Op, crdt.SignedOp) {
	t.Helper()
	op := &crdt.Op{Seq: seq, Story: "1_s", Edits: []crdt.Edit{crdt.Set("name", crdt.String(name))}}
	signed, err := crdt.Sign(op, key)
	if err != nil {
		t.Fatal(err)
	}
	return op, signed
}

// appendOps writes one op a name, each in its own transaction.
func appendOps(t *testing.T, l *Log, names ...string) {
	t.Helper()
	for _, name := range names {
		op, signed := makeOp(t, l.Key(), 1, name)
		if err := write(l, func(tx *Tx) error { _, err := tx.Append(op, signed); return err }); err != nil {
			t.Fatal(err)
		}
	}
}

// write takes the lock and writes.
func write(l *Log, fn func(*Tx) error) error {
	release, err := testLock(l.cfg.Path).Acquire(context.Background())
	if err != nil {
		return err
	}
	defer release()
	return l.Write(context.Background(), fn)
}

func readAll(t *testing.T, l *Log, after int64) []Row {
	t.Helper()
	var rows []Row
	if err := l.Read(context.Background(), after, func(r Row) error { rows = append(rows, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return rows
}

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
	if !errors.As(err, &e) || !strings.Contains(e.Next, "the folder does not exist") {
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
		"busy_timeout": "10000", "user_version": "1", "application_id": fmt.Sprint(applicationID),
	} {
		var got string
		if err := l.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
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

func TestAppendReadRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	key := l.Key()
	var names []string
	for i := range 2*pageSize + 3 { // more than two pages of a read
		names = append(names, fmt.Sprint("n", i))
	}
	if err := write(l, func(tx *Tx) error {
		for i, name := range names {
			op, signed := makeOp(t, key, uint64(i+1), name)
			if arrival, err := tx.Append(op, signed); err != nil || arrival != int64(i+1) {
				t.Fatalf("append %d: arrival %d, %v", i, arrival, err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	before := readAll(t, l, 0)
	if len(before) != len(names) {
		t.Fatalf("got %d rows, want %d", len(before), len(names))
	}
	for i, r := range before {
		receipt, err := l.Receipt(t.Context(), r.Arrival)
		if err != nil {
			t.Fatal(err)
		}
		op, err := crdt.Verify(r.Payload, receipt.Signature)
		if err != nil {
			t.Fatal(err)
		}
		if r.Arrival != int64(i+1) || op.ID != r.ID || op.Seq != receipt.Seq || op.Edits[0].Value.Str() != names[i] || receipt.ReceivedAt <= 1_700_000_000_000 {
			t.Fatalf("row %d is %+v with %+v of op %+v", i, r, receipt, op)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustCreate(t, path)
	if !l.Key().Equal(key) {
		t.Error("the key changed with a restart")
	}
	if diff := cmp.Diff(before, readAll(t, l, 0)); diff != "" {
		t.Error("rows after a restart (-before +after):", diff)
	}
	if diff := cmp.Diff(before[pageSize+1:], readAll(t, l, pageSize+1)); diff != "" {
		t.Error("rows after a cursor (-want +got):", diff)
	}
}

// TestFailedWriteLeavesNothing: an error of the caller or of the storage leaves
// the file as it was, and the next write works.
func TestFailedWriteLeavesNothing(t *testing.T) {
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	appendOps(t, l, "a")
	boom := errors.New("boom")
	op, signed := makeOp(t, l.Key(), 1, "b")
	err := write(l, func(tx *Tx) error {
		if _, err := tx.Append(op, signed); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	// The same op twice: the storage refuses, whatever the writer forgot.
	err = write(l, func(tx *Tx) error {
		if _, err := tx.Append(op, signed); err != nil {
			return err
		}
		_, err := tx.Append(op, signed)
		return err
	})
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("the same op twice: got %v", err)
	}
	if got := len(readAll(t, l, 0)); got != 1 {
		t.Errorf("%d rows after failed writes, want 1", got)
	}
	appendOps(t, l, "c")
}

// TestC32_DiskFull: the caller hears it, nothing is half done, and the next
// write works once there is space.
func TestC32_DiskFull(t *testing.T) {
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	appendOps(t, l, "a")
	var pages int
	if err := l.conn.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit := func(n int) {
		if _, err := l.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages)
	op, signed := makeOp(t, l.Key(), 1, strings.Repeat("x", 60_000))
	err := write(l, func(tx *Tx) error { _, err := tx.Append(op, signed); return err })
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Next, "free some space") {
		t.Fatalf("got %v", err)
	}
	limit(1 << 20)
	if err := write(l, func(tx *Tx) error { _, err := tx.Append(op, signed); return err }); err != nil {
		t.Fatal(err)
	}
	if got := len(readAll(t, l, 0)); got != 2 {
		t.Errorf("%d rows, want 2", got)
	}
}

// TestC31_DamagedIdentity: whatever is wrong with the key, opening says what to
// do and changes nothing.
func TestC31_DamagedIdentity(t *testing.T) {
	for name, damage := range map[string]string{
		"short":     "UPDATE crdt_node_identity SET seed = x'0102'",
		"empty":     "UPDATE crdt_node_identity SET seed = x''",
		"one bit":   "UPDATE crdt_node_identity SET seed = x'0707070707070707070707070707070707070707070707070707070707070706'",
		"author":    "UPDATE crdt_node_identity SET author = zeroblob(32)",
		"missing":   "DELETE FROM crdt_node_identity",
		"long seed": "UPDATE crdt_node_identity SET seed = zeroblob(64)",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			l := mustCreate(t, path)
			appendOps(t, l, "a")
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			execRaw(t, path, damage)
			before := dump(t, path)
			_, err := Open(t.Context(), testConfig(t, path))
			if _, again := create(testConfig(t, path)); again == nil || again.Error() != err.Error() {
				t.Errorf("a writer gets %v, a reader %v", again, err)
			}
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), "identity is damaged") || !strings.Contains(e.Next, "restore the database from a backup") {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(before, dump(t, path)); diff != "" {
				t.Error("the file changed:", diff)
			}
		})
	}
}

// execRaw runs a statement past the package.
func execRaw(t *testing.T, path, stmt string) {
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

// dump returns what is in the tables.
func dump(t *testing.T, path string) (text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range []string{"SELECT hex(op_id) FROM crdt_ops", "SELECT hex(seed) || hex(author) FROM crdt_node_identity"} {
		rows, err := db.Query(q)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			text += s + "\n"
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return text
}

// TestForeignFiles: what is not ours is left byte for byte as it was.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		stmt string
		says string
	}{
		"other program": {"CREATE TABLE notes (text)", "SQLite database of another program"},
		"other id":      {"PRAGMA application_id = 42", "SQLite database of another program"},
		"newer":         {fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 99", applicationID), "install a newer huskies-mcp"},
		"no database":   {"", "not an SQLite database"},
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
		if !errors.As(err, &e) || !strings.Contains(err.Error()+e.Next, tt.says) {
			t.Errorf("%s: got %v (%+v)", name, err, e)
		}
		if !bytes.Equal(before, fileHash(t, path)) {
			t.Errorf("%s: the file changed", name)
		}
	}
}

func fileHash(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(b)
	return h[:]
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

// TestOlderSchema: a log of an older build is not taken for an empty one; the
// holder of the lock brings it up to date and everything is there.
func TestOlderSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	key := l.Key()
	_ = l.Close()
	newestSchema++ // this build now knows one migration more
	defer func() { newestSchema-- }()
	if _, err := Open(t.Context(), testConfig(t, path)); !errors.Is(err, ErrOutdated) {
		t.Errorf("got %v, want ErrOutdated", err)
	}
	l = mustCreate(t, path)
	if rows := readAll(t, l, 0); len(rows) != 1 || !l.Key().Equal(key) {
		t.Errorf("after the upgrade: %d rows, the key is the same: %v", len(rows), l.Key().Equal(key))
	}
	appendOps(t, l, "b")
}

// TestNewerSchemaUnderARunningProcess: it stops writing, with a clear error.
func TestNewerSchemaUnderARunningProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	execRaw(t, path, "PRAGMA user_version = 2")
	op, signed := makeOp(t, l.Key(), 1, "b")
	err := write(l, func(tx *Tx) error { _, err := tx.Append(op, signed); return err })
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Next, "install a newer huskies-mcp") {
		t.Errorf("got %v", err)
	}
	if got := len(readAll(t, l, 0)); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
}

// TestHideFromGit: a folder that was there gets its .gitignore too; one that the
// user wrote stays, with a warning if the database is not covered.
func TestHideFromGit(t *testing.T) {
	for have, warns := range map[string]bool{"": false, "*\n": false, "pipeline.db*\n": false, "work/\n": true} {
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
	if _, err := testLock(link).Acquire(t.Context()); err == nil {
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
	if _, err := Open(t.Context(), testConfig(t, link)); !errors.As(err, &e) || !strings.Contains(e.Next, "a link leads nowhere") {
		t.Errorf("a dangling link: got %v", err)
	}
}

func TestPresence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	if got := l.Presence(); got != Present {
		t.Errorf("just opened: got %v", got)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if got := l.Presence(); got != Removed {
		t.Errorf("moved away: got %v", got)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := l.Presence(); got != Replaced {
		t.Errorf("another file: got %v", got)
	}
}
