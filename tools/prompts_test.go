package tools

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTriageSeesWarnings: the list that the prompt asks for shows the warnings that it says to look
// at.
func TestTriageSeesWarnings(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"name":"One","depends_on":[7]}`)
	triage := prompts[slices.IndexFunc(prompts, func(p prompt) bool { return p.name == "triage" })]
	asked := regexp.MustCompile(`stage 1_backlog and fields ([a-z_]+(?:, [a-z_]+)*), then`).FindStringSubmatch(triage.text)
	if asked == nil {
		t.Fatalf("the prompt names no fields: %s", triage.text)
	}
	fields, err := json.Marshal(strings.Split(asked[1], ", "))
	if err != nil {
		t.Fatal(err)
	}
	want(t, h.ok("list_items", `{"stage":"1_backlog","fields":`+string(fields)+`}`), `"waiting_on":[7]`, "no story has that number")
}
