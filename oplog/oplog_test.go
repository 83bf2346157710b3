package oplog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
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
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
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

// keySource is a source of keys: reads give the byte it is. The reads that draw the ID of
// a state are shorter, and give another one each time.
type keySource byte

func (k keySource) Read(p []byte) (int, error) {
	if len(p) == 4 {
		binary.BigEndian.PutUint32(p, stateIDs.Add(1))
		return len(p), nil
	}
	for i := range p {
		p[i] = byte(k)
	}
	return len(p), nil
}

var stateIDs atomic.Uint32

func testConfig(t *testing.T, path string) Config {
	return Config{Path: path, Now: clock(), Rand: keySource(7), Machine: "here", Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// create is Create as a writer calls it.
func create(cfg Config) (*Log, error) {
	if err := CreateFolder(cfg.Path); err != nil {
		return nil, err
	}
	release, err := NewLock(cfg.Path).Acquire(context.Background())
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

// makeOp signs an op that sets the story's name and has no parents. Every seq but 1
// makes it an op that is refused.
func makeOp(t *testing.T, key ed25519.PrivateKey, seq uint64, name string) (*crdt.Op, crdt.SignedOp) {
	t.Helper()
	op := &crdt.Op{Seq: seq, Story: "1_s", Edits: []crdt.Edit{crdt.Set("name", crdt.String(name))}}
	signed, err := crdt.Sign(op, key)
	if err != nil {
		t.Fatal(err)
	}
	return op, signed
}

// nextOp signs an op that makes the edits to the story and builds on what the
// transaction has applied.
func nextOp(tx *Tx, key ed25519.PrivateKey, story string, edits ...crdt.Edit) (*crdt.Op, crdt.SignedOp, error) {
	op := &crdt.Op{Story: story, At: 1_700_000_000_000, Edits: edits}
	var err error
	if op.Parents, op.Seq, err = tx.Next(); err != nil {
		return nil, crdt.SignedOp{}, err
	}
	signed, err := crdt.Sign(op, key)
	return op, signed, err
}

// appendNext appends an op of the log's own key that sets a story's name.
func appendNext(l *Log, tx *Tx, name string) (crdt.SignedOp, error) {
	op, signed, err := nextOp(tx, l.Key(), "1_s", crdt.Set("name", crdt.String(name)))
	if err != nil {
		return signed, err
	}
	_, kind, err := tx.Append(op, signed)
	if err == nil && kind != Applied {
		err = fmt.Errorf("op %q is %v, want applied", name, kind)
	}
	return signed, err
}

// appendOp appends an op as it is.
func appendOp(tx *Tx, op *crdt.Op, signed crdt.SignedOp) error {
	_, _, err := tx.Append(op, signed)
	return err
}

// appendOps writes one op a name, each in its own transaction.
func appendOps(t *testing.T, l *Log, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := write(l, func(tx *Tx) error { _, err := appendNext(l, tx, name); return err }); err != nil {
			t.Fatal(err)
		}
	}
}

// write takes the lock and writes.
func write(l *Log, fn func(*Tx) error) error {
	release, err := NewLock(l.cfg.Path).Acquire(context.Background())
	if err != nil {
		return err
	}
	defer release()
	return l.Write(context.Background(), fn)
}

// readRows returns the rows of the log after an arrival number.
func readRows(l *Log, after int64) (rows []SignedRow, err error) {
	err = l.View(context.Background(), func(s *Snapshot) error {
		rows = nil
		return s.Rows(after, func(row SignedRow) error {
			row.Payload = bytes.Clone(row.Payload)
			row.Op = nil // the payload says the same
			rows = append(rows, row)
			return nil
		})
	})
	return rows, err
}

func readAll(t *testing.T, l *Log, after int64) []SignedRow {
	t.Helper()
	rows, err := readRows(l, after)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// view calls fn with a snapshot.
func view(t *testing.T, l *Log, fn func(*Snapshot) error) {
	t.Helper()
	if err := l.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// TestAppendReadRestart shows that what was appended is read in order of arrival: over
// pages, from a cursor, and after a restart.
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
			op, signed, err := nextOp(tx, key, "1_s", crdt.Set("name", crdt.String(name)))
			if err != nil {
				return err
			}
			if arrival, kind, err := tx.Append(op, signed); err != nil || arrival != int64(i+1) || kind != Applied {
				t.Fatalf("append %d: arrival %d, %v, %v", i, arrival, kind, err)
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
		op, err := crdt.Verify(r.Payload, r.Signature)
		if err != nil {
			t.Fatal(err)
		}
		if r.Arrival != int64(i+1) || op.ID != r.ID || op.Seq != r.Seq || op.Edits[0].Value.Str() != names[i] || r.ReceivedAt <= 1_700_000_000_000 {
			t.Fatalf("row %d is %+v of op %+v", i, r, op)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustCreate(t, path)
	if !l.Key().Equal(key) {
		t.Error("the key changed with a restart")
	}
	for _, after := range []int{0, pageSize - 1, pageSize + 1, len(names) - 1, len(names)} {
		if diff := cmp.Diff(before[after:], readAll(t, l, int64(after)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("rows after %d, after a restart (-before +after): %s", after, diff)
		}
	}
	checkState(t, l)
	enough, rows := errors.New("enough"), 0
	err := l.View(t.Context(), func(s *Snapshot) error {
		return s.Rows(0, func(row SignedRow) error {
			if rows++; row.Arrival == pageSize+1 {
				return enough
			}
			return nil
		})
	})
	if !errors.Is(err, enough) || rows != pageSize+1 {
		t.Errorf("got %v after %d rows, want the caller's error after %d", err, rows, pageSize+1)
	}
}

// TestFailedWriteLeavesNothing shows that an error of the caller or of the storage leaves
// the log and the state as they were, and that the next write works.
func TestFailedWriteLeavesNothing(t *testing.T) {
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	appendOps(t, l, "a")
	before := stateDump(t, l)
	boom := errors.New("boom")
	err := write(l, func(tx *Tx) error {
		if _, err := appendNext(l, tx, "b"); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	// The same op twice: the storage refuses, whatever the writer forgot.
	err = write(l, func(tx *Tx) error {
		op, signed, err := nextOp(tx, l.Key(), "2_s", crdt.Set("name", crdt.String("b")))
		return errors.Join(err, appendOp(tx, op, signed), appendOp(tx, op, signed))
	})
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("the same op twice: got %v", err)
	}
	if got := len(readAll(t, l, 0)); got != 1 {
		t.Errorf("%d rows after failed writes, want 1", got)
	}
	if diff := cmp.Diff(before, stateDump(t, l)); diff != "" {
		t.Errorf("the state changed with failed writes:\n%s", diff)
	}
	appendOps(t, l, "c")
	checkState(t, l)
}

// TestC32_DiskFull shows that the caller hears of a full disk, that nothing is half done,
// and that the next write works once there is space.
func TestC32_DiskFull(t *testing.T) {
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	appendOps(t, l, "a")
	var pages int
	if err := l.file.Conn.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit := func(n int) {
		if _, err := l.file.Conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages)
	large := func() error {
		return write(l, func(tx *Tx) error { _, err := appendNext(l, tx, strings.Repeat("x", 60_000)); return err })
	}
	var e *Error
	if err := large(); !errors.As(err, &e) || e.Code != dbfile.CodeFull {
		t.Fatalf("got %v", err)
	}
	checkState(t, l)
	limit(1 << 20)
	if err := large(); err != nil {
		t.Fatal(err)
	}
	if got := len(readAll(t, l, 0)); got != 2 {
		t.Errorf("%d rows, want 2", got)
	}
	checkState(t, l)
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
			before := dumpFile(t, path)
			_, err := Open(t.Context(), testConfig(t, path))
			if _, again := create(testConfig(t, path)); again == nil || again.Error() != err.Error() {
				t.Errorf("a writer gets %v, a reader %v", again, err)
			}
			elsewhere := testConfig(t, path)
			elsewhere.Machine = "there"
			if _, again := create(elsewhere); again == nil || again.Error() != err.Error() {
				t.Errorf("a writer on another machine gets %v, here %v", again, err)
			}
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeIdentity {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(before, dumpFile(t, path)); diff != "" {
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

// dumpFile returns what is in the tables.
func dumpFile(t *testing.T, path string) (text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range []string{"SELECT hex(op_id) || hex(author) || seq || hex(payload) || hex(signature) FROM crdt_ops ORDER BY arrival", "SELECT hex(seed) || hex(author) FROM crdt_node_identity"} {
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

func fileHash(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(b)
	return h[:]
}
