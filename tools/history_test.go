package tools

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

func changesOf(out readItemOut) (all []string) {
	for _, c := range out.History {
		var words []string
		for _, w := range c.Changed {
			words = append(words, string(w))
		}
		all = append(all, strings.Join(words, ", "))
	}
	return all
}

// TestHistory: what was changed by whom, the newest first, and nothing of it
// unless asked for.
func TestHistory(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"2_other","stage":"1_backlog"}`)
	for _, call := range [][2]string{
		{"write_item", `{"story_id":"1_s","stage":"1_backlog","name":"Log in","depends_on":[3,4],"description":"long","note":"n"}`},
		{"write_item", `{"story_id":"2_other","name":"not this one"}`},
		{"write_item", `{"story_id":"1_s","depends_on":[5],"name":"` + strings.Repeat("n", 101) + `"}`},
		{"bump_retry", `{"story_id":"1_s","by":2}`},
		{"set_blocked", `{"story_id":"1_s","blocked":true,"reason":"two\nlines"}`},
		{"set_blocked", `{"story_id":"1_s","blocked":false}`},
		{"write_item", `{"story_id":"1_s","clear":["depends_on"]}`},
		{"claim_item", `{"story_id":"1_s","agent":"coder-1"}`},
		{"delete_item", `{"story_id":"1_s"}`},
		{"delete_item", `{"story_id":"1_s","restore":true}`},
		{"write_item", `{"story_id":"1_s","after":"first"}`},
	} {
		h.ok(call[0], call[1])
	}
	if out := h.read("1_s", ""); out.History != nil || out.NextCursor != "" {
		t.Errorf("history that nobody asked for: %+v", out)
	}
	out := h.read("1_s", `,"history":100`)
	want := []string{
		"place",
		"deleted false",
		"deleted true",
		"agent coder-1, claim, stage 2_current",
		"depends_on -5",
		`blocked false, blocked_reason "", retry_count 0`,
		`blocked true, blocked_reason "two\nlines"`,
		"retry_count +2",
		"name, depends_on +5 -3 -4",
		"stage 1_backlog, name Log in, depends_on +3 +4, description, place, note",
	}
	if diff := cmp.Diff(want, changesOf(out)); diff != "" || out.NextCursor != "" {
		t.Errorf("next cursor %q (-want +got):\n%s", out.NextCursor, diff)
	}
	if first := out.History[0]; first.Rev != out.Item.Rev || first.Agent != "tester" || first.At == "" || out.History[3].Agent != "coder-1" {
		t.Errorf("got %+v", out.History)
	}
	for cursor, want := range map[string]string{"zzz": "cursor is not one that read_item gave", "aGlzdG9yeS8w": "cursor is not one", "aGlzdG9yeS94": "pass next_cursor as it was given"} {
		if got := h.fails("read_item", `{"story_id":"1_s","cursor":"`+cursor+`"}`); !strings.Contains(got, want) {
			t.Errorf("got %s", got)
		}
	}
}

// TestNotesInHistory: the text of each note can be read, and stands once in an answer.
func TestNotesInHistory(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)
	for n := range maxNotes + 2 {
		h.ok("write_item", fmt.Sprintf(`{"story_id":"1_s","note":"note %d"}`, n))
	}
	notesOf := func(out readItemOut) (notes []string) {
		for _, c := range out.History {
			if c.Note != "" {
				notes = append(notes, c.Note)
			}
		}
		return notes
	}
	out := h.read("1_s", `,"history":100`)
	if diff := cmp.Diff([]string{"note 1", "note 0"}, notesOf(out)); diff != "" || out.OlderNotes != 2 {
		t.Errorf("%d older notes (-want +got):\n%s", out.OlderNotes, diff)
	}
	out = h.read("1_s", `,"history":1`)
	out = h.read("1_s", `,"history":100,"cursor":"`+out.NextCursor+`"`)
	if got := notesOf(out); len(got) != maxNotes+1 || got[0] != "note 20" {
		t.Errorf("a page without notes has %q", got)
	}
}

// TestHistoryPages: pages, one after the other, hold every change once, while
// this process and another write.
func TestHistoryPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	h, other := newHost(t, path), newHost(t, path)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog","description":"d","note":"n"}`)
	var want []string
	for i := range 30 {
		h.ok("write_item", fmt.Sprintf(`{"story_id":"1_s","name":"take %d"}`, i))
		want = append([]string{fmt.Sprintf("name take %d", i)}, want...)
	}
	want = append(want, "stage 1_backlog, description, place, note")
	for _, size := range []string{`,"history":1`, `,"history":7`, `,"history":100`} {
		var got []string
		more := size
		for i := 0; ; i++ {
			out := h.read("1_s", more)
			if i > 0 && (out.Description != "" || out.Notes != nil) {
				t.Errorf("older changes come with %+v", out)
			}
			got = append(got, changesOf(out)...)
			if out.NextCursor == "" {
				break
			}
			more = size + `,"cursor":"` + out.NextCursor + `"`
			h.ok("write_item", fmt.Sprintf(`{"story_id":"1_s","retry_count":%d}`, len(got)))
			other.ok("write_item", fmt.Sprintf(`{"story_id":"1_s","agent":"a%d"}`, len(got)))
		}
		for len(got) > 0 && !strings.HasPrefix(got[0], "name ") {
			got = got[1:] // what the runs before wrote
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", size, diff)
		}
	}
	out := h.read("1_s", `,"history":1`)
	if next := h.read("1_s", `,"cursor":"`+out.NextCursor+`"`); len(next.History) != olderChanges {
		t.Errorf("a cursor alone shows %d changes, want %d", len(next.History), olderChanges)
	}
}

