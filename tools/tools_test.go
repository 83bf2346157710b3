package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/huskies/huskies-mcp/crdt"
)

// noTime takes what differs from run to run out of an answer.
func noTime(s string) string {
	s = regexp.MustCompile(`"updated_at":"[^"]*"`).ReplaceAllString(s, `"updated_at":"T"`)
	s = regexp.MustCompile(`"at":"[^"]*"`).ReplaceAllString(s, `"at":"T"`)
	s = regexp.MustCompile(`"cursor":"([0-9]+)\.[0-9a-f]{8}\.[0-9a-f]{8}"`).ReplaceAllString(s, `"cursor":"$1.P"`)
	return regexp.MustCompile(`"rev":"[0-9a-f]{12}"`).ReplaceAllString(s, `"rev":"R"`)
}

// TestAnswers: what agents get, to the letter.
func TestAnswers(t *testing.T) {
	h := newTempHost(t)
	for _, tt := range []struct{ tool, args, want string }{
		{"list_items", `{}`, `{"stages":[{"stage":"2_current","count":0},{"stage":"3_qa","count":0},{"stage":"4_merge","count":0},{"stage":"1_backlog","count":0},{"stage":"5_done","count":0},{"stage":"6_archived","count":0}],"total":0,"cursor":"0"}`},
		{
			"write_item", `{"story_id":"1_s","stage":"1_backlog"}`,
			`{"item":{"story_id":"1_s","stage":"1_backlog","ready":true,"updated_at":"T","rev":"R"},"created":true,"changed":["stage"]}`,
		},
		{
			"write_item", `{"story_id":"1_s","stage":"1_backlog","name":"","blocked":null}`,
			`{"item":{"story_id":"1_s","stage":"1_backlog","ready":true,"updated_at":"T","rev":"R"},"created":false,"changed":[]}`,
		},
		{
			"write_item", `{"story_id":"2_s","stage":"2_current","name":"<b> & c","agent":"coder-1","retry_count":"2","blocked":"true","depends_on":["1",7]}`,
			`{"item":{"story_id":"2_s","stage":"2_current","name":"<b> & c","agent":"coder-1","retry_count":2,"blocked":true,"depends_on":[1,7],"waiting_on":[1,7],"warnings":["depends_on 7: no story has that number, so it is not met"],"updated_at":"T","rev":"R"},"created":true,"changed":["stage","name","agent","retry_count","blocked","depends_on"],"warning":"it is assigned to agent \"coder-1\" now: nobody else can claim it, and that agent must claim it to hold it: if that is not meant, write_item with clear: [\"agent\"] frees it"}`,
		},
		{
			"set_blocked", `{"story_id":"2_s","blocked":false}`,
			`{"item":{"story_id":"2_s","stage":"2_current","name":"<b> & c","agent":"coder-1","depends_on":[1,7],"waiting_on":[1,7],"warnings":["depends_on 7: no story has that number, so it is not met"],"updated_at":"T","rev":"R"},"changed":["blocked","retry_count"]}`,
		},
		{
			"write_item", `{"story_id":"2_s","clear":["depends_on","agent"]}`,
			`{"item":{"story_id":"2_s","stage":"2_current","name":"<b> & c","ready":true,"updated_at":"T","rev":"R"},"created":false,"changed":["agent","depends_on"]}`,
		},
		{
			"bump_retry", `{"story_id":"2_s"}`,
			`{"item":{"story_id":"2_s","stage":"2_current","name":"<b> & c","retry_count":1,"ready":true,"updated_at":"T","rev":"R"},"limit":3,"blocked_by_limit":false}`,
		},
		{
			"bump_retry", `{"story_id":"2_s","by":2.0}`,
			`{"item":{"story_id":"2_s","stage":"2_current","name":"<b> & c","retry_count":3,"blocked":true,"blocked_reason":"retry limit reached (3 of 3)","updated_at":"T","rev":"R"},"limit":3,"blocked_by_limit":true}`,
		},
		{
			"set_blocked", `{"story_id":"1_s","blocked":true,"reason":"no key"}`,
			`{"item":{"story_id":"1_s","stage":"1_backlog","blocked":true,"blocked_reason":"no key","updated_at":"T","rev":"R"},"changed":["blocked","blocked_reason"]}`,
		},
		{
			"read_item", `{"story_id":"1_s"}`,
			`{"item":{"story_id":"1_s","stage":"1_backlog","blocked":true,"blocked_reason":"no key","updated_at":"T","rev":"R"},"cursor":"7.P"}`,
		},
		{
			"list_items", `{"stage":"2_current","limit":1}`,
			`{"stages":[{"stage":"2_current","count":1,"items":[{"story_id":"2_s","name":"<b> & c","blocked":true}]}],"total":1,"cursor":"7.P"}`,
		},
		{"list_items", `{"ready":true}`, `{"stages":[{"stage":"2_current","count":0},{"stage":"3_qa","count":0},{"stage":"4_merge","count":0},{"stage":"1_backlog","count":0},{"stage":"5_done","count":0},{"stage":"6_archived","count":0}],"total":0,"cursor":"7.P"}`},
	} {
		if diff := cmp.Diff(tt.want, noTime(h.ok(tt.tool, tt.args))); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.tool, tt.args, diff)
		}
	}
}

