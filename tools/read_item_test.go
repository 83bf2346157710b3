package tools

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// arg returns v as JSON, to stand in arguments.
func arg(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// read reads a story with the given further arguments.
func (h *host) read(id, more string) (out readItemOut) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.ok("read_item", `{"story_id":"`+id+`"`+more+`}`)), &out); err != nil {
		h.t.Fatal(err)
	}
	return out
}

// TestDescriptionAndNotes: a description is replaced and cleared, notes are only
// added, and only read_item shows either.
func TestDescriptionAndNotes(t *testing.T) {
	h := newTempHost(t)
	const markdown = "# Log in\n\n- with <b> & \"quotes\"\n\t- `code`\n"
	got := noTime(h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog","description":`+arg(t, markdown)+`,"note":"first"}`))
	if want := `{"item":{"story_id":"1_s","stage":"1_backlog","ready":true,"updated_at":"T","rev":"R"},"created":true,"changed":["stage","description","note"]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, want := range []string{`["note"]`, `[]`} { // the same note again is a call that was made again
		if got := h.ok("write_item", `{"story_id":"1_s","note":"second"}`); !strings.Contains(got, `"changed":`+want) {
			t.Errorf("got %s", got)
		}
	}
	h.ok("write_item", `{"story_id":"1_s","note":"third"}`)
	h.ok("write_item", `{"story_id":"1_s","note":"second"}`) // not the last one any more
	out := h.read("1_s", "")
	if diff := cmp.Diff(markdown, out.Description); diff != "" {
		t.Error("description (-want +got):", diff)
	}
	var notes []string
	for _, n := range out.Notes {
		if n.Agent != "tester" || n.At == "" {
			t.Errorf("note %+v", n)
		}
		notes = append(notes, string(n.Text))
	}
	if diff := cmp.Diff([]string{"first", "second", "third", "second"}, notes); diff != "" || out.NoteCount != 4 || out.OlderNotes != 0 {
		t.Errorf("%d notes, %d older (-want +got): %s", out.NoteCount, out.OlderNotes, diff)
	}
	for _, tool := range []string{"list_items", "set_blocked"} {
		args := map[string]string{"list_items": `{}`, "set_blocked": `{"story_id":"1_s","blocked":false}`}[tool]
		if got := h.ok(tool, args); strings.Contains(got, "quotes") || strings.Contains(got, "second") {
			t.Errorf("%s shows more than it should: %s", tool, got)
		}
	}
	if got := h.ok("write_item", `{"story_id":"1_s","description":`+arg(t, markdown)+`}`); !strings.Contains(got, `"changed":[]`) {
		t.Errorf("the same description: got %s", got)
	}
	h.ok("write_item", `{"story_id":"1_s","clear":["description"]}`)
	if out := h.read("1_s", ""); out.Description != "" || out.NoteCount != 4 {
		t.Errorf("after clearing the description: got %+v", out)
	}
}

// TestLongTexts: the longest description and note fit one op, beside all other
// fields; a byte more is refused in plain words.
func TestLongTexts(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog","depends_on":`+arg(t, sequence(1000, 64))+`}`)
	description := strings.Repeat("é", pipeline.MaxDescription/2)
	note := strings.Repeat("n", crdt.MaxNote)
	args := func(description, note string) string {
		return `{"story_id":"1_s","stage":"2_current","name":"` + strings.Repeat("n", 256) + `","agent":"` + strings.Repeat("a", 128) +
			`","depends_on":` + arg(t, sequence(4_000_000_000, 64)) + `,"retry_count":7,"blocked":true,"after":"first","description":` + arg(t, description) + `,"note":` + arg(t, note) + `}`
	}
	for _, tt := range []struct{ args, want string }{
		{args(description+"x", note), "description has 32769 bytes, at most 32768 are allowed"},
		{args(description+strings.Repeat("x", 32768), note), "description has 65536 bytes, at most 32768 are allowed"},
		{args(description, note+"n"), "note has 16385 bytes, at most 16384 are allowed"},
		{args(description, strings.Repeat("é", crdt.MaxNote/2)+"n"), "note has 16385 bytes, at most 16384 are allowed"},
	} {
		if got := h.fails("write_item", tt.args); !strings.Contains(got, tt.want) {
			t.Errorf("got %.200s, want %s", got, tt.want)
		}
	}
	h.ok("write_item", args(description, note))
	out := h.read("1_s", `,"history":1`)
	if out.Description != description || len(out.Notes) != 1 || out.History != nil {
		t.Errorf("the description did not come back, or the answer has %d notes and %d changes", len(out.Notes), len(out.History))
	}
	shown, left, ok := strings.Cut(out.Notes[0].Text, "...")
	if want := fmt.Sprintf(" (%d more characters)", len(note)-len(shown)); !ok || !strings.HasPrefix(note, shown) || left != want {
		t.Errorf("%d characters of the note are shown, then %q, want %q", len(shown), left, want)
	}
	if page := h.read("1_s", `,"cursor":"`+out.NextCursor+`"`); page.History[0].Note != note {
		t.Error("the history does not have the whole note")
	}
}

// sequence returns n numbers from first on.
func sequence(first uint32, n int) []uint32 {
	s := make([]uint32, n)
	for i := range s {
		s[i] = first + uint32(i)
	}
	return s
}

// TestNotesFitHosts: of many or long notes the newest are shown, the others
// counted.
func TestNotesFitHosts(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog","description":"`+strings.Repeat("d", pipeline.MaxDescription)+`"}`)
	last := func(wantShown, wantCount int, want string) {
		t.Helper()
		text := h.ok("read_item", `{"story_id":"1_s"}`)
		var out readItemOut
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		if len(out.Notes) != wantShown || out.NoteCount != wantCount || out.OlderNotes != wantCount-wantShown {
			t.Errorf("%d notes shown, %d older, %d in all; want %d shown of %d", len(out.Notes), out.OlderNotes, out.NoteCount, wantShown, wantCount)
		}
		if got := out.Notes[len(out.Notes)-1].Text; !strings.HasPrefix(string(got), want) {
			t.Errorf("the last note shown is %.20q, want %q", got, want)
		}
		if len(text) > maxAnswerBytes {
			t.Errorf("an answer of %d bytes", len(text))
		}
	}
	for i := range 30 {
		h.ok("write_item", fmt.Sprintf(`{"story_id":"1_s","note":"short %d"}`, i))
	}
	last(20, 30, "short 29")
	for i := range 3 {
		h.ok("write_item", fmt.Sprintf(`{"story_id":"1_s","note":"long %d%s"}`, i, strings.Repeat("x", crdt.MaxNote-6)))
	}
	last(1, 33, "long 2")
	h.ok("write_item", `{"story_id":"1_s","note":"short again"}`)
	last(1, 34, "short again")
}
