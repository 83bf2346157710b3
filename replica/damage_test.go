package replica_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// damage breaks rows of a chain of 5 ops, has the state rebuilt, and returns the text and the
// bundle of before.
func damage(t *testing.T, statement string) (path, before string, lines []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "p.db")
	r := chain(t, path, 5)
	before, lines = text(t, r), exported(t, r)
	exec(t, path, "UPDATE crdt_ops SET "+statement)
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	return path, before, lines
}

// TestMendedRowsAreSeenAtOnce mends several damaged rows one by one. Every process shows each mended
// op at its next call. When all rows are mended all is as before.
func TestMendedRowsAreSeenAtOnce(t *testing.T) {
	path, before, lines := damage(t, "payload = x'a0' WHERE arrival IN (2, 3, 4)")
	r, watcher := newReplica(t, path), newReplica(t, path)
	text(t, watcher)
	if s, err := read(t, r, "5_s"); err != nil || s.Name != "4" { // what builds on them goes on
		t.Errorf("got %+v, %v", s, err)
	}
	for _, line := range []string{lines[2], lines[3], lines[1]} {
		imports(t, r, replica.ImportReport{Mended: 1}, line)
		want := text(t, newReplica(t, path))
		for who, r := range map[string]*replica.Replica{"importer": r, "watcher": watcher} {
			if diff := cmp.Diff(want, text(t, r)); diff != "" {
				t.Errorf("%s (-new process +it): %s", who, diff)
			}
		}
	}
	if diff := cmp.Diff(before, text(t, r)); diff != "" {
		t.Errorf("all mended (-before +after): %s", diff)
	}
}

// TestDamagedSeq shows that a damaged row's seq is not believed beyond what it can be. What is
// written meanwhile is not lost, no write is kept out, and a bundle mends all.
func TestDamagedSeq(t *testing.T) {
	for _, damaged := range []string{
		"seq = 77 WHERE arrival = 2", "seq = 1 WHERE arrival = 3", "seq = 77 WHERE arrival = 5",
		"seq = 9007199254740991 WHERE arrival = 5", "seq = 9007199254740991 WHERE arrival = 1",
	} {
		path, before, lines := damage(t, "payload = x'a0', "+damaged)
		r := newReplica(t, path)
		write(t, r, "90_new", pipeline.Changes{Stage: ptr(pipeline.Backlog)})
		if _, err := tryImport(r, lines...); err != nil {
			t.Errorf("%s: %v", damaged, err)
			continue
		}
		want := text(t, newReplica(t, path))
		if got := text(t, r); got != want {
			t.Errorf("%s: importer and new process differ: %s", damaged, cmp.Diff(want, got))
		}
		if _, err := read(t, r, "90_new"); err != nil {
			t.Errorf("%s: an acknowledged write is gone: %v", damaged, err)
		}
		for n := 1; n <= 5; n++ {
			id := fmt.Sprintf("%d_s", n)
			if s, err := read(t, r, id); err != nil || s.Name != fmt.Sprint(n-1) {
				t.Errorf("%s: %s is %+v, %v; before: %s", damaged, id, s, err, before)
			}
		}
	}
}

// TestDamagedSignature shows that an op whose signature is damaged is shown and is in no bundle.
// Importing the op mends its row.
func TestDamagedSignature(t *testing.T) {
	path, before, lines := damage(t, "signature = zeroblob(64) WHERE arrival = 2")
	r := newReplica(t, path)
	if diff := cmp.Diff(before, text(t, r)); diff != "" {
		t.Error(diff)
	}
	report, err := r.Export(t.Context(), nil, func(crdt.SignedOp) error { return nil })
	if err != nil || report.Exported != 4 || report.Damaged != 1 {
		t.Errorf("export: got %+v, %v", report, err)
	}
	imports(t, r, replica.ImportReport{Mended: 1, Known: 4}, lines...)
	imports(t, r, replica.ImportReport{Known: 5}, lines...)
	imports(t, newReplica(t, path+".peer"), replica.ImportReport{New: 5}, exported(t, r)...)
	if diff := cmp.Diff(before, text(t, r)); diff != "" {
		t.Error(diff)
	}
}

