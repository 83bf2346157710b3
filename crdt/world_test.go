package crdt_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// The fields of a story in these tests, as the pipeline has them.
var testSchema = crdt.NewSchema(
	crdt.FieldDef{Name: "stage", Type: crdt.FieldString},
	crdt.FieldDef{Name: "name", Type: crdt.FieldString},
	crdt.FieldDef{Name: "agent", Type: crdt.FieldString},
	crdt.FieldDef{Name: "blocked", Type: crdt.FieldBool},
	crdt.FieldDef{Name: "retry_count", Type: crdt.FieldCounter},
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

// replica is a document with a key and the ops it knows, in order of arrival.
type replica struct {
	name string
	key  ed25519.PrivateKey
	doc  *crdt.Doc
	ops  []*crdt.Op
}

func newReplica(name string) *replica {
	return &replica{name: name, key: keyOf(name), doc: crdt.NewDoc(testSchema)}
}

// write signs an op on top of all that r knows and applies it.
func (r *replica) write(t rapid.TB, story string, edits ...crdt.Edit) *crdt.Op {
	t.Helper()
	op := &crdt.Op{Story: story, Edits: edits}
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
	res, err := r.doc.Apply(op)
	if err != nil {
		t.Fatalf("replica %s: apply op %s: %v", r.name, op.ID.Short(), err)
	}
	if res.Status != crdt.Duplicate {
		r.ops = append(r.ops, op)
	}
	r.check(t)
	return res
}

// pull applies all that from knows.
func (r *replica) pull(t rapid.TB, from *replica) {
	t.Helper()
	for _, op := range slices.Clone(from.ops) {
		r.receive(t, op)
	}
}

func (r *replica) check(t rapid.TB) {
	t.Helper()
	if err := r.doc.Check(); err != nil {
		t.Fatalf("replica %s: %v", r.name, err)
	}
}

func text(d *crdt.Doc) string { return string(d.AppendText(nil)) }

// replay applies ops in the given order to a fresh document, whatever Apply
// says of each, and checks the document at the end.
func replay(t rapid.TB, ops []*crdt.Op) *crdt.Doc {
	t.Helper()
	d := crdt.NewDoc(testSchema)
	for _, op := range ops {
		_, _ = d.Apply(op) // refusals are part of the history
	}
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	return d
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
