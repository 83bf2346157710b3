package phrase_test

import (
	"fmt"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestRefused: a person reads what is wrong and the command that helps.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		fact pipeline.Fact
		want string
	}{
		{pipeline.Fact{Code: pipeline.CodeBadID, Given: "a/b"}, `story_id "a/b" is not a valid story ID; give the story's number, or its whole ID: letters, digits, '.', '_' and '-', beginning with a letter or digit`},
		{pipeline.Fact{Code: pipeline.CodeTooLong, Field: "name", Have: 258, Most: 256}, "name has 258 bytes, at most 256 are allowed; shorten it"},
		{pipeline.Fact{Code: pipeline.CodeNotUTF8, Field: "note"}, "note is not valid UTF-8 text; write UTF-8"},
		{pipeline.Fact{Code: pipeline.CodeTooMany, Field: "depends_on", Have: 65, Most: 64}, "depends_on has 65 numbers, at most 64 are allowed; split the story"},
		{pipeline.Fact{Code: pipeline.CodeEmptyNote}, "note is empty; say something"},
		{pipeline.Fact{Code: pipeline.CodeNobody, Given: "null"}, `agent "null" is not a name; give a real name`},
		{pipeline.Fact{Code: pipeline.CodeNoAgent}, "no agent is given, and the server was started without one; give --agent NAME, or set HUSKIES_AGENT"},
		{pipeline.Fact{Code: pipeline.CodeOnItself, Number: 7}, "a story cannot depend on its own number 7; leave 7 out"},
		{pipeline.Fact{Code: pipeline.CodeCircle, IDs: []string{"1_a", "2_b"}}, "depends_on would go in a circle: 1_a -> 2_b -> 1_a; take 1 out of depends_on of 2_b first"},
		{pipeline.Fact{Code: pipeline.CodeSeveral, Number: 2, IDs: []string{"2_a", "2_b"}, Count: 2}, "number 2 is that of several stories: 2_a, 2_b; give the whole ID of one of them"},
		{pipeline.Fact{Code: pipeline.CodeNoStory, Story: "1_x"}, `there is no story "1_x"; huskies-mcp list --all shows all stories`},
		{
			pipeline.Fact{Code: pipeline.CodeNoStory, Story: "1_x", IDs: []string{"1_a"}, Gaps: pipeline.Gaps{Damaged: 1, Pending: 1}},
			`there is no story "1_x" that can be seen; stories may be missing or out of date: 1 change of the pipeline cannot be read any more, since the database is damaged: run huskies-mcp verify; ` +
				"1 change cannot be shown, since others that they build on are not in the database: import those (huskies-mcp import); did you mean 1_a?",
		},
		{pipeline.Fact{Code: pipeline.CodeDeleted, Story: "1_a"}, `story "1_a" is deleted; huskies-mcp undelete 1_a brings it back`},
		{pipeline.Fact{Code: pipeline.CodeMovedOn, Story: "1_a", Given: "0123"}, `story "1_a" has moved on: its rev is 000000000000, not "0123"; nothing was written; look at it with huskies-mcp show, and decide again`},
		{pipeline.Fact{Code: pipeline.CodeFull, Most: 9}, "the pipeline holds 9 stories, the most it can; start a new pipeline with another --db"},
		{pipeline.Fact{Code: pipeline.CodeNotFree, Story: "1_a", Hold: &pipeline.Hold{Agent: "b"}}, `story "1_a" is not free: it is assigned to agent "b", without a claim that would end by itself; --force changes it all the same`},
		{pipeline.Fact{Code: pipeline.CodeLastStage, Stage: "6_archived"}, "there is no stage after 6_archived; name the stage it should go to"},
		{pipeline.Fact{Code: pipeline.CodeBlocked, Story: "1_a", Text: "no key"}, `story "1_a" is blocked: no key; huskies-mcp unblock ends that`},
		{pipeline.Fact{Code: pipeline.CodeFinished, Story: "1_a"}, `story "1_a" is in 6_archived: nothing is left to do; huskies-mcp move brings it back`},
		{pipeline.Fact{Code: pipeline.CodeWaiting, Story: "1_a", Numbers: []uint32{7}}, `story "1_a" waits on 7; huskies-mcp next shows what is free`},
	} {
		if got := phrase.Refused(&pipeline.Error{Fact: tt.fact}); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.fact.Code, got, tt.want)
		}
	}
}

// TestWarnings: a person reads no word that is meant for a model.
func TestWarnings(t *testing.T) {
	got := phrase.Warnings([]pipeline.Fact{
		{Code: pipeline.CodeMissing, Gaps: pipeline.Gaps{Pending: 2}},
		{Code: pipeline.CodeSameName, Story: "1_a"},
		{Code: pipeline.CodeStillHeld, Agent: "a", Stage: "3_qa"},
	})
	want := []string{
		"stories may be missing or out of date: 2 changes cannot be shown, since others that they build on are not in the database: import those (huskies-mcp import)",
		"story 1_a has the same name: if it was added twice, remove one of the two",
		`agent "a" still holds it, so that nobody else can claim it in 3_qa`,
	}
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
}

// TestNotTaken: what a person reads of an op that an import did not take in.
func TestNotTaken(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("%w: there are 9 with 99 bytes", crdt.ErrPendingFull), "too many ops wait for their parents: there are 9 with 99 bytes; import those first, then this bundle again"},
		{crdt.ErrHeldFull, "too many ops of authors who are not trusted; trust the author, then import the bundle again"},
		{crdt.ErrVersion, "unknown op version; install a newer huskies-mcp"},
		{crdt.ErrSignature, "bad signature"},
	} {
		if got := phrase.NotTaken(tt.err); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
