package replica_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/replica"
)

// opsOf returns all ops of the log, read in pages of the given size.
func opsOf(t *testing.T, r *replica.Replica, page int) (all []crdt.SignedOp) {
	t.Helper()
	for after := int64(0); ; {
		ops, next, err := r.OpsAfter(t.Context(), after, page)
		if err != nil || len(ops) > page {
			t.Fatalf("%d ops after %d, %v", len(ops), after, err)
		}
		if all = append(all, ops...); next == after {
			return all
		}
		after = next
	}
}

// missing returns the ops that pending ops of r wait for.
func missing(t *testing.T, r *replica.Replica) []crdt.OpID {
	t.Helper()
	ids, err := r.Missing(t.Context(), crdt.OpID{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestOpsAfter shows that the pages of the log, whatever their size, are the log in order of
// arrival, that rows which cannot be read are passed over, and that a log without rows has none.
func TestOpsAfter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	if got := opsOf(t, newReplica(t, path), 3); len(got) != 0 {
		t.Errorf("without a database: %d ops", len(got))
	}
	r := chain(t, path, 10)
	whole := opsOf(t, r, 100)
	if len(whole) != 10 {
		t.Fatalf("%d ops, want 10", len(whole))
	}
	for i, op := range whole {
		decoded, err := crdt.Verify(op.Payload, op.Signature)
		if err != nil || decoded.Seq != uint64(i+1) || decoded.ID != op.ID {
			t.Errorf("op %d: %+v, %v", i, decoded, err)
		}
	}
	for _, page := range []int{1, 3, 10, 11} {
		if diff := cmp.Diff(whole, opsOf(t, r, page)); diff != "" {
			t.Errorf("in pages of %d: %s", page, diff)
		}
	}
	exec(t, path, "UPDATE crdt_ops SET payload = x'a0' WHERE arrival IN (3, 10)")
	want := slices.Delete(slices.Clone(whole), 9, 10)
	want = slices.Delete(want, 2, 3)
	if diff := cmp.Diff(want, opsOf(t, r, 2)); diff != "" {
		t.Error("with damaged rows:", diff)
	}
}

// TestAdmit shows that ops which come page by page, in any order and more than once, make the same
// pipeline, and that Missing says which ops to ask for until all are there.
func TestAdmit(t *testing.T) {
	dir := t.TempDir()
	from := chain(t, filepath.Join(dir, "from.db"), 12)
	ops := opsOf(t, from, 100)
	to := newReplica(t, filepath.Join(dir, "to.db"))
	watcher := newReplica(t, filepath.Join(dir, "to.db"))
	for i, step := range []struct {
		ops     []crdt.SignedOp
		want    replica.ImportReport
		missing []crdt.OpID
	}{
		{ops[8:], replica.ImportReport{New: 4, Pending: 4}, []crdt.OpID{ops[7].ID}},
		{ops[2:5], replica.ImportReport{New: 3, Pending: 3}, []crdt.OpID{ops[1].ID, ops[7].ID}},
		{ops[:4], replica.ImportReport{New: 2, Known: 2}, []crdt.OpID{ops[7].ID}},
		{nil, replica.ImportReport{}, []crdt.OpID{ops[7].ID}},
		{ops[5:9], replica.ImportReport{New: 3, Known: 1}, nil},
		{ops, replica.ImportReport{Known: 12}, nil},
	} {
		got, err := to.Admit(t.Context(), step.ops)
		if diff := cmp.Diff(step.want, got); err != nil || diff != "" {
			t.Errorf("step %d: %v (-want +got): %s", i, err, diff)
		}
		slices.SortFunc(step.missing, crdt.OpID.Compare)
		if got := missing(t, watcher); !slices.Equal(got, step.missing) {
			t.Errorf("step %d: missing are %v, want %v", i, got, step.missing)
		}
		text(t, watcher)
	}
	if diff := cmp.Diff(shown(t, from), shown(t, watcher)); diff != "" {
		t.Error("(-from +to):", diff)
	}
}

// TestAdmitRefuses shows that Admit believes no signature and no op ID without a look, and that the
// good ops beside a bad one are taken in.
func TestAdmitRefuses(t *testing.T) {
	dir := t.TempDir()
	ops := opsOf(t, chain(t, filepath.Join(dir, "from.db"), 3), 100)
	forged := ops[1]
	forged.Signature[0] ^= 1
	wrongType, _ := stranger(t, crdt.Op{Story: "21_s", Seq: 1, Edits: []crdt.Edit{crdt.Set("stage", crdt.Int(1))}})
	to := newReplica(t, filepath.Join(dir, "to.db"))
	report, err := to.Admit(t.Context(), []crdt.SignedOp{ops[0], forged, wrongType, ops[2]})
	if err != nil || report.New != 2 || report.Pending != 1 || report.Refused != 2 {
		t.Fatalf("got %+v, %v", report, err)
	}
	if lines := []int{report.Refusals[0].Line, report.Refusals[1].Line}; !slices.Equal(lines, []int{2, 3}) || report.Refusals[0].ID != ops[1].ID {
		t.Errorf("refusals: %+v", report.Refusals)
	}
	if got := missing(t, to); !slices.Equal(got, []crdt.OpID{ops[1].ID}) {
		t.Errorf("missing are %v", got)
	}
	if report, err := to.Admit(t.Context(), ops); err != nil || report.New != 1 || report.Known != 2 {
		t.Errorf("the whole log: %+v, %v", report, err)
	}
	text(t, to)
}

// TestMissingInPages shows that Missing gives its IDs in order and page by page.
func TestMissingInPages(t *testing.T) {
	r := newReplica(t, filepath.Join(t.TempDir(), "p.db"))
	var ops []crdt.SignedOp
	for i := range 10 {
		op, _ := stranger(t, crdt.Op{Story: "1_s", Seq: 5, Parents: []crdt.OpID{{byte(100 - i), 1}}, Edits: []crdt.Edit{crdt.Note("x")}})
		ops = append(ops, op)
	}
	if report, err := r.Admit(t.Context(), ops); err != nil || report.Pending != 10 {
		t.Fatalf("%+v, %v", report, err)
	}
	want := missing(t, r)
	if len(want) != 10 || !slices.IsSortedFunc(want, crdt.OpID.Compare) {
		t.Errorf("missing are %v", want)
	}
	var got []crdt.OpID
	for after := (crdt.OpID{}); ; after = got[len(got)-1] {
		page, err := r.Missing(t.Context(), after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("in pages: %v, want %v", got, want)
	}
}

// TestReadOnlyLeavesNoFile shows that looking at a database through a read-only replica changes no
// file beside it and leaves none behind, whether others have left a write-ahead log or not.
func TestReadOnlyLeavesNoFile(t *testing.T) {
	for name, open := range map[string]bool{"nobody has it open": false, "a writer has it open": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "p.db")
			writer := chain(t, path, 3)
			if !open {
				if err := writer.Close(); err != nil {
					t.Fatal(err)
				}
			}
			files := func() []string {
				all, err := filepath.Glob(filepath.Join(dir, "*"))
				if err != nil {
					t.Fatal(err)
				}
				return all
			}
			names, before := files(), databaseFiles(t, path)
			cfg := configOf(t, path)
			cfg.ReadOnly = true
			r := replica.New(cfg)
			if got := listed(t, r); got != "1_s 2_s 3_s" {
				t.Errorf("the stories are %s", got)
			}
			if _, err := r.Inspect(t.Context()); err != nil {
				t.Error(err)
			}
			_, admitErr := r.Admit(t.Context(), opsOf(t, chain(t, filepath.Join(t.TempDir(), "o.db"), 1), 1))
			for what, err := range map[string]error{"a write": rename(r, "1_s", "x"), "ops": admitErr, "a rebuild": r.Rebuild(t.Context())} {
				var storage *oplog.Error
				if err == nil || errors.As(err, &storage) {
					t.Errorf("%s through a read-only replica: %v", what, err)
				}
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(names, files()); diff != "" {
				t.Errorf("files (-before +after): %s", diff)
			}
			if diff := cmp.Diff(before, databaseFiles(t, path)); diff != "" {
				t.Error("a file was changed")
			}
		})
	}
}