// TestDamagedOpID shows that an op whose ID is damaged in its row is not taken in a second time when a bundle
// brings it, whatever is left of the ID.
func TestDamagedOpID(t *testing.T) {
	for _, damage := range []string{
		"x'00' || substr(op_id, 2)", "substr(op_id, 1, 31) || x'00'", "substr(op_id, 1, 8)", "x''",
	} {
		path := filepath.Join(t.TempDir(), "p.db")
		r := chain(t, path, 2)
		if _, err := bump(r, "1_s"); err != nil {
			t.Fatal(err)
		}
		create(t, r, "9_last")
		lines := exported(t, r)
		exec(t, path, "PRAGMA ignore_check_constraints = 1; UPDATE crdt_ops SET op_id = CAST("+damage+" AS BLOB) WHERE arrival = 3")
		r = newReplica(t, path)
		imports(t, r, replica.ImportReport{Known: len(lines)}, lines...)
		if s, err := read(t, r, "1_s"); err != nil || s.RetryCount != 1 {
			t.Errorf("%s: %d retries (%v), want 1", damage, s.RetryCount, err)
		}
		text(t, r)
	}
}

// TestDamagedIndex shows that rows which the state does not know are found out when they stand in the way, and
// that the state is made anew then.
func TestDamagedIndex(t *testing.T) {
	for _, statement := range []string{
		"DELETE FROM op_index WHERE arrival = 2",
		"INSERT INTO history SELECT n, 4, NULL, NULL FROM stories WHERE id = '1_s'", // the next op's
	} {
		path := filepath.Join(t.TempDir(), "p.db")
		r := chain(t, path, 3)
		lines := exported(t, r)
		exec(t, path, statement)
		imports(t, r, replica.ImportReport{Known: 3}, lines...)
		if err := rename(r, "1_s", "another"); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
		text(t, r)
	}
}

// TestHeadsOfADamagedLog shows that a replica that cannot read all its rows does not say that it has
// them, so that it gets them again.
func TestHeadsOfADamagedLog(t *testing.T) {
	path, before, lines := damage(t, "payload = x'a0' WHERE arrival = 2")
	r := newReplica(t, path)
	if ids, err := r.Heads(t.Context()); !errors.Is(err, replica.ErrIncomplete) {
		t.Errorf("got heads %v, error %v", ids, err)
	}
	imports(t, r, replica.ImportReport{Mended: 1, Known: 4}, lines...)
	if got := text(t, r); got != before || len(heads(t, r)) != 1 {
		t.Error("not mended:", cmp.Diff(before, got))
	}
}

// TestRefusedOpsAreNotSentOn shows that an op that waited here and turned out to break a rule stays
// in the file, and in no bundle.
func TestRefusedOpsAreNotSentOn(t *testing.T) {
	dir := t.TempDir()
	a := chain(t, filepath.Join(dir, "a.db"), 3)
	_, wrongSeq := stranger(t, crdt.Op{Story: "1_s", Seq: 50, Parents: heads(t, a), Edits: []crdt.Edit{crdt.Set("name", crdt.String("x"))}})
	b := newReplica(t, filepath.Join(dir, "b.db"))
	imports(t, b, replica.ImportReport{New: 1, Pending: 1}, wrongSeq)
	imports(t, b, replica.ImportReport{New: 3, Refused: 1}, exported(t, a)...)
	for who, b := range map[string]*replica.Replica{"the same process": b, "a new one": newReplica(t, filepath.Join(dir, "b.db"))} {
		imports(t, newReplica(t, filepath.Join(dir, who+".db")), replica.ImportReport{New: 3}, exported(t, b)...)
		if n := len(exported(t, b, heads(t, b)...)); n != 0 {
			t.Errorf("%s exports %d ops since its own heads", who, n)
		}
	}
}

// TestTrustBeforeTheFirstOp shows that a decision counts for the first op too, also when another
// process made the decision.
func TestTrustBeforeTheFirstOp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r, other := newReplica(t, path), newReplica(t, path)
	text(t, other)
	seed := sha256.Sum256([]byte("somebody"))
	if err := r.Trust(t.Context(), crdt.AuthorOf(ed25519.NewKeyFromSeed(seed[:])), ""); err != nil {
		t.Fatal(err)
	}
	text(t, other)
	_, line := stranger(t, crdt.Op{Story: "1_x", Seq: 1, Edits: []crdt.Edit{crdt.Set("stage", crdt.String("1_backlog"))}})
	_, line2 := stranger(t, crdt.Op{Story: "2_x", Seq: 1, Edits: []crdt.Edit{crdt.Set("stage", crdt.String("1_backlog"))}})
	imports(t, r, replica.ImportReport{New: 1, Held: 1}, line)
	imports(t, other, replica.ImportReport{New: 1, Held: 1}, line2)
}
