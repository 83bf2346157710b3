package tools

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hidden has characters of each class that answers leave out, and their edges.
var hidden = map[string]string{
	"C0 controls":         "\x00\x07\x08\v\f\r\x1b\x1f",
	"DEL and C1 controls": "\x7f\u0080\u0085\u009f",
	"bidirectional":       "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
	"tags":                "\U000e0000\U000e0001\U000e0041\U000e007f",
	"variation selectors": "\ufe00\ufe0f\U000e0100\U000e0141\U000e01ef",
	"no width":            "\u200b\u2060\u2064\ufeff",
	"some of each":        "\x1b\u202e\U000e0041\U000e0100",
}

// TestHiddenCharacters: what readers do not see is in no answer and no error,
// whichever tool it comes from, and filters compare what is stored.
func TestHiddenCharacters(t *testing.T) {
	for class, chars := range hidden {
		t.Run(class, func(t *testing.T) {
			h := newTempHost(t)
			b, err := json.Marshal("co" + chars + "der")
			if err != nil {
				t.Fatal(err)
			}
			coder := strings.Trim(string(b), `"`)
			shows := func(tool, args, want string) {
				t.Helper()
				r := h.call(tool, strings.ReplaceAll(args, "CODER", coder))
				answer := r.Content[0].Text
				if strings.ContainsAny(answer, chars) || !r.IsError && strings.Contains(answer, `\u`) {
					t.Errorf("%s %s: hidden characters in %q", tool, args, answer)
				}
				if !strings.Contains(answer, want) {
					t.Errorf("%s %s: got %s, want ...%s...", tool, args, answer, want)
				}
			}
			shows("write_item", `{"story_id":"1_s","stage":"2_current","name":"CODER","agent":"CODER"}`, `"name":"coder","agent":"coder"`)
			shows("set_blocked", `{"story_id":"1_s","blocked":true,"reason":"CODER"}`, `"blocked_reason":"coder"`)
			shows("bump_retry", `{"story_id":"1_s"}`, `"blocked_reason":"coder"`)
			shows("read_item", `{"story_id":"1_s"}`, `"name":"coder","agent":"coder"`)
			shows("list_items", `{}`, `"name":"coder","agent":"coder"`)
			shows("list_items", `{"agent":"CODER"}`, `"total":1`)
			shows("list_items", `{"agent":"coder"}`, `"total":0`)
			shows("advance_item", `{"story_id":"1_s","agent":"CODER","to":"3_qa"}`, `is blocked and stays in 2_current: coder`)
			shows("write_item", `{"story_id":"1_s","stage":"3_qa","if_rev":"0123456789ab"}`, `current item: {"story_id":"1_s","stage":"2_current","name":"coder"`)
			shows("read_item", `{"story_id":"CODER"}`, "story_id")
			shows("read_item", `{"CODER":1}`, "read_item has no argument")
		})
	}
}

// TestClean: what people see stays, whatever the language.
func TestClean(t *testing.T) {
	for _, s := range []string{
		"plain", "tab\tand\nnewline", "Grüße, 中文, עברית, हिन्दी", "e\u0301", "family \U0001f468\u200d\U0001f469\u200d\U0001f467",
		"heart \u2764\ufe0f", "soft\u00adhyphen", "\U000dffff\U000e0080\U000e01f0",
	} {
		if diff := cmp.Diff(s, clean(s)); diff != "" {
			t.Errorf("%q (-want +got): %s", s, diff)
		}
	}
}

// FuzzCleanJSON: JSON cleaned is JSON of the text cleaned, whatever is escaped in it.
func FuzzCleanJSON(f *testing.F) {
	for _, chars := range hidden {
		f.Add("a" + chars + `\b"c\`)
	}
	f.Add("\u2028\\u0007\t\n\\\\r\xff<&>")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := compactJSON([]string{s})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := json.Unmarshal(cleanJSON(b), &got); err != nil || len(got) != 1 {
			t.Fatalf("%q became %q (%v)", b, cleanJSON(b), err)
		}
		if want := clean(strings.ToValidUTF8(s, "\uFFFD")); got[0] != want && strings.ToValidUTF8(s, "") == s {
			t.Errorf("%q shows %q, want %q", s, got[0], want)
		}
	})
}
