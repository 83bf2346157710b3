package crdt_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// The fields of a story in these tests, as the pipeline has them.
var testSchema = crdt.NewSchema(
	crdt.FieldDef{Name: "stage", Type: crdt.FieldString, Fenced: true},
	crdt.FieldDef{Name: "name", Type: crdt.FieldString},
	crdt.FieldDef{Name: "agent", Type: crdt.FieldString, Fenced: true},
	crdt.FieldDef{Name: "blocked", Type: crdt.FieldBool},
	crdt.FieldDef{Name: "retry_count", Type: crdt.FieldCounter},
	crdt.FieldDef{Name: "blocked_reason", Type: crdt.FieldString},
)

const (
	fieldStage crdt.Field = iota + 1
	fieldName
	fieldAgent
	fieldBlocked
	fieldRetry
)

// keyOf returns the key of the replica with the given name, the same in every
// run.
func keyOf(name string) ed25519.PrivateKey {
	if key, ok := keys.Load(name); ok {
		return key.(ed25519.PrivateKey)
	}
	seed := sha256.Sum256([]byte("huskies test replica " + name))
	key, _ := keys.LoadOrStore(name, ed25519.NewKeyFromSeed(seed[:]))
	return key.(ed25519.PrivateKey)
}

var keys sync.Map // by name: making one takes as long as a signature

// row is an op as a replica's log has it. Of a damaged one only the op ID and
// the seq can be read; the op may come again in another row.
type row struct {
	op      *crdt.Op
	damaged bool
}

// replica is a document with a key and its log, in order of arrival.
type replica struct {
	name    string
	key     ed25519.PrivateKey
	trusted []crdt.Author // none: all are
	doc     *crdt.Doc
	log     []row
}

// newReplica returns a replica that trusts everybody or, if there are any
// names, itself and them.
func newReplica(name string, trusted ...string) *replica {
	r := &replica{name: name, key: keyOf(name)}
	if len(trusted) > 0 {
		r.trusted = authors(append(trusted, name)...)
	}
	r.doc = crdt.NewDoc(testSchema, r.trusted...)
	return r
}

func authors(names ...string) (list []crdt.Author) {
	for _, name := range names {
		list = append(list, crdt.AuthorOf(keyOf(name)))
	}
	return list
}

// write signs an op on top of all that r knows and applies it.
func (r *replica) write(t rapid.TB, story string, edits ...crdt.Edit) *crdt.Op {
	t.Helper()
	return r.writeOp(t, &crdt.Op{Story: story, Edits: edits})
}

// writeOp is write for an op of which some is said already.
func (r *replica) writeOp(t rapid.TB, op *crdt.Op) *crdt.Op {
	t.Helper()
	op.Parents, op.Seq = r.doc.Next()
	r.sign(t, op)
	if res := r.receive(t, op); res.Status != crdt.Applied {
		t.Fatalf("replica %s applies its own op: got %s", r.name, res.Status)
	}
	return op
}

// sign signs op as it is, without applying it.
func (r *replica) sign(t rapid.TB, op *crdt.Op) *crdt.Op {
	t.Helper()
	if _, err := crdt.Sign(op, r.key); err != nil {
		t.Fatal(err)
	}
	return op
}

// receive applies an op that has to be accepted and checks the document.
func (r *replica) receive(t rapid.TB, op *crdt.Op) crdt.Result {
	t.Helper()
	res, err := r.tryReceive(t, op)
	if err != nil {
		t.Fatalf("replica %s: apply op %s: %v", r.name, op.ID.Short(), err)
	}
	return res
}

// tryReceive applies an op, logs it unless it is refused or known, and checks
// the document. What Admit says beforehand has to come true.
func (r *replica) tryReceive(t rapid.TB, op *crdt.Op) (crdt.Result, error) {
	t.Helper()
	want, wantErr := r.doc.Admit(op)
	res, err := r.doc.Apply(op)
	if res.Status != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("replica %s, op %s: got %s, error %v; Admit said %s, error %v", r.name, op.ID.Short(), res.Status, err, want, wantErr)
	}
	if err == nil && res.Status != crdt.Duplicate {
		r.log = append(r.log, row{op: op})
	}
	r.check(t)
	return res, err
}

// ops returns the ops of the log that can be read.
func (r *replica) ops() (ops []*crdt.Op) {
	for _, row := range r.log {
		if !row.damaged {
			ops = append(ops, row.op)
		}
	}
	return ops
}

// rebuild replaces the document by a new one that reads the log.
func (r *replica) rebuild(t rapid.TB) {
	t.Helper()
	r.doc = replayLog(t, r.log, r.trusted...)
	r.check(t)
}

// pull applies all that from knows.
func (r *replica) pull(t rapid.TB, from *replica) {
	t.Helper()
	for _, op := range from.ops() {
		r.receive(t, op)
	}
}

// check proves that the document is sound and that its ways to read the order
// of stories agree.
// sameOps compares ops by ID: those that waited are copies.
func sameOps(got, want []*crdt.Op) bool {
	return slices.EqualFunc(got, want, func(a, b *crdt.Op) bool { return a.ID == b.ID })
}

