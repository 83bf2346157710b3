package tools

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
)

// bossDeleted is how a claim of a ended.
var bossDeleted = &pipeline.ClaimEnd{Agent: "a", Op: &crdt.Op{
	Agent: "boss", At: 1_700_000_000_000, Edits: []crdt.Edit{crdt.Set(crdt.DeletedField, crdt.Bool(true)), crdt.Note("nobody\nwants it")},
}}

var (
	heldByA    = &pipeline.Hold{Agent: "a", Claimed: true, Left: 40 * time.Second, Renewed: true}
	goneA      = &pipeline.Hold{Agent: "a", Claimed: true, Left: 40 * time.Second, Renewed: true, Gone: true}
	assignedTo = &pipeline.Hold{Agent: "b"}
	fullMerge  = &pipeline.Crowd{Stage: "4_merge", Limit: 1, Count: 1, Stories: []pipeline.KeptStory{{ID: "1_a", Hold: heldByA}}}
)

// TestRefusals: what a model reads of each refusal.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		fact pipeline.Fact
		want string
	}{
		{pipeline.Fact{Code: pipeline.CodeBadID}, "story_id is empty; use letters, digits, '.', '_' and '-', beginning with a letter or digit, e.g. 10_story_add_login"},
		{pipeline.Fact{Code: pipeline.CodeBadID, Given: "a/b"}, `story_id "a/b" is not a valid story ID; use letters, ...`},
		{pipeline.Fact{Code: pipeline.CodeBadID, Given: strings.Repeat("a", 129)}, "story_id has 129 bytes, at most 128 are allowed; use letters, ..."},
		{pipeline.Fact{Code: pipeline.CodeBadRev, Given: "1"}, `if_rev is "1", want at least 12 hex digits; give the rev of the item as an answer showed it, or leave if_rev out`},
		{pipeline.Fact{Code: pipeline.CodeBadClaim, Given: "x"}, `claim is "x", want "c-" and 12 hex digits; give the claim as claim_item answered it, or leave it out`},
		{pipeline.Fact{Code: pipeline.CodeBadStage, Given: "x"}, `stage must be one of 1_backlog, 2_current, 3_qa, 4_merge, 5_done, 6_archived; got "x"`},
		{pipeline.Fact{Code: pipeline.CodeBadType, Given: "x"}, `type must be one of story, bug, spike, refactor; got "x"`},
		{pipeline.Fact{Code: pipeline.CodeBadCursor}, "cursor names a place that is not in this pipeline; leave cursor out to begin at the start"},
		{pipeline.Fact{Code: pipeline.CodeBadDependency, Given: "a/b"}, `depends_on "a/b" names no story; give the number or the story_id of a story`},
		{pipeline.Fact{Code: pipeline.CodeBadNeighbour, Field: "after", Given: "a/b"}, `after "a/b" is not a story ID; give the story_id of a story that list_items shows`},
		{pipeline.Fact{Code: pipeline.CodeBesideItself, Field: "before"}, "before is the story itself; give another story, or first or last"},
		{pipeline.Fact{Code: pipeline.CodeTwoPlaces}, "after and before are both given; give one of the two"},
		{pipeline.Fact{Code: pipeline.CodeTooLong, Field: "name", Have: 258, Most: 256}, "name has 258 bytes, at most 256 are allowed; shorten it"},
		{pipeline.Fact{Code: pipeline.CodeTooMany, Field: "depends_on", Have: 65, Most: 64}, "depends_on has 65 numbers, at most 64 are allowed; split the story"},
		{pipeline.Fact{Code: pipeline.CodeNotUTF8, Field: "name"}, "name is not valid UTF-8 text; send UTF-8"},
		{pipeline.Fact{Code: pipeline.CodeRange, Field: "retry_count", Have: -1, Most: 9}, "retry_count is -1, want 0 to 9"},
		{pipeline.Fact{Code: pipeline.CodeRange, Field: "by", Least: 1, Most: 9}, "by is 0, want 1 to 9; leave by out to add 1"},
		{pipeline.Fact{Code: pipeline.CodeRange, Field: "lease_seconds", Have: -1, Least: 1, Most: 9}, "lease_seconds is -1, want 1 to 9; leave lease_seconds out for a lease that lasts while the session lives"},
		{pipeline.Fact{Code: pipeline.CodeRetryFull, Have: 8, Count: 2, Most: 9}, "retry_count is 8 and cannot grow by 2: the most is 9; reset it with write_item (retry_count) or set_blocked (blocked: false)"},
		{pipeline.Fact{Code: pipeline.CodeEmptyNote}, "note is empty; say something, or leave note out"},
		{pipeline.Fact{Code: pipeline.CodeReasonAlone}, "a reason is given, but blocked is false; leave reason out (what you have to say goes into note), or set blocked to true"},
		{pipeline.Fact{Code: pipeline.CodeNobody, Given: "null"}, `agent "null" is not a name; give the agent's real name, or leave agent out`},
		{pipeline.Fact{Code: pipeline.CodeNoAgent}, "no agent is given, and the server was started without one; give agent: a name that you keep and nobody else uses, e.g. coder-1"},
		{pipeline.Fact{Code: pipeline.CodeOnItself, Number: 7}, "a story cannot depend on its own number 7; leave 7 out of depends_on"},
		{pipeline.Fact{Code: pipeline.CodeUnnumbered, Story: "x"}, "depends_on x: the ID begins with no number, so nothing can depend on it; depend on stories whose IDs begin with a number"},
		{pipeline.Fact{Code: pipeline.CodeCircle, IDs: []string{"1_a", "2_b"}}, "depends_on would go in a circle: 1_a -> 2_b -> 1_a; leave 2 out, or take 1 out of depends_on of 2_b first"},
		{
			pipeline.Fact{Code: pipeline.CodeCircle, IDs: []string{"1_a", "7_g", "6_f", "5_e", "4_d", "3_c", "2_b"}},
			"depends_on would go in a circle: 1_a -> 7_g -> 6_f -> 5_e -> (2 more) -> 2_b -> 1_a; leave 7 out, or take 1 out of depends_on of 2_b first",
		},
		{pipeline.Fact{Code: pipeline.CodeRestoreCircle, Story: "2_b", IDs: []string{"2_b", "1_a"}}, `story "2_b" cannot be restored as it is: depends_on would go in a circle: 2_b -> 1_a -> 2_b; take 2 out of depends_on of 1_a first`},
		{pipeline.Fact{Code: pipeline.CodeSeveral, Number: 2, IDs: []string{"2_a", "2_b"}, Count: 3}, "number 2 is that of several stories: 2_a, 2_b and 1 more; give the whole story_id of one of them"},
		{
			pipeline.Fact{Code: pipeline.CodeNumberTaken, Story: "2_c", Number: 2, IDs: []string{"2_a", "2_b"}, Free: 9},
			`there is no story "2_c", and number 2 is taken; did you mean 2_a or 2_b? A new story gets a number of its own: leave story_id out, or begin it with 9`,
		},
		{pipeline.Fact{Code: pipeline.CodeNumberUsed, Story: "2_a", Number: 2, Free: 9}, "number 2 belonged to the deleted story 2_a and is not given out again; use a number that was never used, e.g. 9, or bring the story back with delete_item (restore: true)"},
		{pipeline.Fact{Code: pipeline.CodeNumberUsed, Number: 2}, "number 2 belonged to a deleted story and is not given out again; use a number that was never used, or bring..."},
		{pipeline.Fact{Code: pipeline.CodeNoFreeNumber}, "no number is free; give a story_id"},
		{pipeline.Fact{Code: pipeline.CodeInStage, Story: "1_a", Stage: "3_qa"}, `story "1_a" is in 3_qa already; for the next stage leave out the argument to, or give the story back with release_item`},
		{pipeline.Fact{Code: pipeline.CodeOtherStage, Story: "1_a", Stage: "4_merge", Given: "3_qa"}, `story "1_a" is in 4_merge, not in 3_qa; leave stage out to claim it there`},
		{pipeline.Fact{Code: pipeline.CodeLastStage, Stage: "6_archived"}, "there is no stage after 6_archived; give the argument to, which names the stage"},
		{
			pipeline.Fact{Code: pipeline.CodeNoClaim, Story: "1_a", Stage: "3_qa"},
			`story "1_a" is in 3_qa, and you hold no claim on it; nothing was written; if you moved it here, all is done; to move it on, claim it first with claim_item, or give the argument to, which names the stage`,
		},
		{pipeline.Fact{Code: pipeline.CodeNoStory, Story: "1_x"}, `there is no story "1_x"; find the right story_id with list_items; write_item with a name and without story_id creates a new story`},
		{
			pipeline.Fact{Code: pipeline.CodeNoStory, Story: "1_x", IDs: []string{"1_a", "1_b"}, Gaps: pipeline.Gaps{Damaged: 1, Pending: 2}},
			`there is no story "1_x" that can be seen; stories may be missing or out of date: 1 change of the pipeline cannot be read any more, since the database is damaged: tell the user to run huskies-mcp verify; ` +
				"2 changes cannot be shown, since others that they build on are not in the database: tell the user to import those (huskies-mcp import); did you mean 1_a or 1_b? Otherwise find...",
		},
		{pipeline.Fact{Code: pipeline.CodeNoStory, Story: "1_x", Field: "after", IDs: []string{"1_a"}}, `after: there is no story "1_x"; did you mean 1_a? Otherwise give the story_id of a story that list_items shows, or first or last`},
		{pipeline.Fact{Code: pipeline.CodeNoStory, Story: "1_x", Field: "depends_on"}, `depends_on: there is no story "1_x"; find the right story_id...`},
		{pipeline.Fact{Code: pipeline.CodeNeedsStage, Story: "1_x", IDs: []string{"1_a"}}, `there is no story "1_x", and to create it a stage is needed; did you mean 1_a? Otherwise give stage, e.g. 1_backlog, to create it, or find the right story_id with list_items`},
		{pipeline.Fact{Code: pipeline.CodeNoNumber, Number: 7}, "no story has the number 7; find the right story_id with list_items; write_item with a name and without story_id creates a story, which gets the next number"},
		{pipeline.Fact{Code: pipeline.CodeNoNumber, Number: 7, Gaps: pipeline.Gaps{Pending: 1}}, "no story has the number 7, as far as can be seen; stories may be missing or out of date: 1 change cannot be shown..."},
		{pipeline.Fact{Code: pipeline.CodeDeleted, Story: "1_a"}, `story "1_a" is deleted; stop working on it; delete_item with restore: true brings it back if that was a mistake; for new work write a story with a new number`},
		{pipeline.Fact{Code: pipeline.CodeDeleted, Story: "1_a", Field: "after"}, `after: story "1_a" is deleted; give the story_id of a story that list_items shows, or first or last`},
		{
			pipeline.Fact{Code: pipeline.CodeDeleted, Story: "1_a", End: bossDeleted},
			`story "1_a" is deleted, and your claim has ended: agent "boss" deleted it at 2023-11-14T22:13:20Z with the note "nobody wants it"; stop working on it;...`,
		},
		{pipeline.Fact{Code: pipeline.CodeMovedOn, Story: "1_a", Given: "0123"}, `story "1_a" has moved on: its rev is 000000000000, not "0123"; nothing was written; decide again on the current item`},
		{pipeline.Fact{Code: pipeline.CodeMovedOn, Story: "1_a", Agent: "b"}, `story "1_a" has moved on: its rev is 000000000000, not ""; nothing was written; agent "b" works on it now: if that is not you, leave it and find another with list_items (ready: true)`},
		{pipeline.Fact{Code: pipeline.CodeFull, Most: 9}, "the pipeline holds 9 stories, the most it can; start a new pipeline with another --db"},
		{
			pipeline.Fact{Code: pipeline.CodeNotYours, Story: "1_a", Hold: heldByA},
			`story "1_a" is not yours: agent "a" holds it and the lease ends in 40 s, unless that agent's session lives and renews it; nothing was written; leave it to that agent; a note (write_item) is possible, and claim_item without story_id finds other work`,
		},
		{
			pipeline.Fact{Code: pipeline.CodeNotYours, Story: "1_a", Hold: goneA},
			`story "1_a" is not yours: agent "a" holds it and the lease ends in 40 s (the session that claimed it has ended); nothing was written; if you are that agent, started anew, give claim as claim_item answered it; else leave it to that agent;...`,
		},
		{
			pipeline.Fact{Code: pipeline.CodeNotYours, Story: "1_a", Agent: "a", Hold: heldByA},
			`story "1_a" is not yours: another session with your name "a" holds it and the lease ends in 40 s, unless that session lives and renews it; nothing was written; if you claimed it, give claim as claim_item answered it; else leave it to that session and take a name of your own; a note (write_item) is possible, and claim_item without story_id finds other work`,
		},
		{pipeline.Fact{Code: pipeline.CodeNotYours, Story: "1_a", Agent: "b", Hold: heldByA}, `story "1_a" is not yours: agent "a" holds it...`},
		{pipeline.Fact{Code: pipeline.CodeNotFree, Story: "1_a", Agent: "a", Hold: heldByA}, `story "1_a" is not free: another session with your name "a" holds it and the lease ends in 40 s, unless that session lives and renews it; if you claimed it, give claim as claim_item answered it; else take a name of your own and find another: claim_item without story_id takes the next one`},
		{pipeline.Fact{Code: pipeline.CodeNotFree, Story: "1_a", Hold: goneA}, `story "1_a" is not free: agent "a" holds it and the lease ends in 40 s (the session that claimed it has ended); if you are that agent, started anew, give claim as claim_item answered it; else find another:...`},
		{pipeline.Fact{Code: pipeline.CodeNotFree, Story: "1_a", Hold: assignedTo}, `story "1_a" is not free: it is assigned to agent "b", without a claim that would end by itself; find another: claim_item without story_id takes the next one`},
		{
			pipeline.Fact{Code: pipeline.CodeClaimEnded, Story: "1_a", Given: "c-1", Stage: "2_current", Hold: &pipeline.Hold{Agent: "b", Claimed: true, Ended: true}},
			`claim c-1 of story "1_a" has ended, if it ever was one; now the story is in 2_current and agent "b" had it, but its lease has ended; nothing was written; stop working on it; read_item shows what happened, claim_item finds other work`,
		},
		{
			pipeline.Fact{Code: pipeline.CodeClaimEnded, Story: "1_a", Given: "c-1", Stage: "2_current", End: &pipeline.ClaimEnd{Agent: "a", Op: &crdt.Op{Edits: []crdt.Edit{crdt.Set("agent", crdt.String(""))}}}},
			`your claim c-1 of story "1_a" has ended: somebody wrote agent ""; now the story is in 2_current and nobody has it; nothing was written; stop working on it;...`,
		},
		{
			pipeline.Fact{Code: pipeline.CodeOtherClaim, Story: "1_a", Given: "c-1", IDs: []string{"2_b"}, Stage: "3_qa"},
			`claim c-1 is of story "2_b", not of "1_a"; nothing was written; give the claim that claim_item answered for this story, of which this is so: the story is in 3_qa and nobody has it`,
		},
		{
			pipeline.Fact{Code: pipeline.CodeCrowded, Story: "2_b", Crowd: fullMerge},
			`story "2_b" waits for room in 4_merge: limit.4_merge is 1, and held there are 1_a by "a", lease ends in 40 s; claim it when one of these has moved on (claim_item with wait_seconds waits), or claim other work`,
		},
		{
			pipeline.Fact{Code: pipeline.CodeCarried, Story: "2_b", Crowd: fullMerge},
			`story "2_b" cannot be held in 4_merge as well: limit.4_merge is 1, and held there are 1_a by "a", lease ends in 40 s; nothing was written; move it with advance_item, which ends the claim`,
		},
		{
			pipeline.Fact{Code: pipeline.CodeNoneFree, Stages: []pipeline.Stage{"4_merge"}, Crowd: fullMerge, Kept: []pipeline.Kept{{Why: pipeline.IsCrowded, Count: 1, Stories: []pipeline.KeptStory{{ID: "2_b"}}}}},
			`no story in 4_merge can be claimed: 1 waiting for room (2_b); limit.4_merge is 1, and held there are 1_a by "a", lease ends in 40 s`,
		},
		{
			pipeline.Fact{Code: pipeline.CodeNotLetIn, Story: "1_a"},
			`story "1_a" was not claimed: the hub does not let this machine in, so it does not say whether another machine has the story; go on with what you hold, and tell the user, who can ask an admin of the pipeline for an invitation (huskies-mcp hub says what to do)`,
		},
		{pipeline.Fact{Code: pipeline.CodeReserved, Story: "huskies.settings"}, "huskies.settings is no story: IDs that begin with huskies. are kept for what concerns the whole pipeline; people read and change the settings with huskies-mcp settings"},
		{pipeline.Fact{Code: pipeline.CodeReserved, Story: "huskies.x"}, "huskies.x is no story: IDs that begin with huskies. are kept for what concerns the whole pipeline; choose an ID that does not begin with huskies."},
		{pipeline.Fact{Code: pipeline.CodeNoSetting, Given: "x"}, `there is no setting "x": the settings are max_retries, limit.2_current, limit.3_qa, limit.4_merge, lease_grace`},
		{pipeline.Fact{Code: pipeline.CodeBadSetting, Field: "max_retries", Given: "x", Most: 9}, `max_retries must be a number from 0 to 9; got "x"`},
		{pipeline.Fact{Code: pipeline.CodeBadSetting, Field: "lease_grace", Given: "5", Least: 10, Most: 86400}, `lease_grace must be whole seconds from 10s to 24h, such as 90s or 5m; got "5"`},
		{pipeline.Fact{Code: pipeline.CodeNoSuchClaim, Given: "c-1"}, "no story has the claim c-1; it has ended, or was mistyped: give story_id too to hear how it ended, or leave claim out for the next story"},
		{pipeline.Fact{Code: pipeline.CodeStaysBlocked, Story: "1_a", Stage: "2_current"}, `story "1_a" is blocked and stays in 2_current: no reason is given; unblock it with set_blocked when that is settled`},
		{pipeline.Fact{Code: pipeline.CodeStaysBlocked, Story: "1_a", Stage: "2_current", Text: "no key"}, `story "1_a" is blocked and stays in 2_current: no key; unblock it...`},
		{pipeline.Fact{Code: pipeline.CodeBlocked, Story: "1_a"}, `story "1_a" is blocked; unblock it with set_blocked when that is settled, or claim another story`},
		{pipeline.Fact{Code: pipeline.CodeBlocked, Story: "1_a", Text: "no key"}, `story "1_a" is blocked: no key; unblock it...`},
		{pipeline.Fact{Code: pipeline.CodeWaiting, Story: "1_a", Numbers: []uint32{1, 2, 3, 4, 5, 6}}, `story "1_a" waits on 1, 2, 3, 4, 5 and 1 more; claim it when that is done, or claim another story`},
		{pipeline.Fact{Code: pipeline.CodeFinished, Story: "1_a"}, `story "1_a" is in 6_archived: nothing is left to do; advance_item brings it back if you give the argument to`},
		{
			pipeline.Fact{Code: pipeline.CodeNoneFree, Stages: []pipeline.Stage{"5_done"}, Kept: []pipeline.Kept{{Why: pipeline.IsFinished, Count: 1, Stories: []pipeline.KeptStory{{ID: "6_f"}}}}},
			"no story in 5_done can be claimed: 1 finished (6_f); advance_item moves one on if you give the arguments story_id and to",
		},
		{pipeline.Fact{Code: pipeline.CodeNoneFree, Stages: []pipeline.Stage{"2_current", "1_backlog"}}, "there is no story in 2_current or 1_backlog"},
		{
			pipeline.Fact{Code: pipeline.CodeNoneFree, Stages: []pipeline.Stage{"1_backlog"}, Kept: []pipeline.Kept{
				{Why: pipeline.IsBlocked, Count: 2, Stories: []pipeline.KeptStory{{ID: "1_a"}}},
				{Why: pipeline.IsWaiting, Count: 1, Stories: []pipeline.KeptStory{{ID: "2_b", WaitingOn: []uint32{9}}}},
				{Why: pipeline.IsHeld, Count: 2, Stories: []pipeline.KeptStory{{ID: "3_c", Hold: heldByA}, {ID: "4_d", Hold: assignedTo}}},
				{Why: pipeline.IsMine, Count: 1, Stories: []pipeline.KeptStory{{ID: "5_e"}}},
				{Why: pipeline.IsFinished, Count: 1, Stories: []pipeline.KeptStory{{ID: "6_f"}}},
			}},
			`no story in 1_backlog can be claimed: 2 blocked (1_a, ...); 1 waiting (2_b on 9); 2 held (3_c by "a", lease ends in 40 s, 4_d by "b"); 1 yours already (5_e); 1 finished (6_f)`,
		},
	} {
		got := refused(&pipeline.Error{Fact: tt.fact})
		if begin, more := strings.CutSuffix(tt.want, "..."); got != tt.want && !(more && strings.HasPrefix(got, begin)) {
			t.Errorf("%s: got %q, want %q", tt.fact.Code, got, tt.want)
		}
	}
}

