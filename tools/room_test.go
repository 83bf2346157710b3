package tools

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// worst brings in stories that are as long as the format allows, of one character.
func worst(t *testing.T, path, character string) *host {
	t.Helper()
	h, r := newHost(t, path), newReplica(t, path)
	long := func(bytes int) crdt.Value { return crdt.String(strings.Repeat(character, bytes/len(character))) }
	f := newForeign(t)
	id := "1_story_" + strings.Repeat("w", 100)
	f.add(id, crdt.Set("stage", crdt.String("1_backlog")), crdt.Set("description", long(60_000)))
	f.add(id, crdt.Set("description", long(64_000)))
	f.add(id, crdt.Set("name", long(30_000)), crdt.Set("blocked_reason", long(30_000)))
	f.add(id, crdt.Set("agent", long(60_000)))
	f.add(id, crdt.Set("blocked", crdt.Bool(true)))
	for from := range uint32(10) {
		var edits []crdt.Edit
		for n := range uint32(crdt.MaxEdits) {
			edits = append(edits, crdt.Dep(4_000_000_000+from*crdt.MaxEdits+n, true))
		}
		f.add(id, edits...)
	}
	for range 25 {
		f.add(id, crdt.Note(strings.Repeat(character, crdt.MaxNote/len(character))))
	}
	for i := range 48 { // more with the same number, which depend on it
		stage := []string{"1_backlog", "2_current", "3_qa", strings.Repeat(character, 5000/len(character)) + fmt.Sprint(i)}[i%4]
		f.add(fmt.Sprintf("1_%d_%s", i, strings.Repeat("y", 120)), crdt.Set("stage", crdt.String(stage)), crdt.Set("name", long(5_000)),
			crdt.Set("agent", long(120)), crdt.Set("description", long(5_000)), crdt.Set("blocked", crdt.Bool(i%3 == 0)), crdt.Set("blocked_reason", long(5_000)), crdt.Dep(1, true))
	}
	var fields []crdt.Edit
	for i := range crdt.MaxEdits {
		fields = append(fields, crdt.Set(fmt.Sprintf("%03d%s", i, strings.Repeat("f", 50)), long(90)))
	}
	f.add(id, fields...)
	f.importInto(r)
	return h
}

// worstOutlets are calls of every tool about the worst stories, and what shows that they were answered.
var worstOutlets = []struct{ tool, args, says string }{
	{"read_item", `{"story_id":"WORST"}`, " more characters)"},
	{"read_item", `{"story_id":"WORST","history":100}`, `"next_cursor"`},
	{"list_items", `{"limit":200,"fields":["name","agent","retry_count","blocked","blocked_reason","depends_on","ready","waiting_on","warnings","updated_at","rev","stage_since","description","claim"]}`, `"next_cursor"`},
	{"list_items", `{"query":"1","limit":200,"fields":["name","agent","blocked_reason","depends_on","waiting_on","warnings","description"]}`, "1_0_"},
	{"wait_for_change", `{"since":"0","timeout_seconds":0}`, `"changed":true`},
	{"wait_for_change", `{"since":"0","timeout_seconds":0,"story_id":"WORST"}`, `"changed":true`},
	{"write_item", `{"story_id":"WORST","note":"n"}`, `more`},
	{"write_item", `{"story_id":"WORST","if_rev":"000000000000","name":"n"}`, "current item"},
	{"write_item", `{"story_id":"WORST","stage":"nowhere"}`, "stage"},
	{"bump_retry", `{"story_id":"WORST"}`, ""},
	{"claim_item", `{"story_id":"WORST"}`, ""},
	{"claim_item", `{}`, ""},
	{"advance_item", `{"story_id":"WORST"}`, ""},
	{"release_item", `{"story_id":"WORST"}`, ""},
	{"set_blocked", `{"story_id":"WORST","blocked":false}`, ""},
	{"claim_item", `{"story_id":"WORST"}`, ""},
	{"delete_item", `{"story_id":"WORST"}`, ""},
	{"delete_item", `{"story_id":"WORST","restore":true}`, ""},
}

