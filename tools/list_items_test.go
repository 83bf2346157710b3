package tools

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestListBudget: what a list costs an agent in context, in pipelines as they are:
// most stories done, some under way, some waiting for others.
func TestListBudget(t *testing.T) {
	verbs := strings.Fields("Add Fix Remove Split Cache Test Rename Document Speed Retry")
	nouns := strings.Fields("login upload search invoice session backup webhook billing export parser")
	parts := strings.Fields("page form limit cache errors tests docs queue schema index")
	for _, tt := range []struct{ stories, most int }{{50, 5_000}, {1_000, 80_000}} {
		t.Run(fmt.Sprint(tt.stories), func(t *testing.T) {
			h := newHost(t, filepath.Join(t.TempDir(), "p.db"))
			for i := range tt.stories {
				args := map[string]any{"name": fmt.Sprint(verbs[i%10], " ", nouns[i/10%10], " ", parts[i/100%10]), "description": "Why and how."}
				stage := pipeline.Done
				switch left := tt.stories - i; {
				case left <= tt.stories/5:
					stage = pipeline.Backlog
					if i%4 == 0 {
						args["depends_on"] = []int{i, i - 1}
					}
				case left <= tt.stories/4:
					stage, args["agent"] = pipeline.Stages()[1+i%3], fmt.Sprint("coder-", i%5)
				}
				args["stage"] = stage
				h.ok("write_item", arg(t, args))
			}
			size, pages, seen := 0, 0, 0
			for cursor := ""; pages == 0 || cursor != ""; pages++ {
				text := h.ok("list_items", fmt.Sprintf(`{"cursor":%q}`, cursor))
				var out listItemsOut
				if err := json.Unmarshal([]byte(text), &out); err != nil {
					t.Fatal(err)
				}
				for _, s := range out.Stages {
					seen += len(s.Items)
				}
				size += len(text)
				cursor = out.NextCursor
			}
			t.Logf("%d stories in %d pages: %d bytes", seen, pages, size)
			if size > tt.most || seen != tt.stories {
				t.Errorf("%d stories in %d pages have %d bytes, want %d stories in %d at most", seen, pages, size, tt.stories, tt.most)
			}
		})
	}
}

// TestListFields: every field that may be chosen shows what read_item shows, and
// every field of an item may be chosen.
func TestListFields(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog","name":"n","description":"d","retry_count":2}`)
	h.ok("claim_item", `{"story_id":"1_s","agent":"coder-1"}`)
	h.ok("write_item", `{"story_id":"1_s","depends_on":[7]}`)
	h.ok("set_blocked", `{"story_id":"1_s","blocked":true,"reason":"r"}`)
	read := map[string]any{}
	if err := json.Unmarshal([]byte(h.ok("read_item", `{"story_id":"1_s"}`)), &read); err != nil {
		t.Fatal(err)
	}
	want := read["item"].(map[string]any)
	want["description"] = read["description"]
	for _, f := range reflect.VisibleFields(reflect.TypeFor[listItem]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !isListField(name) {
			continue
		}
		var list struct {
			Stages []struct{ Items []map[string]any }
		}
		if err := json.Unmarshal([]byte(h.ok("list_items", `{"fields":["`+name+`"]}`)), &list); err != nil {
			t.Fatal(err)
		}
		var shown map[string]any
		for _, stage := range list.Stages {
			for _, it := range stage.Items {
				shown = it
			}
		}
		if name == "stage_since" {
			if _, err := time.Parse(time.RFC3339, fmt.Sprint(shown[name])); err != nil {
				t.Error(err)
			}
			continue
		}
		if name == "claim" {
			if claim, _ := shown["claim"].(map[string]any); claim["agent"] != "coder-1" {
				t.Errorf("claim: got %v", shown)
			}
			continue
		}
		if name != "ready" && want[name] == nil { // it is blocked
			t.Errorf("the test's story has no %s", name)
		}
		if !reflect.DeepEqual(shown[name], want[name]) || len(shown) > 2 {
			t.Errorf("%s: got %v, want %v", name, shown, want[name])
		}
	}
	shown := []string{"", "story_id", "stage", "lapsed_agent", "depends_on_count", "waiting_on_count"} // with others, or always
	for _, f := range reflect.VisibleFields(reflect.TypeFor[item]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !isListField(name) && !slices.Contains(shown, name) {
			t.Errorf("%s cannot be chosen", name)
		}
	}
}