// TestWarningWords: what a model reads of each warning.
func TestWarningWords(t *testing.T) {
	for _, tt := range []struct {
		fact pipeline.Fact
		want string
	}{
		{pipeline.Fact{Code: pipeline.CodeMissing, Gaps: pipeline.Gaps{Damaged: 2}}, "stories may be missing or out of date: 2 changes of the pipeline cannot be read any more, since the database is damaged: tell the user to run huskies-mcp verify"},
		{pipeline.Fact{Code: pipeline.CodeSameName, Story: "1_a"}, "story 1_a has the same name: if this call was made again, delete one of the two"},
		{pipeline.Fact{Code: pipeline.CodeAssigned, Agent: "b\nc"}, `it is assigned to agent "b c" now: nobody else can claim it, and that agent must claim it to hold it: if that is not meant, write_item with clear: ["agent"] frees it`},
		{pipeline.Fact{Code: pipeline.CodeStillHeld, Agent: "a", Stage: "3_qa"}, `agent "a" still holds it, so that nobody else can claim it in 3_qa: advance_item would have ended the claim`},
		{pipeline.Fact{Code: pipeline.CodeStillBlocked, Stage: "5_done"}, "it is still blocked, and counts as done in 5_done"},
		{pipeline.Fact{Code: pipeline.CodeStillDepends, Count: 9}, "of the dependencies to take out 9 are left, since that is too many for one change: make the call again"},
		{pipeline.Fact{Code: pipeline.CodeMovedWaiting, Numbers: []uint32{7}}, "it was moved on although it waits on 7"},
		{pipeline.Fact{Code: pipeline.CodeMovedBack, Stage: "5_done"}, "it was moved back from 5_done: if that is not meant, move it there again"},
		{pipeline.Fact{Code: pipeline.CodeBlockedAnyway, Hold: assignedTo}, `it was blocked although it is assigned to agent "b", without a claim that would end by itself`},
		{pipeline.Fact{Code: pipeline.CodeSearchEnded, Most: 9}, "depends_on was written although it may go in a circle: only the nearest 9 dependencies were searched"},
		{pipeline.Fact{Code: pipeline.CodeAllOfNumber, Given: "2_a", Number: 2, IDs: []string{"2_a", "2_b"}, Count: 2}, "depends_on 2_a: several stories have the number 2 (2_a, 2_b), and all of them must be done"},
		{pipeline.Fact{Code: pipeline.CodeClaimLost, Story: "1_a", Given: "c-1", End: bossDeleted}, `your claim c-1 of story "1_a" has ended: agent "boss" deleted it at 2023-11-14T22:13:20Z with the note "nobody wants it"`},
		{pipeline.Fact{Code: pipeline.CodeClaimEnded, Story: "1_a", Given: "c-1", Stage: "3_qa"}, `claim c-1 of story "1_a" has ended, if it ever was one; now the story is in 3_qa and nobody has it`},
		{pipeline.Fact{Code: pipeline.CodeUnknownNumbers, Numbers: []uint32{7, 20}}, "depends_on 7, 20: no story has that number, so it is not met"},
		{pipeline.Fact{Code: pipeline.CodeDeletedNumbers, IDs: []string{"1_a"}, Count: 1}, "depends_on: deleted, so it is not met: 1_a"},
		{pipeline.Fact{Code: pipeline.CodeArchivedNumbers, IDs: []string{"1_a"}, Count: 96}, "depends_on: archived counts as met: 1_a and 95 more"},
		{pipeline.Fact{Code: pipeline.CodeInCircle, IDs: []string{"1_a", "2_b"}}, "depends_on goes in a circle, so none of these can become ready: 1_a -> 2_b -> 1_a"},
		{pipeline.Fact{Code: pipeline.CodeSharedNumber, IDs: []string{"5_b"}, Count: 7, Free: 6}, "the number is also that of 5_b and 6 more: what depends on it waits for all of them; the next free number is 6"},
		{
			pipeline.Fact{Code: pipeline.CodeMadeApart, Count: 2, Makers: []crdt.Maker{{Agent: "ann", Label: "Log in"}, {Label: "Log out"}}},
			`2 stories were created apart under this ID and are one now: "Log in" by ann on replica 00000000, "Log out" by replica 00000000: if they are not the same work, write one of them anew without story_id`,
		},
		{
			pipeline.Fact{Code: pipeline.CodeOverwritten, Count: 3, Overwritten: []pipeline.Overwritten{{Field: "stage", Value: "3_qa", Agent: "ann", By: "bob"}, {Field: "claim"}}},
			`of what was written on several machines apart, this was lost: stage "3_qa" of "ann" (to that of "bob"), the claim of somebody (to somebody else's) and 1 more: write again what should count`,
		},
		{pipeline.Fact{Code: pipeline.CodeStaysBack, Stage: "1_backlog", Crowd: fullMerge}, `it stays in 1_backlog: limit.4_merge is 1, and held there are 1_a by "a", lease ends in 40 s`},
		{pipeline.Fact{Code: pipeline.CodeBackBeyond, Agent: "b", Crowd: fullMerge}, `it comes back held by "b", beyond the limit: limit.4_merge is 1, and held there are 1_a by "a", lease ends in 40 s`},
	} {
		if got := warning(&tt.fact); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.fact.Code, got, tt.want)
		}
	}
}