// TestErrorsSayWhatToDo: plain words with the next step, and nothing written.
func TestErrorsSayWhatToDo(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"10_story_login","stage":"1_backlog"}`)
	before := h.ok("list_items", `{}`)
	numbers, _ := json.Marshal(make([]int, 65))
	for _, tt := range []struct{ tool, args, want string }{
		{"read_item", `{"story_id":"10_story_lgin"}`, "did you mean 10_story_login? Otherwise find the right story_id with list_items"},
		{"read_item", `{}`, "read_item needs story_id"},
		{"read_item", `{"story_id":"x/y"}`, `story_id "x/y" is not a valid story ID; use letters`},
		{"read_item", `{"story_id":"10/x"}`, `there is no story "10/x"; did you mean 10_story_login?`},
		{"read_item", `{"story_id":[10]}`, "story_id must be a string, got the array [10]"},
		{"read_item", `{"story_id":"login"}`, "did you mean 10_story_login?"},
		{"read_item", `{"id":"10_story_login"}`, `read_item has no argument "id": did you mean "story_id"?`},
		{"read_item", `{"story_id":"10_story_login","xyz":1}`, `read_item has no argument "xyz": it takes story_id`},
		{"read_item", `{"story_id":"10_story_login","story_id":"11_x"}`, `argument "story_id" is given twice`},
		{"read_item", `{"storyid":"10_story_login"}`, `did you mean "story_id"?`},
		{"read_item", `[1]`, "arguments of read_item must be a JSON object"},
		{"write_item", `{"story_id":"11_x"}`, "give stage, e.g. 1_backlog, to create it"},
		{"write_item", `{"story_id":"10_x"}`, "did you mean 10_story_login? Otherwise give stage"},
		{"write_item", `{"story_id":"10_story_login","stage":"2_qa"}`, `stage must be one of 1_backlog, 2_current, 3_qa, 4_merge, 5_done, 6_archived; got "2_qa": did you mean "3_qa"?`},
		{"write_item", `{"story_id":"10_story_login","stage":"2_curent"}`, `did you mean "2_current"?`},
		{"write_item", `{"story_id":"10_story_login","depends_on":[1,"x/y"]}`, `depends_on "x/y" names no story; give the number or the story_id of a story`},
		{"write_item", `{"story_id":"10_story_login","depends_on":[1,true]}`, `depends_on[1] must be an integer, got true (depends_on: numbers of the stories`},
		{"write_item", `{"story_id":"10_story_login","blocked_reason":"x"}`, `write_item has no argument "blocked_reason": set_blocked takes a reason`},
		{"set_blocked", `{"story_id":"10_story_login","blocked":true,"blocked_reason":"x"}`, `did you mean "reason"?`},
		{"advance_item", `{"story_id":"10_story_login","stage":"3_qa"}`, `did you mean "to"?`},
		{"write_item", `{"story_id":"10_story_login","to":"3_qa"}`, `did you mean "stage"?`},
		{"release_item", `{"story_id":"10_story_login","st":"x"}`, `release_item has no argument "st": it takes story_id`},
		{"advance_item", `{"story_id":"10_story_login","agent":"` + strings.Repeat("é", 100) + `"}`, "agent has 200 bytes, at most 128 are allowed"},
		{"release_item", `{"story_id":"10_story_login","reason":"x"}`, `did you mean "note"?`},
		{"wait_for_change", `{"cursor":"0"}`, `did you mean "since"?`},
		{"write_item", `{"story_id":"10_story_login","note":[` + strings.Repeat("1,", 60) + `1]}`, "note must be a string, got an array"},
		{"write_item", `{"story_id":"10_story_login","title":"x","tags":[]}`, `write_item has no argument "tags": it takes story_id, after, agent, before, blocked, claim, clear, depends_on, description, if_rev, name, note, retry_count, stage, type; write_item has no argument "title": did you mean "name"?`},
		{"write_item", `{"story_id":"10_story_login","agent":"ann","clear":["agent"]}`, `agent is given, and clear names it too; leave it out of one of the two`},
		{"write_item", `{"story_id":"10_story_login","clear":["stage"]}`, `clear[0] must be one of agent, description, depends_on, name; got "stage"`},
		{"write_item", `{"story_id":"10_story_login","priority":1}`, `write_item has no argument "priority": the order of the stories is their priority: write_item with after or before changes it`},
		{"read_item", `{"story_id":""}`, "read_item needs story_id"},
		{"set_blocked", `{"story_id":"10_story_login","blocked":""}`, "set_blocked needs blocked"},
		{"list_items", `{"query":"` + strings.Repeat("é", 129) + `"}`, "query has 258 bytes, at most 256 are allowed"},
		{"write_item", `{"story_id":"10_story_login","depends_on":[-1]}`, "depends_on[0] must be at least 0, got the number -1"},
		{"write_item", `{"story_id":"10_story_login","depends_on":[4294967296]}`, "depends_on[0] must be at most 4294967295"},
		{"write_item", `{"story_id":"10_story_login","depends_on":true}`, "depends_on must be an array, got true"},
		{"write_item", `{"story_id":"10_story_login","depends_on":` + string(numbers) + `}`, "65 elements, at most 64"},
		{"write_item", `{"story_id":"10_story_login","retry_count":1.5}`, "retry_count must be an integer, got the number 1.5"},
		{"write_item", `{"story_id":"10_story_login","retry_count":1000001}`, "retry_count must be at most 1000000"},
		{"write_item", `{"story_id":"10_story_login","retry_count":1e300}`, "retry_count must be at most 1000000"},
		{"write_item", `{"story_id":"10_story_login","retry_count":"1e999999999"}`, "retry_count must be an integer, got the string"},
		{"write_item", `{"story_id":"10_story_login","blocked":"maybe"}`, `blocked must be a boolean, got the string "maybe"`},
		{"write_item", `{"story_id":"10_story_login","name":"` + strings.Repeat("n", 257) + `"}`, "name has 257 bytes, at most 256 are allowed; shorten it"},
		{"write_item", `{"story_id":"10_story_login","name":"` + strings.Repeat("é", 129) + `"}`, "name has 258 bytes, at most 256"},
		{"write_item", `{"story_id":"10_story_login","if_rev":"0123456789ab","stage":"3_qa"}`, "has moved on"},
		{"set_blocked", `{"story_id":"10_story_login"}`, "set_blocked needs blocked"},
		{"set_blocked", `{"story_id":"10_story_login","blocked":false,"reason":"x"}`, "leave reason out"},
		{"bump_retry", `{"story_id":"10_story_login","by":-1}`, "by must be at least 1, got the number -1"},
		{"bump_retry", `{"story_id":"10_story_login","by":"x"}`, `by must be an integer, got the string "x"`},
		{"list_items", `{"agent":"me"}`, `agent "me" is not a name`},
		{"list_items", `{"limit":201}`, "limit must be at most 200"},
		{"list_items", `{"cursor":"zzz"}`, "pass next_cursor as it was given"},
		{"wait_for_change", `{"since":"x"}`, "since is not a cursor that an answer gave; pass the cursor of any answer as it was given (a next_cursor is for the tool alone"},
		{"wait_for_change", `{"since":"MV9iYWNrbG9nL0AxX3M"}`, "since is not a cursor that an answer gave"},
		{"wait_for_change", `{"since":"1"}`, "since is not a cursor that an answer gave"},
		{"wait_for_change", `{"since":"0","story_id":"1/s"}`, `story_id "1/s" is not a valid story ID`},
		{"wait_for_change", `{"since":"0","stage":"q"}`, `stage must be one of`},
		{"wait_for_change", `{"since":"0","timeout_seconds":51}`, "timeout_seconds must be at most 50"},
		{"list_items", `{"cursor":"1.9f3a01bc"}`, "pass next_cursor as it was given"},
		{"list_items", `{"agent":5,"stagee":"x"}`, `agent must be a string, got the number 5; list_items has no argument "stagee": did you mean "stage"?`},
	} {
		if got := h.fails(tt.tool, tt.args); !strings.Contains(got, tt.want) {
			t.Errorf("%s %.80s:\ngot  %s\nwant ...%s...", tt.tool, tt.args, got, tt.want)
		}
	}
	if diff := cmp.Diff(before, h.ok("list_items", `{}`)); diff != "" {
		t.Error("a refused call changed something:", diff)
	}
}

// TestC18_OddText: what comes in goes out, whatever the text is. What readers do
// not see is the matter of TestHiddenCharacters.
func TestC18_OddText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	for i, name := range []string{"<script>&amp;</script>", "é is not e\u0301", "tab\tline\n", "\U0001f436 dog", "\u2028", "{\"a\":1}", "soft\u00adhyphen", strings.Repeat("\U0001f436", 64)} {
		h := newHost(t, path)
		id := fmt.Sprintf("%d_s", i)
		args, _ := json.Marshal(map[string]any{"story_id": id, "stage": "1_backlog", "name": name})
		h.ok("write_item", string(args))
		var out struct{ Item struct{ Name string } }
		if err := json.Unmarshal([]byte(newHost(t, path).ok("read_item", `{"story_id":"`+id+`"}`)), &out); err != nil || out.Item.Name != name {
			t.Errorf("got %q (%v), want %q", out.Item.Name, err, name)
		}
	}
}

// TestConflictShowsTheCurrentItem, so that the agent can decide again at once.
func TestConflictShowsTheCurrentItem(t *testing.T) {
	h := newTempHost(t)
	var out writeItemOut
	if err := json.Unmarshal([]byte(h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)), &out); err != nil {
		t.Fatal(err)
	}
	claim := func(agent string) string {
		return fmt.Sprintf(`{"story_id":"1_s","stage":"2_current","agent":%q,"if_rev":%q}`, agent, out.Item.Rev)
	}
	h.ok("write_item", claim("coder-1"))
	got := h.fails("write_item", claim("coder-2"))
	_, current, ok := strings.Cut(got, "\ncurrent item: ")
	var it item
	if !ok || json.Unmarshal([]byte(current), &it) != nil || it.Agent != "coder-1" || it.Rev == out.Item.Rev {
		t.Errorf("got %s", got)
	}
	for _, call := range [][2]string{
		{"set_blocked", `{"story_id":"1_s","blocked":true,"if_rev":"` + out.Item.Rev + `"}`},
		{"bump_retry", `{"story_id":"1_s","if_rev":"` + out.Item.Rev + `"}`},
	} {
		if got := h.fails(call[0], call[1]); !strings.Contains(got, "has moved on") {
			t.Errorf("%s: got %s", call[0], got)
		}
	}
	read := h.ok("read_item", `{"story_id":"1_s"}`)
	if diff := cmp.Diff(`{"item":`+current+`,"cursor":"`+cursorOf(t, read)+`"}`, read); diff != "" {
		t.Error("the item shown is not the item (-shown +read):", diff)
	}
}

// TestNearest: slips of the pen are recognised, other words are not taken for
// what they merely look like.
func TestNearest(t *testing.T) {
	names := []string{"story_id", "agent", "blocked", "depends_on", "if_rev", "name", "retry_count", "stage"}
	for given, want := range map[string]string{
		"agnet": "agent", "Agent": "agent", "agents": "agent", "gent": "agent", "blokced": "blocked", "stroy_id": "story_id",
		"storyId": "story_id", "dependsOn": "depends_on", "depends": "depends_on", "retrycount": "retry_count", "retry": "retry_count",
		"nmae": "name", "satge": "stage", "ifrev": "if_rev",
		"parent": "", "tags": "", "page": "", "x": "", "": "", "priority": "",
	} {
		if got, _ := nearest(given, names); got != want {
			t.Errorf("nearest(%q) is %q, want %q", given, got, want)
		}
	}
}

// TestErrorsAreShort, whatever was sent.
func TestErrorsAreShort(t *testing.T) {
	h := newTempHost(t)
	long := strings.Repeat("x", 100_000)
	many := map[string]any{"story_id": "1_s"}
	for i := range 10_000 {
		many[fmt.Sprint("argument", i)] = i
	}
	all, _ := json.Marshal(many)
	for _, args := range []string{
		string(all),
		`{"story_id":"` + long + `"}`,
		`{"story_id":"1_s","` + long + `":1}`,
		`{"story_id":"1_s","stage":"` + long + `"}`,
		`{"story_id":"1_s","stage":"1_backlog","if_rev":"` + long + `"}`,
		`{"story_id":"1_s","blocked":"` + long + `"}`,
		`{"story_id":["` + long + `"]}`,
	} {
		if got := h.fails("write_item", args); len(got) > 1000 {
			t.Errorf("%.60s...: an error of %d bytes: %.300s", args, len(got), got)
		}
	}
}

// TestListPagesFitHosts: however long the texts, an answer stays below what
// hosts accept, and the pages together hold every story once, in order.
func TestListPagesFitHosts(t *testing.T) {
	h := newTempHost(t)
	const stories = 120
	for i := range stories {
		id := fmt.Sprintf("%d_s", i)
		h.ok("write_item", fmt.Sprintf(`{"story_id":%q,"stage":"1_backlog","name":%q}`, id, strings.Repeat("n", 256)))
		h.ok("set_blocked", fmt.Sprintf(`{"story_id":%q,"blocked":true,"reason":%q}`, id, strings.Repeat("r", 1024)))
	}
	var ids []string
	for cursor := ""; ; {
		text := h.ok("list_items", fmt.Sprintf(`{"limit":200,"fields":["name","blocked_reason","rev"],"cursor":%q}`, cursor))
		if len(text) > maxAnswerBytes {
			t.Errorf("an answer of %d bytes", len(text))
		}
		var out listItemsOut
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		if out.Total != stories {
			t.Errorf("total %d", out.Total)
		}
		for _, g := range out.Stages {
			if want := map[bool]int{true: stories}[g.Stage == "1_backlog"]; g.Count != want {
				t.Errorf("%s: count %d, want %d", g.Stage, g.Count, want)
			}
			for _, it := range g.Items {
				ids = append(ids, it.StoryID)
			}
		}
		if cursor = out.NextCursor; cursor == "" {
			break
		}
	}
	for i, id := range ids {
		if id != fmt.Sprintf("%d_s", i) {
			t.Fatalf("story %d is %s", i, id)
		}
	}
	if len(ids) != stories {
		t.Errorf("%d stories on all pages, want %d", len(ids), stories)
	}
}

// TestStorageFailuresAreAnswers: a broken database is told to the agent, and
// once it is mended the same server works.
func TestStorageFailuresAreAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("this is not a database\n"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHost(t, path)
	for _, call := range [][2]string{{"list_items", `{}`}, {"write_item", `{"story_id":"1_s","stage":"1_backlog"}`}} {
		if got := h.fails(call[0], call[1]); !strings.Contains(got, "not an SQLite database") || !strings.Contains(got, path) {
			t.Errorf("%s: got %s", call[0], got)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)
}

// TestDefinitionsSuitHosts: names, lengths, hints and the cost in a session.
func TestDefinitionsSuitHosts(t *testing.T) {
	h := newTempHost(t)
	raw := h.request("tools/list", map[string]any{})
	if len(raw) > 16<<10 {
		t.Errorf("tools/list has %d bytes, want 16,384 at most: every session of every agent pays for them", len(raw))
	}
	var list mcp.ListToolsResult
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	read := 0 // by the model
	for _, tl := range list.Tools {
		in, err := compactJSON(tl.InputSchema)
		if err != nil {
			t.Fatal(err)
		}
		read += len(tl.Name) + len(tl.Description) + len(in)
	}
	if t.Logf("tools/list: %d bytes, of which models read %d", len(raw), read); read > 8<<10 {
		t.Errorf("models read %d bytes of tools/list, want 8,192 at most", read)
	}
	if len(list.Tools) != len(all()) {
		t.Errorf("%d tools, want %d", len(list.Tools), len(all()))
	}
	for _, tl := range list.Tools {
		if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`).MatchString(tl.Name) || tl.Title == "" || tl.Description == "" || len(tl.Description) > 300 {
			t.Errorf("%s: title %q, description of %d bytes", tl.Name, tl.Title, len(tl.Description))
		}
		a := tl.Annotations
		if a.ReadOnlyHint == nil || a.DestructiveHint == nil || a.IdempotentHint == nil || a.OpenWorldHint == nil {
			t.Errorf("%s: annotations %+v", tl.Name, a)
		}
	}
	if n := len(instructions(Names(), strings.Repeat("a", crdt.MaxAgent))); n > 2<<10 {
		t.Errorf("instructions have %d bytes, hosts cut at 2048", n)
	}
}

