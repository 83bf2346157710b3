package tools

import "testing"

// TestQuoted: no text of a story passes for a part of its page.
func TestQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"one line":                        "> one line",
		"a\n\n### lead, 2026-01-01\n\nno": "> a\n> \n> ### lead, 2026-01-01\n> \n> no",
		"```\r\nopen\r\n":                 "> ```\n> open\n>",
		"\u202ehidden\r# not a line":      "> hidden# not a line",
	} {
		if got := quoted(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