// TestEveryCodeHasWords: no code of the pipeline is without words, and no refusal without a decision
// what a model should do next.
func TestEveryCodeHasWords(t *testing.T) {
	refusals := 0
	for code, isWarning := range pipelineCodes(t) {
		f := pipeline.Fact{Code: code, IDs: []string{"1_a"}, Hold: heldByA, Crowd: fullMerge}
		if phrase.Fact(&f) == string(code) {
			t.Errorf("internal/phrase has no words for %s: add a row to facts", code)
		}
		if _, decided := nextSteps[code]; !isWarning && !decided {
			t.Errorf("words.go has no next step for %s: add a row to nextSteps, nil if there is nothing to do", code)
		}
		if !isWarning {
			refusals++
		}
	}
	if refusals != len(nextSteps) {
		t.Errorf("nextSteps has %d rows for %d refusals: remove those that no code has", len(nextSteps), refusals)
	}
}

// pipelineCodes returns the codes of package pipeline, and which of them are warnings alone.
func pipelineCodes(t *testing.T) map[pipeline.Code]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "pipeline", "fact.go"), nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[pipeline.Code]bool{}
	for _, d := range f.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST {
			continue
		}
		for _, spec := range decl.Specs {
			value := spec.(*ast.ValueSpec)
			if text, ok := value.Values[0].(*ast.BasicLit); ok && text.Kind == token.STRING {
				code, err := strconv.Unquote(text.Value)
				if err != nil {
					t.Fatal(err)
				}
				codes[pipeline.Code(code)] = strings.HasPrefix(decl.Doc.Text(), "The codes of warnings")
			}
		}
	}
	return codes
}
