package replica_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/oplog/bundle"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// exported returns the ops that r exports, as lines of a bundle.
func exported(t testing.TB, r *replica.Replica, since ...crdt.OpID) (lines []string) {
	t.Helper()
	_, err := r.Export(t.Context(), since, func(op crdt.SignedOp) error {
		lines = append(lines, string(bundle.AppendLine(nil, op)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func tryImport(r *replica.Replica, lines ...string) (replica.ImportReport, error) {
	return r.Import(context.Background(), bundle.NewReader(strings.NewReader(strings.Join(lines, ""))), nil)
}

// imports takes lines in and checks the report, but for the texts of refusals and of stories that were
// created apart, which the scripts of the command check.
func imports(t testing.TB, r *replica.Replica, want replica.ImportReport, lines ...string) []replica.Refusal {
	t.Helper()
	got, err := tryImport(r, lines...)
	if err != nil {
		t.Fatal(err)
	}
	refusals := got.Refusals
	got.Refusals, got.Apart = nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got): %s%v", diff, refusals)
	}
	return refusals
}

func heads(t testing.TB, r *replica.Replica) []crdt.OpID {
	t.Helper()
	ids, err := r.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// chain returns a replica with n ops that build on each other.
func chain(t testing.TB, path string, n int) *replica.Replica {
	t.Helper()
	r := newReplica(t, path)
	for i := range n {
		write(t, r, fmt.Sprintf("%d_s", 1+i%7), pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: ptr(fmt.Sprint(i))})
	}
	return r
}

// stranger signs ops as a replica whose code we do not know might.
func stranger(t testing.TB, op crdt.Op) (crdt.SignedOp, string) {
	t.Helper()
	seed := sha256.Sum256([]byte("stranger"))
	signed, err := crdt.Sign(&op, ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	return signed, string(bundle.AppendLine(nil, signed))
}

// TestImportInAnyOrder shows that however a bundle is shuffled, cut and repeated, the replica that
// took it in shows what the other replica shows, also to a process that was there all the time, and
// after a restart.
func TestImportInAnyOrder(t *testing.T) {
	dir := t.TempDir()
	from := chain(t, filepath.Join(dir, "from.db"), 600) // more than a batch
	lines := exported(t, from)
	want := shown(t, from)
	rng := rand.New(rand.NewPCG(1, 2))
	for name, arrange := range map[string]func([]string){
		"as it is": func([]string) {},
		"reversed": slices.Reverse[[]string],
		"shuffled": func(l []string) { rng.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] }) },
	} {
		arranged := slices.Clone(lines)
		arrange(arranged)
		path := filepath.Join(dir, name+".db")
		watcher, to := newReplica(t, path), newReplica(t, path)
		imports(t, to, replica.ImportReport{New: 600}, arranged...)
		imports(t, to, replica.ImportReport{Known: 1200}, slices.Concat(arranged, lines)...)
		for who, r := range map[string]*replica.Replica{"importer": to, "watcher": watcher, "new process": newReplica(t, path)} {
			if diff := cmp.Diff(want, shown(t, r)); diff != "" {
				t.Errorf("%s, %s (-exported +imported): %s", name, who, diff)
			}
		}

		// In parts, the last first: everything waits until the first part comes.
		to = newReplica(t, filepath.Join(dir, name+" in parts.db"))
		imports(t, to, replica.ImportReport{New: 300, Pending: 300}, lines[300:]...)
		imports(t, to, replica.ImportReport{New: 299, Pending: 299}, lines[1:300]...)
		if shown(t, to) == want {
			t.Error("the first op is missing and nobody sees it")
		}
		imports(t, to, replica.ImportReport{New: 1}, lines[0])
		if diff := cmp.Diff(want, shown(t, to)); diff != "" {
			t.Errorf("%s, in parts (-exported +imported): %s", name, diff)
		}
	}
}

// TestExportSince shows that heads leave out what their replica has, and only that.
func TestExportSince(t *testing.T) {
	dir := t.TempDir()
	a := chain(t, filepath.Join(dir, "a.db"), 5)
	b := newReplica(t, filepath.Join(dir, "b.db"))
	imports(t, b, replica.ImportReport{New: 5}, exported(t, a)...)
	write(t, a, "8_a", pipeline.Changes{Stage: ptr(pipeline.QA)})
	write(t, b, "9_b", pipeline.Changes{Stage: ptr(pipeline.QA)})
	write(t, b, "9_b", pipeline.Changes{Name: ptr("b")})
	forB, forA := exported(t, a, heads(t, b)...), exported(t, b, heads(t, a)...)
	if len(forB) != 6 || len(forA) != 7 {
		t.Errorf("exported %d and %d ops, want all 6 and 7: neither knows the other's head", len(forB), len(forA))
	}
	imports(t, b, replica.ImportReport{New: 1, Known: 5}, forB...)
	if got := exported(t, b, heads(t, a)...); len(got) != 2 {
		t.Errorf("exported %d ops, want the 2 that a lacks", len(got))
	}
	imports(t, a, replica.ImportReport{New: 2, Known: 5}, forA...)
	if diff := cmp.Diff(shown(t, a), shown(t, b)); diff != "" || !slices.Equal(heads(t, a), heads(t, b)) {
		t.Error("after an exchange (-a +b):", diff)
	}
	if got := exported(t, a, heads(t, b)...); len(got) != 0 {
		t.Errorf("exported %d ops to a replica that has all", len(got))
	}
	report, err := a.Export(t.Context(), []crdt.OpID{{1}}, func(crdt.SignedOp) error { return nil })
	if err != nil || report.Exported != 8 || len(report.Unknown) != 1 {
		t.Errorf("got %+v, %v for a head that is not here", report, err)
	}
}

// TestImportRefuses shows that an op that breaks a rule is refused with its line, whether its
// parents are here or come later, and that the good ops of the bundle are taken in.
func TestImportRefuses(t *testing.T) {
	r := chain(t, filepath.Join(t.TempDir(), "p.db"), 2)
	edits := []crdt.Edit{crdt.Set("stage", crdt.String("1_backlog"))}
	root, rootLine := stranger(t, crdt.Op{Story: "20_root", Seq: 1, Edits: edits})
	_, wrongType := stranger(t, crdt.Op{Story: "21_s", Seq: 1, Edits: []crdt.Edit{crdt.Set("stage", crdt.Int(1))}})
	_, wrongSeq := stranger(t, crdt.Op{Story: "22_s", Seq: 9, Edits: edits})
	late, lateLine := stranger(t, crdt.Op{Story: "23_s", Seq: 7, Parents: []crdt.OpID{root.ID}, Edits: edits})
	_, onLate := stranger(t, crdt.Op{Story: "24_s", Seq: 8, Parents: []crdt.OpID{late.ID}, Edits: edits})

	refusals := imports(t, r, replica.ImportReport{New: 2, Pending: 2, Refused: 3}, wrongType, wrongSeq, "no op\n", lateLine, onLate)
	var got []string
	for _, bad := range refusals {
		got = append(got, fmt.Sprintf("%d %v", bad.Line, bad.Err))
	}
	for i, want := range []string{"3 not JSON", "1 op refused: op ", "2 op refused: op "} {
		if len(got) <= i || !strings.HasPrefix(got[i], want) {
			t.Errorf("refusals %q: want number %d to begin with %q", got, i, want)
		}
	}
	// When the parent comes, what claims a wrong clock is refused, for ever; what
	// builds on it waits for ever.
	if refusals := imports(t, r, replica.ImportReport{New: 1, Refused: 1}, rootLine); len(refusals) != 1 || refusals[0].ID != late.ID {
		t.Errorf("refusals %v, want op %s", refusals, late.ID.Short())
	}
	before, at := text(t, r), position(t, r)
	imports(t, r, replica.ImportReport{Known: 2, Refused: 1}, lateLine, onLate, rootLine)
	if diff := cmp.Diff(before, text(t, r)); diff != "" || position(t, r) != at {
		t.Error("the same again changes something:", diff)
	}
	if got := listed(t, r); got != "1_s 2_s 20_root" {
		t.Errorf("the stories are %s", got)
	}
}

// TestFailedImportChangesNothing shows that nobody sees a batch whose commit failed, and that the
// import works once the cause is gone.
func TestFailedImportChangesNothing(t *testing.T) {
	dir := t.TempDir()
	lines := exported(t, chain(t, filepath.Join(dir, "from.db"), 3))
	path := filepath.Join(dir, "flaky.db")
	r, other := newReplica(t, path), newReplica(t, path)
	create(t, r, "50_s")
	before := text(t, r)

	failCommits(0b1)
	report, err := tryImport(r, lines[1:]...) // without what they build on

	var storage *oplog.Error
	if !errors.As(err, &storage) || storage.Op != "commit" || report.New != 0 || report.Pending != 0 {
		t.Fatalf("got %+v, %v, want a failed commit", report, err)
	}
	for who, r := range map[string]*replica.Replica{"importer": r, "other": other} {
		if diff := cmp.Diff(before, text(t, r)); diff != "" {
			t.Errorf("%s sees something of a failed import: %s", who, diff)
		}
	}
	imports(t, r, replica.ImportReport{New: 3}, lines...)
}

// TestImportMendsDamagedRows shows that an op whose row was damaged after the op was applied stays
// applied, is not exported, and is mended when the op comes again. The state is another one then,
// as its ID says.
func TestImportMendsDamagedRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r, watcher := chain(t, path, 4), newReplica(t, path)
	want, lines, before := text(t, r), exported(t, r), position(t, r)
	exec(t, path, "UPDATE crdt_ops SET payload = x'a0' WHERE arrival = 2")
	for who, r := range map[string]*replica.Replica{"importer": r, "watcher": watcher, "new process": newReplica(t, path)} {
		if diff := cmp.Diff(want, dump(t, r)); diff != "" {
			t.Errorf("%s (-before +damaged): %s", who, diff)
		}
	}
	report, err := r.Export(t.Context(), nil, func(crdt.SignedOp) error { return nil })
	if err != nil || report.Damaged != 1 || report.Exported != 3 {
		t.Errorf("exported %+v, %v, want 1 damaged", report, err)
	}
	imports(t, r, replica.ImportReport{Mended: 1, Known: 3}, lines...)
	for who, r := range map[string]*replica.Replica{"importer": r, "watcher": watcher, "new process": newReplica(t, path)} {
		if diff := cmp.Diff(want, text(t, r)); diff != "" {
			t.Errorf("%s (-before +mended): %s", who, diff)
		}
		if _, now, ok := changesSince(t, r, before); ok || now.State == before.State {
			t.Errorf("%s knows what changed since %s, at %s", who, before, now)
		}
	}
	imports(t, r, replica.ImportReport{Known: 4}, lines...)
}

