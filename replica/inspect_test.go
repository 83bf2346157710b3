package replica_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/replica"
)

// inspect looks at a database as a process of its own that may not write. If early, its clock is a
// day behind.
func inspect(t *testing.T, path string, early bool) (replica.Inspection, error) {
	t.Helper()
	now := time.Now
	if early {
		now = func() time.Time { return time.Now().AddDate(0, 0, -1) }
	}
	cfg := configOf(t, path)
	cfg.Now, cfg.Logger, cfg.ReadOnly = now, discard, true
	return open(t, cfg).Inspect(t.Context())
}

func mustInspect(t *testing.T, path string, early bool) replica.Inspection {
	t.Helper()
	in, err := inspect(t, path, early)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestInspect(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")
	if _, err := inspect(t, b, false); !errors.Is(err, oplog.ErrNoLog) {
		t.Errorf("of no file: got %v, want %v", err, oplog.ErrNoLog)
	}
	ra := chain(t, a, 5)
	first, lines := mustInspect(t, a, false), exported(t, ra)
	want := replica.Inspection{Author: first.Author, Stories: 5, Applied: 5, Authors: []replica.AuthorOps{{Author: first.Author, Ops: 5}}}
	if diff := cmp.Diff(want, first, cmpopts.EquateEmpty()); diff != "" || first.Author == (crdt.Author{}) {
		t.Errorf("of a sound log (-want +got):\n%s", diff)
	}

	// An op is missing, of which two others wait, one behind the other.
	rb := newReplica(t, b)
	imports(t, rb, replica.ImportReport{New: 4, Pending: 2}, lines[0], lines[1], lines[3], lines[4])
	in := mustInspect(t, b, false)
	if len(in.Missing) != 1 {
		t.Fatalf("missing: got %+v", in.Missing)
	}
	want = replica.Inspection{
		Author: in.Author, Stories: 2, Applied: 2, Pending: 2,
		Authors: []replica.AuthorOps{{Author: first.Author, Ops: 4, Pending: 2}},
		Missing: []replica.MissingOp{{ID: in.Missing[0].ID, Waiting: 1, Authors: []crdt.Author{first.Author}}},
	}
	if diff := cmp.Diff(want, in, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("with a hole (-want +got):\n%s", diff)
	}
	if imports(t, rb, replica.ImportReport{New: 1}, lines[2]); len(mustInspect(t, b, false).Missing) > 0 || !knows(t, rb, in.Missing[0].ID) {
		t.Errorf("op %s did not fill the hole", in.Missing[0].ID)
	}

	// Whoever is not on the list is held; a day earlier all is from the future.
	if err := rb.Trust(t.Context(), in.Author, "me"); err != nil {
		t.Fatal(err)
	}
	in = mustInspect(t, b, true)
	if len(in.Trusted) != 1 || in.Held != 5 || in.Authors[0].Held != 5 {
		t.Errorf("held: got %+v", in)
	}
	if ahead := in.Authors[0]; ahead.Ahead != 5 || time.Until(ahead.Latest).Abs() > time.Hour {
		t.Errorf("clock: got %+v", ahead)
	}
}

func knows(t *testing.T, r *replica.Replica, id crdt.OpID) bool {
	t.Helper()
	got := heads(t, r) // of a chain: the last, so all
	_, err := r.Export(t.Context(), nil, func(op crdt.SignedOp) error {
		if op.ID == id {
			return errFound
		}
		return nil
	})
	return len(got) == 1 && errors.Is(err, errFound)
}

var errFound = errors.New("found")

// TestInspectOddRows shows that Inspect tells of damaged rows, of ops that break a rule, and of ops
// that wait for them.
func TestInspectOddRows(t *testing.T) {
	path, _, _ := damage(t, "payload = x'a0', seq = 77 WHERE arrival = 2")
	in := mustInspect(t, path, false)
	if len(in.Damaged) != 1 || len(in.Missing) != 1 || in.Missing[0].ID != in.Damaged[0] || !in.Missing[0].Damaged || in.Pending != 3 {
		t.Errorf("damaged: got %+v", in)
	}

	dir := t.TempDir()
	ra := chain(t, filepath.Join(dir, "a.db"), 3)
	bad, badLine := stranger(t, crdt.Op{Story: "1_s", Seq: 50, Parents: heads(t, ra), Edits: []crdt.Edit{crdt.Set("name", crdt.String("x"))}})
	_, onBad := stranger(t, crdt.Op{Story: "1_s", Seq: 51, Parents: []crdt.OpID{bad.ID}, Edits: []crdt.Edit{crdt.Set("name", crdt.String("y"))}})
	b := filepath.Join(dir, "b.db")
	rb := newReplica(t, b)
	imports(t, rb, replica.ImportReport{New: 2, Pending: 2}, badLine, onBad)
	imports(t, rb, replica.ImportReport{New: 3, Refused: 1}, exported(t, ra)...)
	in = mustInspect(t, b, false)
	if diff := cmp.Diff([]crdt.OpID{bad.ID}, in.Refused); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	if len(in.Missing) != 1 || in.Missing[0].ID != bad.ID || !in.Missing[0].Refused || in.Pending != 1 {
		t.Errorf("what builds on a refused op: got %+v", in)
	}
}
