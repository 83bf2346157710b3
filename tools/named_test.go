package tools

import (
	"strings"
	"testing"
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
