package crdt_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// specification returns the package comment: it is the format's specification,
// so its example is held to the code.
func specification(t *testing.T) string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	return f.Doc.Text()
}

// specified returns the hex digits that follow label in an indented block.
func specified(t *testing.T, label string) []byte {
	t.Helper()
	m := regexp.MustCompile(`(?m)^\t` + label + `((?:\s+[0-9a-f]{2,64}$)+)`).FindStringSubmatch(specification(t))
	if m == nil {
		t.Fatalf("doc.go has no line %q with hex digits", label)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(m[1]), ""))
	if err != nil {
		t.Fatalf("%s in doc.go: %v", label, err)
	}
	return b
}

// exampleOp is the op of the example in doc.go.
func exampleOp() *crdt.Op {
	return &crdt.Op{
		Seq:   1,
		Story: "10_story_add_login",
		Edits: []crdt.Edit{
			crdt.Set("stage", crdt.String("1_backlog")),
			crdt.Set("blocked", crdt.Bool(false)),
			crdt.Inc("retry_count", 1, crdt.OpID{}),
			crdt.Dep(7, true),
		},
		Agent: "coder-1",
		At:    1767225600000,
	}
}

// rfc8032Key is the secret key of RFC 8032, section 7.1, TEST 1.
func rfc8032Key(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	seed, err := hex.DecodeString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

// TestSpecifiedOp: the op in doc.go verifies, says what the comment says, and
// is what Sign makes, byte for byte.
func TestSpecifiedOp(t *testing.T) {
	payload, id, sig := specified(t, "payload"), specified(t, "id"), specified(t, "signature")

	op, err := crdt.Verify(payload, crdt.Signature(sig))
	if err != nil {
		t.Fatal(err)
	}
	if got := op.ID.String(); got != hex.EncodeToString(id) {
		t.Errorf("id in doc.go is %x, want %s", id, got)
	}

	diag, err := cbor.Diagnose(payload)
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(specification(t), "\t{1: 1,")
	block, _, _ = strings.Cut("{1: 1,"+block, "\n\n")
	if diff := cmp.Diff(strings.Fields(diag), strings.Fields(block)); diff != "" {
		t.Errorf("the diagnostic notation in doc.go is not the payload's (-payload +doc.go):\n%s", diff)
	}

	signed, err := crdt.Sign(exampleOp(), rfc8032Key(t))
	if err != nil {
		t.Fatal(err)
	}
	want := crdt.SignedOp{ID: crdt.OpID(id), Payload: payload, Signature: crdt.Signature(sig)}
	if diff := cmp.Diff(want, signed); diff != "" {
		t.Errorf("Sign makes another op than doc.go shows (-doc.go +Sign):\n%s", diff)
	}
}