// list returns the answer of list_items as "stage count: id id; ...".
func (h *host) list(args string) (shown string, next string) {
	h.t.Helper()
	text := h.ok("list_items", args)
	if len(text) > maxAnswerBytes {
		h.t.Errorf("list_items %s: an answer of %d bytes", args, len(text))
	}
	var out listItemsOut
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		h.t.Fatal(err)
	}
	var groups []string
	for _, g := range out.Stages {
		group := fmt.Sprint(g.Stage, " ", g.Count, ":")
		for _, it := range g.Items {
			group += " " + it.StoryID
		}
		groups = append(groups, group)
	}
	return strings.Join(groups, "; "), out.NextCursor
}

// TestListGroups: work in hand first, all six stages with their counts on the first page, several
// stages at a time, and the story that has the number in the query before all others.
func TestListGroups(t *testing.T) {
	h := newTempHost(t)
	for i, stage := range pipeline.Stages() {
		h.ok("write_item", fmt.Sprintf(`{"story_id":"%d_s","stage":%q,"name":"at 12"}`, 10+i, stage))
	}
	for _, tt := range []struct{ args, want string }{
		{`{}`, "2_current 1: 11_s; 3_qa 1: 12_s; 4_merge 1: 13_s; 1_backlog 1: 10_s; 5_done 1: 14_s; 6_archived 1: 15_s"},
		{`{"limit":1}`, "2_current 1: 11_s; 3_qa 1:; 4_merge 1:; 1_backlog 1:; 5_done 1:; 6_archived 1:"},
		{`{"stage":"qa, 1_backlog"}`, "3_qa 1: 12_s; 1_backlog 1: 10_s"},
		{`{"agent":"nobody"}`, "2_current 0:; 3_qa 0:; 4_merge 0:; 1_backlog 0:; 5_done 0:; 6_archived 0:"},
		{`{"stage":"2_current","blocked":true}`, "2_current 0:"},
		{`{"query":"#15"}`, "6_archived 1: 15_s; 2_current 0:; 3_qa 0:; 4_merge 0:; 1_backlog 0:; 5_done 0:"},
		{`{"query":"12"}`, "3_qa 1: 12_s; 2_current 1: 11_s; 4_merge 1: 13_s; 1_backlog 1: 10_s; 5_done 1: 14_s; 6_archived 1: 15_s"},
		{`{"query":"#12","stage":"5_done"}`, "5_done 1: 14_s"},
		{`{"updated_since":"24h","stage":"3"}`, "3_qa 1: 12_s"},
		{`{"updated_since":"7d","limit":2,"stage":"done,archived"}`, "5_done 1: 14_s; 6_archived 1: 15_s"},
		{`{"updated_since":"2999-01-01T00:00:00Z","stage":"3"}`, "3_qa 0:"},
	} {
		if got, _ := h.list(tt.args); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.args, got, tt.want)
		}
	}
	if got := h.fails("list_items", `{"stage":"3_qa,nowhere"}`); !strings.Contains(got, `stage must be one of`) || !strings.Contains(got, `got "nowhere"`) {
		t.Errorf("got %s", got)
	}
	if got := h.fails("list_items", `{"updated_since":"yesterday"}`); !strings.Contains(got, `updated_since is "yesterday"; give a time as RFC 3339`) {
		t.Errorf("got %s", got)
	}
}

