package tools

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestStoriesByNumber: every tool takes a number for the story that has it.
func TestStoriesByNumber(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"12_story_login","stage":"1_backlog"}`)
	h.ok("write_item", `{"story_id":"13_story_logout","stage":"1_backlog"}`)
	for _, call := range [][2]string{
		{"read_item", `{"story_id":12}`},
		{"write_item", `{"story_id":"#12","name":"n"}`},
		{"write_item", `{"story_id":"12","stage":"3_qa"}`},
		{"write_item", `{"story_id":"13","after":12}`},
		{"write_item", `{"story_id":"13","before":"story 12"}`},
		{"claim_item", `{"story_id":"story 12","agent":"tester"}`},
		{"set_blocked", `{"story_id":"12","blocked":true}`},
		{"set_blocked", `{"story_id":12.0,"blocked":false}`},
		{"bump_retry", `{"story_id":"12"}`},
		{"release_item", `{"story_id":"12"}`},
		{"advance_item", `{"story_id":"12","to":"done"}`},
		{"delete_item", `{"story_id":"12"}`},
		{"delete_item", `{"story_id":"12","restore":true}`},
		{"wait_for_change", `{"since":"0","story_id":"12"}`},
	} {
		if got := h.ok(call[0], call[1]); !strings.Contains(got, `"story_id":"1`) {
			t.Errorf("%s %s: got %s", call[0], call[1], got)
		}
	}
	const none = "no story has the number 999; find the right story_id with list_items"
	for _, call := range [][2]string{
		{"write_item", `{"story_id":"999","stage":"3_qa"}`},
		{"write_item", `{"story_id":999,"name":"x"}`},
		{"claim_item", `{"story_id":"999"}`},
		{"write_item", `{"story_id":"12","after":"999"}`},
		{"wait_for_change", `{"since":"0","story_id":"999"}`},
	} {
		if got := h.fails(call[0], call[1]); !strings.Contains(got, none) {
			t.Errorf("%s %s: got %s", call[0], call[1], got)
		}
	}
	if got := h.fails("write_item", `{"story_id":"12_story_log_in","stage":"1_backlog"}`); !strings.Contains(got, `there is no story "12_story_log_in", and number 12 is taken; did you mean 12_story_login?`) {
		t.Errorf("got %s", got)
	}
	if got := h.ok("list_items", `{}`); !strings.Contains(got, `"total":2`) {
		t.Errorf("got %s", got)
	}
}

// TestDependsOnTakesIDs, and keeps numbers.
func TestDependsOnTakesIDs(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_a","stage":"1_backlog"}`)
	if got := h.ok("write_item", `{"name":"x","depends_on":["1_a","#7",8,"9"]}`); !strings.Contains(got, `"depends_on":[1,7,8,9]`) {
		t.Errorf("got %s", got)
	}
	if got := h.fails("write_item", `{"name":"y","depends_on":["1_b"]}`); !strings.Contains(got, "did you mean 1_a?") {
		t.Errorf("got %s", got)
	}
}

// TestStagesByAnyName, in every tool that takes one.
func TestStagesByAnyName(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_a","stage":"todo"}`)
	h.ok("write_item", `{"story_id":"1_a","stage":3}`)
	h.ok("claim_item", `{"stage":"review","agent":"tester"}`)
	h.ok("advance_item", `{"story_id":"1_a","to":"In progress"}`)
	if got := h.ok("list_items", `{"stage":"current"}`); !strings.Contains(got, `"total":1`) {
		t.Errorf("got %s", got)
	}
	h.ok("wait_for_change", `{"since":"0","stage":"QA"}`)
}

// TestOneForAList: where a list is wanted, one value and text with commas stand for it.
func TestOneForAList(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_a","stage":"1_backlog"}`)
	for _, tt := range []struct{ tool, args, want string }{
		{"write_item", `{"name":"One","depends_on":1}`, `"depends_on":[1]`},
		{"write_item", `{"name":"Two","depends_on":"1_a"}`, `"depends_on":[1]`},
		{"write_item", `{"name":"Three","depends_on":"#1, 2"}`, `"depends_on":[1,2]`},
		{"write_item", `{"name":"Four","depends_on":0}`, `"changed":["stage","name"]`},
		{"write_item", `{"story_id":"3","clear":"depends_on"}`, `"changed":["depends_on"]`},
		{"list_items", `{"stage":["todo",2],"fields":"name, depends_on"}`, `{"story_id":"2_story_one","name":"One","depends_on":[1]}`},
		{"list_items", `{"query":"one","fields":["story_id","stage"]}`, `"items":[{"story_id":"2_story_one"}]`},
		{"list_items", `{"stage":["3_qa","4_merge"]}`, `{"stages":[{"stage":"3_qa","count":0},{"stage":"4_merge","count":0}],`},
		{"list_items", `{"stage":"all"}`, `"total":5`},
		{"wait_for_change", `{"since":"0","stage":"any"}`, `"story_id":"1_a"`},
	} {
		if got := h.ok(tt.tool, tt.args); !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: got %s, want ...%s...", tt.tool, tt.args, got, tt.want)
		}
	}
	want(t, h.fails("claim_item", `{"stage":["3_qa","4_merge"]}`), `stage must be one of`)
	want(t, h.fails("claim_item", `{"stage":"all"}`), `stage must be one of`)
}

