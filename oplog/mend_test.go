package oplog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestMendGoesOnBehindUnreadablePages: a page that cannot be read costs the rows on
// it. The copy is sound but for what waits for them, and has all others.
func TestMendGoesOnBehindUnreadablePages(t *testing.T) {
	const n = 300
	path := longLog(t, n)
	leaves, _ := pagesOf(t, path, "crdt_ops")
	damagePage(t, path, leaves[4], 0, 0x55) // no type of page
	to := filepath.Join(t.TempDir(), "mended.db")
	if err := os.WriteFile(to, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := Mend(t.Context(), testConfig(t, path), to, true)
	if err != nil || report.Unreadable == 0 || report.Ops+report.Unreadable != n || !report.Renumbered {
		t.Fatalf("got %+v, %v, want %d rows in all, some unreadable", report, err, n)
	}
	got := verifyLog(t, to)
	got, lost := got.without(FoundLost)
	got.expect(t, "")
	if got.report.Rows != report.Ops || len(lost) == 0 {
		t.Errorf("got %d rows, want %d; lost: %v", got.report.Rows, report.Ops, lost)
	}
}

// TestTableTakenOut: a table that another program takes out while a log is open is an
// error that names the way.
func TestTableTakenOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	execRaw(t, path, "DROP TABLE leases")
	_, _, err := l.Lease(t.Context(), crdt.OpID{1})
	var broken *Error
	if !errors.As(err, &broken) || broken.Next != "another program took out a table: huskies-mcp verify says what to do" {
		t.Errorf("got %v, %+v", err, broken)
	}
}

// TestMendWithoutKey: no byte of a key reaches the copy unless that was asked for.
func TestMendWithoutKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a", "b")
	for _, withKey := range []bool{false, true} {
		to := filepath.Join(t.TempDir(), "mended.db")
		if err := os.WriteFile(to, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if report, err := Mend(t.Context(), testConfig(t, path), to, withKey); err != nil || report.Ops != 2 {
			t.Fatalf("got %+v, %v, want 2 ops", report, err)
		}
		file, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(file, l.Key().Seed()); got != withKey {
			t.Errorf("the key is in the copy: %v, want %v", got, withKey)
		}
	}
}
