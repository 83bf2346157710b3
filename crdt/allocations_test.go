//go:build !race

package crdt_test

import (
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestDecodeAllocates little: the op, one copy of the payload, parents, edits.
func TestDecodeAllocates(t *testing.T) {
	op := exampleOp()
	op.Parents = []crdt.OpID{{1}}
	op.Edits = append(op.Edits, crdt.Note("done"), crdt.Place(crdt.Anchor{Story: "9_story_before"}))
	signed := mustSign(t, op)
	got := testing.AllocsPerRun(100, func() {
		if _, err := crdt.Decode(signed.Payload); err != nil {
			t.Fatal(err)
		}
	})
	if got > 4 {
		t.Errorf("Decode allocates %v times, want at most 4", got)
	}
}
