package oplog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// damage changes each of the given bytes where they stand in the file, of which
// nobody has a log open.
func damage(t *testing.T, path string, places ...[]byte) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range places {
		if n := bytes.Count(file, b); n != 1 {
			t.Fatalf("%x stands %d times in the file, want once", b, n)
		}
		file[bytes.Index(file, b)+len(b)/2] ^= 1
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRepair: a row damaged on disk is as it was when the op comes again.
func TestRepair(t *testing.T) {
	for name, places := range map[string]func(crdt.SignedOp) [][]byte{
		"payload":   func(op crdt.SignedOp) [][]byte { return [][]byte{op.Payload} },
		"signature": func(op crdt.SignedOp) [][]byte { return [][]byte{op.Signature[:]} },
		"both":      func(op crdt.SignedOp) [][]byte { return [][]byte{op.Payload, op.Signature[:]} },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			l := mustCreate(t, path)
			appendOps(t, l, "a")
			var op *crdt.Op
			var signed crdt.SignedOp
			if err := write(l, func(tx *Tx) (err error) {
				if op, signed, err = nextOp(tx, l.Key(), "1_s", crdt.Set("name", crdt.String("b"))); err != nil {
					return err
				}
				return appendOp(tx, op, signed)
			}); err != nil {
				t.Fatal(err)
			}
			appendOps(t, l, "c")
			want, wantAll := readAll(t, l, 0), dumpFile(t, path)
			if err := l.Close(); err != nil { // moves all to the database file
				t.Fatal(err)
			}
			damage(t, path, places(signed)...)
			execRaw(t, path, "UPDATE crdt_ops SET seq = 3, author = zeroblob(32) WHERE arrival = 2")

			l = mustCreate(t, path)
			if cmp.Equal(want, readAll(t, l, 0)) {
				t.Fatal("the row is not damaged")
			}
			if err := write(l, func(tx *Tx) error { return tx.Repair(op, signed) }); err != nil {
				t.Fatal(err)
			}
			for what, l := range map[string]*Log{"writer": l, "another process": mustCreate(t, path)} {
				if diff := cmp.Diff(want, readAll(t, l, 0)); diff != "" {
					t.Errorf("%s (-before the damage +after the repair):\n%s", what, diff)
				}
			}
			if diff := cmp.Diff(wantAll, dumpFile(t, path)); diff != "" {
				t.Errorf("tables (-before the damage +after the repair):\n%s", diff)
			}
			checkState(t, l)
		})
	}
}

// TestRepairOfNothing: an op that is not in the log is not added in this way,
// and what the same write did before is undone.
func TestRepairOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	before := dumpFile(t, path)
	op, signed := makeOp(t, l.Key(), 1, "b")
	other, otherSigned := makeOp(t, l.Key(), 1, "c")
	err := write(l, func(tx *Tx) error {
		if err := appendOp(tx, other, otherSigned); err != nil {
			return err
		}
		return tx.Repair(op, signed)
	})
	var broken *Error
	if !errors.As(err, &broken) || !strings.Contains(err.Error(), "0 rows have this ID, want 1") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, dumpFile(t, path)); diff != "" {
		t.Error("the file changed:", diff)
	}
}