// TestHistoryFitsHosts: however long texts and changes are, an answer stays below
// what hosts accept, and the rest is behind the cursor.
func TestHistoryFitsHosts(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog","description":"`+strings.Repeat("d", pipeline.MaxDescription)+`"}`)
	for i := range 2 {
		h.ok("write_item", fmt.Sprintf(`{"story_id":"1_s","note":"%s"}`, strings.Repeat("n", crdt.MaxNote*3/4-i)))
	}
	for i := range 20 {
		h.ok("write_item", `{"story_id":"1_s","depends_on":`+arg(t, sequence(1_000_000_000+uint32(i)*64, 64))+`}`)
	}
	seen, cursor := 0, ""
	for pages := 0; pages == 0 || cursor != ""; pages++ {
		text := h.ok("read_item", `{"story_id":"1_s","history":100,"cursor":"`+cursor+`"}`)
		if len(text) > 25_000*5/2 {
			t.Errorf("an answer of %d bytes", len(text))
		}
		out := h.read("1_s", `,"history":100,"cursor":"`+cursor+`"`)
		if len(out.History) == 0 {
			t.Fatal("a page without changes")
		}
		seen, cursor = seen+len(out.History), out.NextCursor
	}
	if seen != 23 {
		t.Errorf("%d changes on all pages, want 23", seen)
	}
}

// TestReadDependents: who depends on a story, of many some.
func TestReadDependents(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)
	for i := range maxDependents + 1 {
		h.ok("write_item", fmt.Sprintf(`{"story_id":"%d_s","stage":"5_done","depends_on":[1]}`, 10+i))
		out := h.read("1_s", "")
		if shown := min(i+1, maxDependents); len(out.Dependents) != shown || out.Dependents[0] != "10_s" || (out.DependentCount > 0) != (i+1 > shown) {
			t.Errorf("of %d dependents: got %v, count %d", i+1, out.Dependents, out.DependentCount)
		}
	}
}

// TestOverwrittenDescription: the text that the last change of a description overwrote can be read, on
// whichever page of the history that change stands, and no other.
func TestOverwrittenDescription(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)
	old := func() (all []string) {
		for cursor := ""; ; {
			out := h.read("1_s", `,"history":1,"cursor":"`+cursor+`"`)
			for _, c := range out.History {
				if c.OldDescription != "" {
					all = append(all, strings.Join(c.Changed, ",")+": "+c.OldDescription)
				}
			}
			if cursor = out.NextCursor; cursor == "" {
				return all
			}
		}
	}
	for _, tt := range []struct{ args, want string }{
		{`"description":"one"`, ""},
		{`"description":"two","name":"n"`, "name n,description: one"},
		{`"retry_count":1`, "name n,description: one"},
		{`"clear":["description"]`, "description: two"},
		{`"description":"three"`, ""},
		{`"description":"four"`, "description: three"},
	} {
		h.ok("write_item", `{"story_id":"1_s",`+tt.args+`}`)
		if got := strings.Join(old(), "; "); got != tt.want {
			t.Errorf("after %s: got %q, want %q", tt.args, got, tt.want)
		}
	}
	long := strings.Repeat("d", pipeline.MaxDescription)
	h.ok("write_item", `{"story_id":"1_s","description":"`+long+`"}`)
	h.ok("write_item", `{"story_id":"1_s","description":"short"}`)
	if got := old(); len(got) != 1 || got[0] != "description: "+long {
		t.Error("a long text cannot be read whole")
	}
}