// TestPagesOfANumber: the story with the number comes on the first page and on no other.
func TestPagesOfANumber(t *testing.T) {
	h := newTempHost(t)
	for n := range 20 {
		h.ok("write_item", fmt.Sprintf(`{"story_id":"%d_s","stage":"1_backlog","description":"see 7"}`, n+1))
	}
	for _, limit := range []int{1, 2, 7, 200} {
		var all []string
		for cursor := ""; ; {
			shown, next := h.list(fmt.Sprintf(`{"query":"7","stage":"1_backlog","limit":%d,"cursor":%q}`, limit, cursor))
			if ids := strings.Fields(shown)[2:]; len(ids) > limit {
				t.Errorf("limit %d: %s", limit, shown)
			} else {
				all = append(all, ids...)
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		seen := map[string]bool{}
		for _, id := range all {
			seen[id] = true
		}
		if all[0] != "7_s" || len(all) != 20 || len(seen) != 20 {
			t.Errorf("limit %d: got %v", limit, all)
		}
	}
}

// TestListOfForeignStories: whatever other replicas wrote, an answer fits hosts, unknown stages are one
// group, and the pages hold every story once.
func TestListOfForeignStories(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	h, r := newHost(t, path), newReplica(t, path)
	foreign := newForeign(t)
	for n := range 300 {
		var edits []crdt.Edit
		if n == 7 {
			for d := range uint32(200) {
				edits = append(edits, crdt.Dep(1000+d, true))
			}
		}
		long := strings.Repeat("\x01", 4000)
		foreign.add(fmt.Sprintf("%d_s", n), append(edits, crdt.Set("stage", crdt.String(fmt.Sprintf("9_%d_%s", n, long))), crdt.Set("name", crdt.String(long)), crdt.Set("agent", crdt.String(long)))...)
	}
	foreign.importInto(r)
	seen := map[string]bool{}
	pages := 0
	for cursor := ""; ; pages++ {
		text := h.ok("list_items", fmt.Sprintf(`{"limit":200,"fields":["name","agent","depends_on","waiting_on","warnings"],"cursor":%q}`, cursor))
		if len(text) > maxAnswerBytes {
			t.Errorf("an answer of %d bytes", len(text))
		}
		var out listItemsOut
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		last := out.Stages[len(out.Stages)-1]
		if last.Stage != "other" || last.Count != 300 || cursor == "" && len(out.Stages) != 7 {
			t.Fatalf("%d groups, the last is %s with %d", len(out.Stages), last.Stage, last.Count)
		}
		for _, it := range last.Items {
			if seen[it.StoryID] || !strings.HasPrefix(it.Stage, "9_") {
				t.Errorf("%s is shown again, or its stage is %q", it.StoryID, it.Stage)
			}
			if seen[it.StoryID] = true; it.StoryID == "7_s" && (len(it.DependsOn) != maxNumbersShown || it.DependsCount != 200 || it.WaitingCount != 200) {
				t.Errorf("%d of %d dependencies", len(it.DependsOn), it.DependsCount)
			}
		}
		if cursor = out.NextCursor; cursor == "" {
			break
		}
	}
	if len(seen) != 300 || pages > 30 {
		t.Errorf("%d stories on %d pages, want 300", len(seen), pages)
	}
}

// TestListOfManyHits: the hits of a query are counted up to a bound, and an answer says so when there are more.
func TestListOfManyHits(t *testing.T) {
	const most = 1000
	path := filepath.Join(t.TempDir(), "p.db")
	h, r := newHost(t, path), newReplica(t, path)
	foreign := newForeign(t)
	list := func(hits int) (out listItemsOut) {
		t.Helper()
		for n := int(foreign.seq); n < hits; n++ {
			foreign.add(fmt.Sprintf("%d_story_x", n+1), crdt.Set("stage", crdt.String("1_backlog")), crdt.Set("name", crdt.String("Needle")))
		}
		foreign.importInto(r)
		if err := json.Unmarshal([]byte(h.ok("list_items", `{"query":"needle","limit":1}`)), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := list(most); out.Total != most || out.Warning != "" {
		t.Errorf("of %d hits %d are counted, and the warning is %q", most, out.Total, out.Warning)
	}
	if out := list(most + 1); out.Total != most || !strings.Contains(out.Warning, "more than 1000 stories match") || out.NextCursor == "" {
		t.Errorf("of %d hits %d are counted, and the warning is %q", most+1, out.Total, out.Warning)
	}
}
