package tools

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

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
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog","name":"n","retry_count":2}`)
	h.ok("claim_item", `{"story_id":"1_s","agent":"coder-1"}`)
	h.ok("write_item", `{"story_id":"1_s","depends_on":[7]}`)
	h.ok("set_blocked", `{"story_id":"1_s","blocked":true,"reason":"r"}`)
	read := map[string]any{}
	if err := json.Unmarshal([]byte(h.ok("read_item", `{"story_id":"1_s"}`)), &read); err != nil {
		t.Fatal(err)
	}
	want := read["item"].(map[string]any)
	for f := range reflect.TypeFor[listItem]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "story_id" {
			continue
		}
		var list struct {
			Stages []struct{ Items []map[string]any }
		}
		if err := json.Unmarshal([]byte(h.ok("list_items", `{"fields":["`+name+`"]}`)), &list); err != nil {
			t.Fatal(err)
		}
		shown := list.Stages[0].Items[0]
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
	for f := range reflect.TypeFor[item]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if _, ok := listFields[name]; !ok && name != "story_id" && name != "stage" && name != "lapsed_agent" {
			t.Errorf("%s cannot be chosen", name)
		}
	}
}