func (r *replica) check(t rapid.TB) {
	t.Helper()
	if err := r.doc.Check(); err != nil {
		t.Fatalf("replica %s: %v", r.name, err)
	}
	n := 0
	for s := range r.doc.Placed() {
		if r.doc.PlacedAt(n) != s || r.doc.Position(s) != n || r.doc.Story(s.ID()) != s {
			t.Fatalf("replica %s: story %s stands at %d, got position %d", r.name, s.ID(), n, r.doc.Position(s))
		}
		n++
	}
	if n != r.doc.PlacedLen() || r.doc.PlacedAt(n) != nil {
		t.Fatalf("replica %s: %d stories have a place, got %d", r.name, n, r.doc.PlacedLen())
	}
}

func text(d *crdt.Doc) string { return string(d.AppendText(nil)) }

// order returns the IDs of the stories in the order of their places.
func order(d *crdt.Doc) []string { return collect(d.Placed()) }

func collect(stories iter.Seq[*crdt.DocStory]) (ids []string) {
	for s := range stories {
		ids = append(ids, s.ID())
	}
	return ids
}

// replay applies ops in the given order to a fresh document, whatever Apply
// says of each, and checks the document at the end.
func replay(t rapid.TB, ops []*crdt.Op) *crdt.Doc {
	t.Helper()
	return replayLog(t, undamaged(ops))
}

func undamaged(ops []*crdt.Op) []row {
	log := make([]row, len(ops))
	for i, op := range ops {
		log[i].op = op
	}
	return log
}

// replayLog is replay for a log with damaged rows and a document that trusts
// some authors only.
func replayLog(t rapid.TB, log []row, trusted ...crdt.Author) *crdt.Doc {
	t.Helper()
	d := crdt.NewDoc(testSchema, trusted...)
	for _, row := range log {
		_, _ = applyRow(d, row) // refusals are part of the history
	}
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	return d
}

func applyRow(d *crdt.Doc, row row) (crdt.Result, error) {
	if row.damaged {
		return d.AssumeApplied(row.op.ID, row.op.Seq), nil
	}
	return d.Apply(row.op)
}

// permutations calls fn with every order of ops.
func permutations(ops []*crdt.Op, fn func([]*crdt.Op)) {
	var rec func(k int)
	ops = slices.Clone(ops)
	rec = func(k int) {
		if k == len(ops) {
			fn(slices.Clone(ops))
			return
		}
		for i := k; i < len(ops); i++ {
			ops[k], ops[i] = ops[i], ops[k]
			rec(k + 1)
			ops[k], ops[i] = ops[i], ops[k]
		}
	}
	rec(0)
}

// made completes an op that nobody signed, with an ID made up from the author's
// name and n. A document takes it, since it leaves signatures to Verify; they
// would be most of the time of the tests with many ops. Such an op weighs
// nothing in the bounds on bytes.
func made(author string, n int, op crdt.Op) *crdt.Op {
	op.ID = sha256.Sum256(fmt.Append(nil, author, " ", n))
	op.Author = crdt.AuthorOf(keyOf(author))
	if op.Story == "" {
		op.Story = "1_story_x"
	}
	if op.Edits == nil {
		op.Edits = []crdt.Edit{crdt.Set("stage", crdt.String("2_current"))}
	}
	slices.SortFunc(op.Parents, crdt.OpID.Compare)
	return &op
}

// chain returns n ops of one author, each the parent of the next.
func chain(author string, n int, edit func(i int, before *crdt.Op) crdt.Op) []*crdt.Op {
	ops := make([]*crdt.Op, n)
	for i := range ops {
		var before *crdt.Op
		var op crdt.Op
		if i > 0 {
			before = ops[i-1]
		}
		if edit != nil {
			op = edit(i, before)
		}
		if op.Seq = uint64(i) + 1; before != nil {
			op.Parents = []crdt.OpID{before.ID}
		}
		ops[i] = made(author, i, op)
	}
	return ops
}

func mustApply(t testing.TB, d *crdt.Doc, op *crdt.Op, want crdt.Status) crdt.Result {
	t.Helper()
	res, err := d.Apply(op)
	if err != nil || res.Status != want {
		t.Fatalf("apply op %s: got %s, error %v, want %s", op.ID.Short(), res.Status, err, want)
	}
	return res
}

func mustCheck(t testing.TB, d *crdt.Doc) {
	t.Helper()
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
}

// manyEdits returns n sets of different fields, undeclared ones.
func manyEdits(n int) []crdt.Edit {
	edits := make([]crdt.Edit, n)
	for i := range edits {
		edits[i] = crdt.Set(fmt.Sprintf("f%d", i), crdt.Int(int64(i)))
	}
	return edits
}

// wantError fails unless err wraps target and its text contains each part.
func wantError(t rapid.TB, err, target error, parts ...string) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got error %v, want one that wraps %q", err, target)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("got error %q, want it to mention %q", err, p)
		}
	}
}