// TestC43_AnswersAreBounded: whatever other replicas wrote, no answer has more than 48 KiB.
func TestC43_AnswersAreBounded(t *testing.T) {
	id := "1_story_" + strings.Repeat("w", 100)
	for _, character := range []string{`"`, "\n", "\u2028", "🐕"} {
		t.Run(fmt.Sprintf("%q", character), func(t *testing.T) {
			h := worst(t, filepath.Join(t.TempDir(), "p.db"), character)
			check := func(what, text, says string) {
				t.Helper()
				if len(text) > maxAnswerBytes {
					t.Errorf("%s answers %d bytes", what, len(text))
				}
				if !strings.Contains(text, strings.ReplaceAll(says, "WORST", id)) {
					t.Errorf("%s says %.600q, want %q", what, text, says)
				}
			}
			for _, o := range worstOutlets {
				check(o.tool+" "+o.args, h.call(o.tool, strings.ReplaceAll(o.args, "WORST", id)).Content[0].Text, o.says)
			}
			h.checkPages(id, check)
			for uri, says := range map[string]string{pipelineURI: "## 6_archived", storyURI + id: " more characters)"} {
				var page struct{ Contents []struct{ Text string } }
				h.decode("resources/read", map[string]any{"uri": uri}, &page)
				check(uri, page.Contents[0].Text, says)
			}
			check("resources/list", string(h.request("resources/list", map[string]any{})), "pipeline")
			for _, argument := range []string{"story_id", "agent", "stage"} {
				check("completion of "+argument, string(h.request("completion/complete", map[string]any{
					"ref": map[string]any{"type": "ref/resource", "uri": storyTemplate}, "argument": map[string]any{"name": argument, "value": ""},
				})), "values")
			}
			check("prompts/get", string(h.request("prompts/get", map[string]any{"name": "hand_off", "arguments": map[string]string{"story_id": id}})), id)
		})
	}
}

// checkPages reads the whole history of a story, page by page.
func (h *host) checkPages(id string, check func(what, text, says string)) {
	h.t.Helper()
	cursor, changes := "", 0
	for page := 0; page == 0 || cursor != ""; page++ {
		text := h.ok("read_item", fmt.Sprintf(`{"story_id":%q,"history":100,"cursor":%q}`, id, cursor))
		check(fmt.Sprint("page ", page, " of the history"), text, "item")
		var out readItemOut
		if err := json.Unmarshal([]byte(text), &out); err != nil || page > 100 {
			h.t.Fatalf("page %d: %v", page, err)
		}
		changes, cursor = changes+len(out.History), out.NextCursor
	}
	if changes < 40 {
		h.t.Errorf("the pages hold %d changes", changes)
	}
}

// decode makes a request and decodes its result.
func (h *host) decode(method string, params map[string]any, to any) {
	h.t.Helper()
	if err := json.Unmarshal(h.request(method, params), to); err != nil {
		h.t.Fatal(err)
	}
}

// TestLongPromptArguments: a prompt does not repeat what is longer than any name.
func TestLongPromptArguments(t *testing.T) {
	for i := range prompts {
		p := &prompts[i]
		args := map[string]string{}
		for _, a := range p.arguments {
			args[a.Name] = strings.Repeat("x", crdt.MaxStoryID+1)
		}
		if _, err := p.fill(args); len(args) > 0 && (err == nil || !strings.Contains(err.Error(), "at most 128 are allowed")) {
			t.Errorf("%s: got %v", p.name, err)
		}
	}
}

// TestShorten: what is shown fits, is a beginning of the text, and says how much is left.
func TestShorten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.SampledFrom([]rune("ab\n\"\\é漢🐕\u2028\x01")), 0, 300, -1).Draw(t, "text")
		room := rapid.IntRange(40, 400).Draw(t, "room")
		got := shorten(s, room)
		b, err := compactJSON(got)
		if err != nil || len(b)-2 > room || len(quoted(got))-2 > room+len("> ") {
			t.Fatalf("%q takes %d bytes, want at most %d", got, len(b)-2, room)
		}
		shown, rest, cut := strings.Cut(got, "...")
		left := 0
		if cut {
			if _, err := fmt.Sscanf(rest, " (%d more characters)", &left); err != nil {
				t.Fatalf("%q ends in %q: %v", got, rest, err)
			}
		}
		if !strings.HasPrefix(s, shown) || utf8.RuneCountInString(shown)+left != utf8.RuneCountInString(s) {
			t.Fatalf("%q and %d more is not %q", shown, left, s)
		}
	})
}