// TestImportMendsAfterARebuild shows that a rebuild leaves out the edits of a damaged row, goes on
// with what builds on the op, and that a bundle brings the edits back.
func TestImportMendsAfterARebuild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r, watcher := chain(t, path, 4), newReplica(t, path)
	want, lines := text(t, r), exported(t, r)
	exec(t, path, "UPDATE crdt_ops SET payload = x'a0' WHERE arrival = 2")
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	for who, r := range map[string]*replica.Replica{"importer": r, "watcher": watcher, "new process": newReplica(t, path)} {
		if got := text(t, r); got == want || listed(t, r) != "1_s 3_s 4_s" {
			t.Errorf("%s shows no damage: %s", who, got)
		}
	}
	imports(t, r, replica.ImportReport{Mended: 1, Known: 3}, lines...)
	for who, r := range map[string]*replica.Replica{"importer": r, "watcher": watcher, "new process": newReplica(t, path)} {
		if diff := cmp.Diff(want, text(t, r)); diff != "" {
			t.Errorf("%s (-before +mended): %s", who, diff)
		}
	}
}

// TestImportPassesDamagedIDs shows that an op whose row has a damaged ID is known by its payload
// and signature, and that such a row keeps no other op out.
func TestImportPassesDamagedIDs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.db")
	r := chain(t, path, 4)
	lines := exported(t, r)
	more := newReplica(t, filepath.Join(dir, "more.db"))
	imports(t, more, replica.ImportReport{New: 4}, lines...)
	create(t, more, "50_s")
	want, all := shown(t, more), exported(t, more)
	exec(t, path, "UPDATE crdt_ops SET op_id = zeroblob(32) WHERE arrival = 2")
	if _, err := tryImport(r, all...); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, shown(t, r)); diff != "" {
		t.Error(diff)
	}
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	imports(t, r, replica.ImportReport{Known: 5}, all...)
	if diff := cmp.Diff(want, shown(t, r)); diff != "" {
		t.Error("after a rebuild:", diff)
	}
}