// FuzzArguments: whatever the arguments are, the server answers, and a
// successful write is what a read then shows.
func FuzzArguments(f *testing.F) {
	for _, seed := range []string{`{"story_id":"1_s","stage":"1_backlog"}`, `{"story_id":"1_s","depends_on":"[1,2]"}`, `{"limit":1e1}`, `null`, `{"story_id":{"a":[null]}}`, `{"by":"0x10"}`} {
		f.Add(seed)
	}
	h := newTempHost(f)
	f.Fuzz(func(t *testing.T, args string) {
		if !json.Valid([]byte(args)) {
			t.Skip("the transport refuses it")
		}
		h := &host{t, h.srv}
		for _, tl := range all() {
			r := h.call(tl.name, args)
			if r.IsError || tl.readOnly {
				continue
			}
			var out struct{ Item item }
			if err := json.Unmarshal(r.StructuredContent, &out); err != nil {
				t.Fatal(err)
			}
			if out.Item.StoryID == "" { // deleted, or nothing claimed
				continue
			}
			var read readItemOut
			if err := json.Unmarshal([]byte(h.ok("read_item", `{"story_id":"`+out.Item.StoryID+`"}`)), &read); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(out.Item, read.Item, cmp.AllowUnexported(item{})); diff != "" {
				t.Errorf("%s %s (-answer +read): %s", tl.name, args, diff)
			}
		}
	})
}

// BenchmarkCall is one call through the server: arguments checked, answered,
// encoded. Subtract BenchmarkUpdate and BenchmarkView of package replica.
func BenchmarkCall(b *testing.B) {
	h := newTempHost(b)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)
	for _, tool := range []string{"read_item", "bump_retry"} {
		b.Run(tool, func(b *testing.B) {
			msg := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{"story_id":"1_s"}}}`)
			for b.Loop() {
				if _, ok := h.srv.HandleMessage(context.Background(), msg).(mcp.JSONRPCResponse); !ok {
					b.Fatal("no answer")
				}
			}
		})
	}
}
