package tools

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDeleteItem: what agents get, to the letter, and that nothing else shows a
// deleted story.
func TestDeleteItem(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog","description":"why","note":"n"}`)
	h.ok("write_item", `{"story_id":"2_s","stage":"1_backlog","depends_on":[1]}`)
	for _, tt := range []struct{ args, want string }{
		{`{"story_id":"1_s"}`, `{"story_id":"1_s","deleted":true,"changed":true,"dependents":["2_s"]}`},
		{`{"story_id":"1_s"}`, `{"story_id":"1_s","deleted":true,"changed":false,"dependents":["2_s"]}`},
		{`{"story_id":"2_s"}`, `{"story_id":"2_s","deleted":true,"changed":true}`},
		{`{"story_id":"1_s","restore":true}`, `{"story_id":"1_s","deleted":false,"changed":true,"item":{"story_id":"1_s","stage":"1_backlog","ready":true,"updated_at":"T","rev":"R"}}`},
		{`{"story_id":"1_s","restore":"true"}`, `{"story_id":"1_s","deleted":false,"changed":false,"item":{"story_id":"1_s","stage":"1_backlog","ready":true,"updated_at":"T","rev":"R"}}`},
	} {
		if diff := cmp.Diff(tt.want, anyCursor(noTime(h.ok("delete_item", tt.args)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.args, diff)
		}
	}
	if out := h.read("1_s", ""); out.Description != "why" || out.NoteCount != 1 {
		t.Errorf("restored: got %+v", out)
	}
	const back = "delete_item with restore: true brings it back"
	for _, tt := range []struct{ tool, args, want string }{
		{"read_item", `{"story_id":"2_s"}`, back},
		{"write_item", `{"story_id":"2_s","stage":"5_done"}`, back},
		{"write_item", `{"story_id":"2_s","note":"x"}`, back},
		{"set_blocked", `{"story_id":"2_s","blocked":true}`, back},
		{"bump_retry", `{"story_id":"2_s"}`, back},
		{"claim_item", `{"story_id":"2_s"}`, back},
		{"advance_item", `{"story_id":"2_s"}`, back},
		{"release_item", `{"story_id":"2_s"}`, back},
		{"write_item", `{"story_id":"2_other","stage":"1_backlog"}`, "number 2 belonged to the deleted story 2_s and is not given out again; use a number that was never used, e.g. 3, or bring the story back with delete_item (restore: true)"},
		{"delete_item", `{"story_id":"3_s"}`, `there is no story "3_s"`},
		{"delete_item", `{"story_id":"3_s","restore":true}`, `there is no story "3_s"`},
	} {
		if got := h.fails(tt.tool, tt.args); !strings.Contains(got, tt.want) {
			t.Errorf("%s %s:\ngot  %s\nwant ...%s...", tt.tool, tt.args, got, tt.want)
		}
	}
	if got := h.ok("list_items", `{}`); strings.Contains(got, "2_s") {
		t.Errorf("a deleted story is listed: %s", got)
	}
	if got := h.ok("write_item", `{"name":"New"}`); !strings.Contains(got, `"story_id":"3_story_new"`) {
		t.Errorf("the number of a deleted story was given out: %s", got)
	}
}

// anyCursor hides which change an answer reflects.
func anyCursor(s string) string {
	return regexp.MustCompile(`"cursor":"[^"]*"`).ReplaceAllString(s, `"cursor":"C"`)
}

// TestDeleteNamesSomeDependents, and counts the rest.
func TestDeleteNamesSomeDependents(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)
	for i := range maxDependents + 5 {
		h.ok("write_item", fmt.Sprintf(`{"story_id":"%d_s","stage":"1_backlog","depends_on":[1]}`, 100+i))
	}
	got := h.ok("delete_item", `{"story_id":"1_s"}`)
	if strings.Count(got, "_s") != 1+maxDependents || !strings.Contains(got, `"119_s"],"dependent_count":25}`) {
		t.Errorf("got %s", got)
	}
}