// TestC14_TrustIsSeenByAll shows that a decision whom to trust changes what every process shows, at
// its next call, and that taking the decision back brings back what was shown.
func TestC14_TrustIsSeenByAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r, other := newReplica(t, path), newReplica(t, path)
	create(t, r, "1_ours")
	edits := []crdt.Edit{crdt.Set("stage", crdt.String("1_backlog")), crdt.Set("name", crdt.String("theirs"))}
	parents := heads(t, r)
	theirs, line := stranger(t, crdt.Op{Story: "1_ours", Seq: 2, Parents: parents, Edits: edits})
	imports(t, r, replica.ImportReport{New: 1}, line)
	name := func(r *replica.Replica) string {
		t.Helper()
		text(t, r)
		story, err := read(t, r, "1_ours")
		if err != nil {
			t.Fatal(err)
		}
		return story.Name
	}
	held := func(r *replica.Replica) int {
		t.Helper()
		in, err := r.Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return in.Held
	}
	if got := name(other); got != "theirs" {
		t.Fatalf("with an empty list an op of any author is applied, but the name is %q", got)
	}
	op, err := crdt.Decode(theirs.Payload)
	if err != nil {
		t.Fatal(err)
	}

	somebody := crdt.AuthorOf(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize)))
	if err := other.Trust(t.Context(), somebody, "somebody"); err != nil {
		t.Fatal(err)
	}
	for who, p := range map[string]*replica.Replica{"the one who decided": other, "another process": r, "a new process": newReplica(t, path)} {
		if got, n := name(p), held(p); got != "" || n != 1 {
			t.Errorf("%s shows %q, and %d ops are held", who, got, n)
		}
	}
	write(t, r, "1_ours", pipeline.Changes{Name: ptr("ours")}) // builds on our own head alone
	if err := r.Trust(t.Context(), op.Author, ""); err != nil {
		t.Fatal(err)
	}
	if n := held(other); n != 0 || len(heads(t, r)) != 2 {
		t.Errorf("the stranger is trusted now, and %d ops are held", n)
	}
	for _, a := range []crdt.Author{somebody, op.Author} {
		if err := r.Distrust(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if n := held(other); n != 0 {
		t.Errorf("the list is empty again, and %d ops are held", n)
	}
	text(t, other)
	if trusted, err := other.Trusted(t.Context()); err != nil || len(trusted) != 0 {
		t.Errorf("trusted: %v, %v", trusted, err)
	}
}

// TestPendingIsBounded shows that an author's ops without parents are refused past the bound with a
// clear error. The ops admitted are kept, also by a restart, and no other author is kept out.
func TestPendingIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	const big = 40 << 10 // so that the bound in bytes is reached soon
	var lines []string
	for i := 0; i*big < crdt.MaxPendingBytesPerAuthor+5*big; i++ {
		_, line := stranger(t, crdt.Op{
			Story: "2_flood", Seq: 5, Parents: []crdt.OpID{{byte(i), byte(i >> 8), 1}},
			Edits: []crdt.Edit{crdt.Set("name", crdt.String(strings.Repeat("x", big)))},
		})
		lines = append(lines, line)
	}
	report, err := tryImport(r, lines...)
	if err != nil || report.New == 0 || report.Refused == 0 || report.New+report.Refused != len(lines) {
		t.Fatalf("got %+v, %v", report, err)
	}
	if err := report.Refusals[0].Err; !errors.Is(err, crdt.ErrPendingFull) {
		t.Errorf("refused with %v, want ErrPendingFull", err)
	}
	before := text(t, r)
	if got := text(t, newReplica(t, path)); got != before {
		t.Error("a new process has other pending ops")
	}
	friend := chain(t, filepath.Join(t.TempDir(), "friend.db"), 3)
	imports(t, r, replica.ImportReport{New: 2, Pending: 2}, exported(t, friend)[1:]...)
}

// TestStateFitsAfterARefusedOp shows that the state says which row it reflects when the op that came last was
// not taken in.
func TestStateFitsAfterARefusedOp(t *testing.T) {
	a := chain(t, filepath.Join(t.TempDir(), "a.db"), 1)
	_, refused := stranger(t, crdt.Op{Story: "1_s", Seq: 50, Edits: []crdt.Edit{crdt.Set("name", crdt.String("x"))}})
	b := newReplica(t, filepath.Join(t.TempDir(), "b.db"))
	imports(t, b, replica.ImportReport{New: 1, Refused: 1}, append(exported(t, a), refused)...)
	before := position(t, b)
	create(t, b, "2_s")
	if after := position(t, b); before.State != after.State || before.Op == after.Op {
		t.Errorf("the position was %v and is %v: the state was made anew", before, after)
	}
}
