package pipeline_test

import (
	"slices"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestEndOfFencedClaim: what came after a claim and has a lesser fence did not end it.
func TestEndOfFencedClaim(t *testing.T) {
	op := func(n byte, agent string, revision uint64, edits ...crdt.Edit) *crdt.Op {
		op := &crdt.Op{ID: crdt.OpID{n}, Agent: agent, Edits: append(edits, crdt.Set(pipeline.NameAgent, crdt.String(agent)))}
		if revision > 0 {
			op.Fence = crdt.Fence{Epoch: 1, Revision: revision}
		}
		return op
	}
	claim := op(1, "ann", 5, crdt.Set(pipeline.NameClaim, crdt.String("x")))
	for name, tt := range map[string]struct {
		later []*crdt.Op
		want  string
	}{
		"nothing":         {},
		"a lesser fence":  {[]*crdt.Op{op(2, "bob", 4), op(3, "eve", 0)}, ""},
		"the same fence":  {[]*crdt.Op{op(2, "bob", 4), op(3, "ann", 5), op(4, "carl", 6)}, "ann"},
		"a greater fence": {[]*crdt.Op{op(2, "bob", 4), op(3, "carl", 6), op(4, "dan", 7)}, "carl"},
		"deleted":         {[]*crdt.Op{op(2, "bob", 0, crdt.Set(crdt.DeletedField, crdt.Bool(true))), op(3, "carl", 6)}, "bob"},
	} {
		ops := append([]*crdt.Op{claim}, tt.later...)
		slices.Reverse(ops)
		end := pipeline.EndOf(slices.Values(ops), claim.ID.String())
		switch {
		case end == nil || end.Agent != "ann":
			t.Errorf("%s: got %+v", name, end)
		case tt.want == "" && end.Op != nil, tt.want != "" && (end.Op == nil || end.Op.Agent != tt.want):
			t.Errorf("%s: got %+v, want one of %q", name, end, tt.want)
		}
	}
}
