package replica_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/oplog/bundle"
	"github.com/huskies/huskies-mcp/replica"
)

// recreate moves the database at path away and makes a new one of its legacy and of the lines.
func recreate(t *testing.T, path string, lines ...string) (*replica.Replica, replica.ImportReport, int) {
	t.Helper()
	old := path + ".old"
	if err := os.Rename(path, old); err != nil {
		t.Fatal(err)
	}
	cfg := configOf(t, path)
	from, err := oplog.ReadLegacy(t.Context(), oplog.Config{Path: old, Machine: cfg.Machine, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	r := newReplica(t, path)
	report, damaged, err := r.ImportLegacy(t.Context(), from, bundle.NewReader(strings.NewReader(strings.Join(lines, ""))), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r, report, damaged
}

// TestImportLegacy shows that a database which is made of the ops of another and of what that had
// beside its ops is the same pipeline of the same author, also where rows are damaged.
func TestImportLegacy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := chain(t, path, 20)
	author, _, err := r.Author(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Trust(t.Context(), author, "me"); err != nil {
		t.Fatal(err)
	}
	exec(t, path, "UPDATE crdt_ops SET payload = x'a0' WHERE arrival IN (3, 4)")
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	want, lines := shown(t, r), exported(t, r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	again, report, damaged := recreate(t, path, lines...)
	if report.New != 18 || report.Pending != 0 || damaged != 2 {
		t.Errorf("got %+v and %d damaged rows", report, damaged)
	}
	if diff := cmp.Diff(want, shown(t, again)); diff != "" {
		t.Errorf("the pipeline is another (-before +after): %s", diff)
	}
	if is, _, err := again.Author(t.Context()); err != nil || is != author {
		t.Errorf("the author is %s (%v), want %s", is.Short(), err, author.Short())
	}
	if trusted, err := again.Trusted(t.Context()); err != nil || len(trusted) != 1 || trusted[0].Name != "me" {
		t.Errorf("got trusted authors %v, %v", trusted, err)
	}
	create(t, again, "90_more")
}

// TestImportLegacyOnlyWhereThereIsNone shows that a database which is there is left as it is.
func TestImportLegacyOnlyWhereThereIsNone(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old.db")
	lines := exported(t, chain(t, old, 2))
	from, err := oplog.ReadLegacy(t.Context(), oplog.Config{Path: old, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	r := chain(t, filepath.Join(dir, "p.db"), 3)
	want := shown(t, r)
	_, _, err = r.ImportLegacy(t.Context(), from, bundle.NewReader(strings.NewReader(strings.Join(lines, ""))), nil)
	if err == nil {
		t.Error("no error")
	}
	if diff := cmp.Diff(want, shown(t, r)); diff != "" {
		t.Error(diff)
	}
}

// TestImportLegacyHasRoomForAll shows that the ops behind a lost one find room however many they are,
// as they had in the other database. Elsewhere they do not.
func TestImportLegacyHasRoomForAll(t *testing.T) {
	const n = crdt.MaxPendingBytesPerAuthor/(crdt.MaxPayload-1024) + 50
	var lines []string
	var parents []crdt.OpID
	text := strings.Repeat("x", crdt.MaxPayload-1024)
	for i := range n {
		signed, line := stranger(t, crdt.Op{
			Story: "1_s", Seq: uint64(i + 1), Parents: parents,
			Edits: []crdt.Edit{crdt.Set("stage", crdt.String("1_backlog")), crdt.Set("other", crdt.String(text))},
		})
		parents = []crdt.OpID{signed.ID}
		lines = append(lines, line)
	}
	dir := t.TempDir()
	if report, err := tryImport(newReplica(t, filepath.Join(dir, "other.db")), lines[1:]...); err != nil || report.Refused == 0 {
		t.Fatalf("got %+v, %v, want no room for some", report, err)
	}
	path := filepath.Join(dir, "p.db")
	r := chain(t, path, 1)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r, report, _ := recreate(t, path, lines[1:]...)
	if report.Refused != 0 || report.Pending != n-1 {
		t.Errorf("%d are refused and %d wait, want all %d to wait: %v", report.Refused, report.Pending, n-1, report.Refusals)
	}
	imports(t, r, replica.ImportReport{New: 1}, lines[0])
}
