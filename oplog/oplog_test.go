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
	"sync/atomic"
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
	return Config{Path: path, Now: clock(), Rand: keySource(7), Machine: "here", Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// testLock is the lock of the database at path, with little patience.
// create is Create as a writer calls it.
func create(cfg Config) (*Log, error) {
	if err := CreateFolder(cfg.Path); err != nil {
		return nil, err
	}
	release, err := NewLock(cfg.Path, time.Now).Acquire(context.Background())
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
	release, err := NewLock(l.cfg.Path, time.Now).Acquire(context.Background())
	if err != nil {
		return err
	}
	defer release()
	return l.Write(context.Background(), fn)
}

func readAll(t *testing.T, l *Log, after int64) []Row {
	t.Helper()
	var rows []Row
	if err := l.Read(context.Background(), after, func(r Row) error {
		r.Payload = bytes.Clone(r.Payload)
		rows = append(rows, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return rows
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

// TestReadSigned: the rows are those of Read, with the receipts, over pages,
// from a cursor, in a write, and until the caller has enough.
func TestReadSigned(t *testing.T) {
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	check := func(after int64) {
		t.Helper()
		var want, got []SignedRow
		for _, row := range readAll(t, l, after) {
			receipt, err := l.Receipt(t.Context(), row.Arrival)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, SignedRow{row, receipt})
		}
		if err := l.ReadSigned(t.Context(), after, func(row SignedRow) error { got = append(got, row); return nil }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %d (-Read and Receipt +ReadSigned):\n%s", after, diff)
		}
	}
	check(0)
	if err := write(l, func(tx *Tx) error {
		for i := range 2 * pageSize { // two full pages
			op, signed := makeOp(t, l.Key(), uint64(i+1), "x")
			if _, err := tx.Append(op, signed); err != nil {
				return err
			}
		}
		check(0)
		return tx.Trust(ann, "")
	}); err != nil {
		t.Fatal(err)
	}
	check(0)
	check(pageSize - 1)
	check(2 * pageSize)
	enough, rows := errors.New("enough"), 0
	err := l.ReadSigned(t.Context(), 0, func(row SignedRow) error {
		if rows++; row.Arrival == pageSize+1 {
			return enough
		}
		return nil
	})
	if err != enough || rows != pageSize+1 {
		t.Errorf("got %v after %d rows, want the caller's error after %d", err, rows, pageSize+1)
	}
}

// TestOpsOutliveTheirRows: what is decoded while a row is read stays as it is
// when the row's memory is used again, pages later.
func TestOpsOutliveTheirRows(t *testing.T) {
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	var want, got []*crdt.Op
	if err := write(l, func(tx *Tx) error {
		for i := range 4 * pageSize {
			op, signed := makeOp(t, l.Key(), uint64(i+1), fmt.Sprint("name ", i))
			if _, err := tx.Append(op, signed); err != nil {
				return err
			}
			want = append(want, op)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := l.Read(t.Context(), 0, func(row Row) error {
		op, err := crdt.Decode(row.Payload)
		got = append(got, op)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if fmt.Sprint(*got[i]) != fmt.Sprint(*want[i]) {
			t.Fatalf("op %d is %v, want %v", i, *got[i], *want[i])
		}
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
			elsewhere := testConfig(t, path)
			elsewhere.Machine = "there"
			if _, again := create(elsewhere); again == nil || again.Error() != err.Error() {
				t.Errorf("a writer on another machine gets %v, here %v", again, err)
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

// TestSyncKeepsNobodyWaiting: while the disk is waited for others commit, and see whether
// anybody has.
func TestSyncKeepsNobodyWaiting(t *testing.T) {
	cfg := testConfig(t, filepath.Join(t.TempDir(), "p.db"))
	var slow atomic.Bool
	waiting, goOn := make(chan struct{}), make(chan struct{})
	cfg.Sync = func(f *os.File) error {
		if slow.CompareAndSwap(true, false) {
			close(waiting)
			<-goOn
		}
		return f.Sync()
	}
	l, err := create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	slow.Store(true)
	synced, others := make(chan error), make(chan error)
	go func() { synced <- l.Sync() }()
	<-waiting
	go func() {
		_ = l.wal.stamp() // as where the index cannot be seen
		others <- l.Commit(context.Background(), func(*Tx) error { return nil })
	}()
	select {
	case err := <-others:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a commit waits for the disk of another")
		defer func() { <-others }()
	}
	close(goOn)
	if err := <-synced; err != nil {
		t.Error(err)
	}
}
