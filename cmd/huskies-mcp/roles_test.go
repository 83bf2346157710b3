package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// roleStories is how many stories the roles of TestRoles bring through all stages.
const roleStories = 25

// wonStory is what claim_item answers.
type wonStory struct {
	Claimed bool      `json:"claimed"`
	Item    shownItem `json:"item"`
	Claim   string    `json:"claim"`
	Warning string    `json:"warning"`
	Reason  string    `json:"reason"`
}

// claim claims the next story, of a stage unless that is empty.
func (s *session) claim(t *testing.T, stage string) (c wonStory) {
	t.Helper()
	if _, err := s.callFor("claim_item", arguments{"stage": stage, "agent": nil}, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// refused fails the test unless the call is refused with the words.
func (s *session) refused(t *testing.T, words, tool string, args arguments) {
	t.Helper()
	if _, err := s.call(tool, args); err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("%s %v: got %v, want a refusal that says %q", tool, args, err, words)
	}
}

// TestRoles: a planner, three coders, a reviewer, a merger and a supervisor, each a process of its own that
// never says who it is, bring stories through all stages. Merging is serial. A coder repeats its calls, the
// reviewer sends a story back, and the supervisor takes a story from its holder, who hears of it.
func TestRoles(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "p.db")
	if out, err := exec.Command("huskies-mcp", "--db", db, "--agent", "ann", "settings", "limit.4_merge", "1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	planner, qa, merger, other, boss := startSession(t, db), startSession(t, db), startSession(t, db), startSession(t, db), startSession(t, db)
	coders := []*session{startSession(t, db), startSession(t, db), startSession(t, db)}
	for i := range roleStories {
		args := arguments{"name": fmt.Sprintf("Part %d", i+1), "agent": nil, "depends_on": []int{}}
		if i > 0 && i%5 == 0 {
			args["depends_on"] = []int{i}
		}
		planner.must(t, "write_item", args)
	}

	// the supervisor takes the first coder's story
	first := coders[0].claim(t, "")
	if first.Item.Stage != "2_current" || first.Item.Agent == "" {
		t.Fatalf("claimed %+v", first.Item)
	}
	id := first.Item.StoryID
	boss.refused(t, "is not yours", "write_item", arguments{"story_id": id, "stage": "1_backlog"})
	rev := boss.must(t, "read_item", arguments{"story_id": "1"}).Item.Rev
	boss.must(t, "write_item", arguments{"story_id": 1, "stage": "backlog", "if_rev": rev, "note": "the plan has changed"})
	coders[0].refused(t, "the plan has changed", "advance_item", arguments{"story_id": id})

	sentBack, done := "", 0
	for round := 0; done < roleStories; round++ {
		if round > 4*roleStories {
			t.Fatalf("%d of %d stories are done", done, roleStories)
		}
		for _, coder := range coders {
			c := coder.claim(t, "")
			if !c.Claimed {
				continue
			}
			move := arguments{"story_id": c.Item.StoryID, "claim": c.Claim, "note": "written"}
			if at := coder.must(t, "advance_item", move).Item.Stage; at != "3_qa" {
				t.Fatalf("%s is in %s", c.Item.StoryID, at)
			}
			if again := coder.must(t, "advance_item", move); len(again.Changed) > 0 || again.Item.Stage != "3_qa" {
				t.Fatalf("a repeated call changed %v: %+v", again.Changed, again.Item)
			}
			coder.refused(t, "you hold no claim on it", "advance_item", arguments{"story_id": c.Item.StoryID})
		}
		for c := qa.claim(t, "3_qa"); c.Claimed; c = qa.claim(t, "review") {
			if sentBack == "" {
				sentBack = c.Item.StoryID
				qa.must(t, "advance_item", arguments{"story_id": sentBack, "to": "2_current", "claim": c.Claim, "note": "a test fails"})
				continue
			}
			qa.must(t, "advance_item", arguments{"story_id": c.Item.StoryID, "claim": c.Claim})
		}
		for c := merger.claim(t, "4_merge"); c.Claimed; c = merger.claim(t, "merge") {
			if beside := other.claim(t, "4_merge"); beside.Claimed || !strings.Contains(beside.Reason, "limit.4_merge is 1, and held there are "+c.Item.StoryID) {
				t.Fatalf("a second merger got %+v", beside)
			}
			merger.must(t, "advance_item", arguments{"story_id": c.Item.StoryID, "claim": c.Claim})
			done++
		}
	}
	if left := planner.must(t, "list_items", arguments{"stage": "1_backlog,2_current,3_qa,4_merge"}).Total; left != 0 || sentBack == "" {
		t.Errorf("%d stories are left, %q was sent back", left, sentBack)
	}
}
