package phrase

import (
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
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

// TestMembersInWords: who became a member, an admin, or is removed is said by name where the op has it.
func TestMembersInWords(t *testing.T) {
	changes := []members.Change{{Author: crdt.Author{4}, Name: "ann's laptop"}, {Author: crdt.Author{2}, Admin: true}, {Author: crdt.Author{3}, Remove: true}}
	op := &crdt.Op{Story: members.Story}
	for i := range changes {
		op.Edits = append(op.Edits, changes[i].Edit())
	}
	const want = "made ann's laptop (04000000) a member, made 02000000 an admin, removed the member 03000000"
	if got := Words(op, members.Story, false, nil); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	op.Edits = []crdt.Edit{crdt.Set("later", crdt.String("x"))}
	if got := Words(op, members.Story, false, nil); got != "changed no member" {
		t.Errorf("of an edit of a later build: %q", got)
	}
}
