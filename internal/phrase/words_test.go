package phrase

import (
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestClaimsInWords: a claim moves a story from the backlog into work, and leaves it where it is elsewhere.
func TestClaimsInWords(t *testing.T) {
	for stage, want := range map[pipeline.Stage]string{pipeline.Current: "claimed 6 into 2_current", pipeline.QA: "claimed 6 in 3_qa", "": "claimed 6"} {
		op := &crdt.Op{Story: "6_story_x", Edits: []crdt.Edit{
			crdt.Set(pipeline.NameAgent, crdt.String("ann")), crdt.Set(pipeline.NameClaim, crdt.String("1 2")),
		}}
		if stage != "" {
			op.Edits = append(op.Edits, crdt.Set(pipeline.NameStage, crdt.String(string(stage))))
		}
		if got := Words(op, "6", false, nil); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
