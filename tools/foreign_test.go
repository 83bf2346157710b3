package tools

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/bundle"
	"github.com/huskies/huskies-mcp/replica"
)

// foreign makes ops as another build may, past all rules of this one.
type foreign struct {
	t     *testing.T
	key   ed25519.PrivateKey
	last  []crdt.OpID
	seq   uint64
	lines []string
}

func newForeign(t *testing.T) *foreign {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &foreign{t: t, key: key}
}

// add adds an op behind those before it.
func (f *foreign) add(story string, edits ...crdt.Edit) {
	f.t.Helper()
	f.seq++
	op := &crdt.Op{Seq: f.seq, Parents: f.last, Story: story, Edits: edits, Agent: "foreign", At: 1_700_000_000_000}
	signed, err := crdt.Sign(op, f.key)
	if err != nil {
		f.t.Fatal(err)
	}
	f.last = []crdt.OpID{op.ID}
	f.lines = append(f.lines, string(bundle.AppendLine(nil, signed)))
}

// importInto brings the ops in.
func (f *foreign) importInto(r *replica.Replica) {
	f.t.Helper()
	if _, err := r.Import(f.t.Context(), bundle.NewReader(strings.NewReader(strings.Join(f.lines, ""))), nil); err != nil {
		f.t.Fatal(err)
	}
}