// TestNamesInCapitals: a value of an enum is taken in any case, and next is the stage where an
// argument that is left out means it.
func TestNamesInCapitals(t *testing.T) {
	h := newTempHost(t)
	want(t, h.ok("write_item", `{"name":"One","type":"Bug"}`), `"story_id":"1_bug_one"`)
	want(t, h.ok("write_item", `{"story_id":"1","clear":["Name"]}`), `"changed":["name"]`)
	h.ok("claim_item", `{"story_id":"1"}`)
	want(t, h.ok("advance_item", `{"story_id":"1","to":"next"}`), `"stage":"3_qa"`)
}

// TestHeadlinesNameNoStory: a headline, or an ID that is spelt in another way, is refused with the
// stories that it may mean.
func TestHeadlinesNameNoStory(t *testing.T) {
	h := newTempHost(t)
	for _, name := range []string{"Add login", "数据库迁移 v2", "添加搜索功能", "Größe prüfen"} {
		h.ok("write_item", `{"name":"`+name+`"}`)
	}
	for _, tt := range []struct{ tool, args, want string }{
		{"claim_item", `{"story_id":"Add login"}`, `there is no story "Add login"; did you mean 1_story_add_login? Otherwise find`},
		{"read_item", `{"story_id":"add login"}`, `did you mean 1_story_add_login?`},
		{"read_item", `{"story_id":"数据库迁移 v2"}`, `did you mean 2_story_v2?`},
		{"read_item", `{"story_id":"添加搜索功能"}`, `did you mean 3_story_`},
		{"delete_item", `{"story_id":"größe PRÜFEN"}`, `did you mean 4_story_grosse_prufen?`},
		{"advance_item", `{"story_id":"2_数据库"}`, `did you mean 2_story_v2?`},
		{"advance_item", `{"story_id":"1-story-login","to":"qa"}`, `did you mean 1_story_add_login?`},
		{"write_item", `{"story_id":"4","after":"Add login"}`, `after: there is no story "Add login"; did you mean 1_story_add_login? Otherwise give`},
		{"write_item", `{"story_id":"4","depends_on":["Add login"]}`, `depends_on: there is no story "Add login"; did you mean 1_story_add_login?`},
		{"read_item", `{"story_id":"Log out"}`, `story_id "Log out" is not a valid story ID`},
	} {
		want(t, h.fails(tt.tool, tt.args), tt.want)
	}
}

// TestCreatedAgain: a call that means to create a story that there is says that it moved it back. One
// that says why in a note is meant.
func TestCreatedAgain(t *testing.T) {
	h := newTempHost(t)
	const create = `{"story_id":"1_story_a","name":"A","stage":"1_backlog"`
	h.ok("write_item", create+`}`)
	h.ok("advance_item", `{"story_id":"1","to":"5_done"}`)
	want(t, h.ok("write_item", create+`}`), `"created":false,"changed":["stage"],"warning":"it was moved back from 5_done: if that is not meant, move it there again"`)
	h.ok("advance_item", `{"story_id":"1","to":"3_qa"}`)
	if got := h.ok("write_item", `{"story_id":"1","stage":"2_current","note":"no tests"}`); strings.Contains(got, "warning") {
		t.Errorf("got %s", got)
	}
}

// TestClearingManyDependencies: a story on which other replicas wrote more dependencies than one op holds can be
// cleared, in several calls, each of which says what is left.
func TestClearingManyDependencies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	h, r := newHost(t, path), newReplica(t, path)
	f := newForeign(t)
	f.add("1_s", crdt.Set("stage", crdt.String("1_backlog")))
	for n := range uint32(2 * crdt.MaxEdits) {
		f.add("1_s", crdt.Dep(100+n, true))
	}
	f.importInto(r)
	for left := 2 * crdt.MaxEdits; left > 0; {
		var out writeItemOut
		if err := json.Unmarshal([]byte(h.ok("write_item", `{"story_id":"1_s","clear":["depends_on"]}`)), &out); err != nil {
			t.Fatal(err)
		}
		now := max(out.Item.DependsCount, len(out.Item.DependsOn))
		if now >= left || strings.Contains(out.Warning, "make the call again") != (now > 0) {
			t.Fatalf("%d of %d are left, and the warning is %q", now, left, out.Warning)
		}
		left = now
	}
}
