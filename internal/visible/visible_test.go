package visible

import (
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for given, want := range map[string]string{
		"plain\ttab\nnewline": "plain\ttab\nnewline",
		"Grüße, 中文, עברית, हिन्दी, می\u200cروم": "Grüße, 中文, עברית, हिन्दी, می\u200cروم",
		"\u2764\ufe0f \u2764\ufe0e":             "\u2764\ufe0f \u2764\ufe0e",
		"1\ufe0f\u20e3":                         "1\ufe0f\u20e3",
		"\u2764\ufe0f\u200d\U0001f525":          "\u2764\ufe0f\u200d\U0001f525",
		"\U0001f44d\U0001f3fd\ufe0f":            "\U0001f44d\U0001f3fd\ufe0f",
		"\u2764\ufe0f\ufe0e\ufe0f":              "\u2764\ufe0f",
		"a\ufe0fb\ufe00c\U000e0100":             "abc",
		"\ufe0fstart":                           "start",
		"no\u200bwi\u2060dth\ufeff":             "nowidth",
		"\x00\x1b[31m\x7f\u0085\u202e":          "[31m",
		"\U000e0041tag":                         "tag",
		"\u3164fill\u115fer\u180e":              "filler",
	} {
		if got := Text(given); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}

// FuzzText shows that what was cleaned is clean.
func FuzzText(f *testing.F) {
	f.Add("a\u2764\ufe0f\ufe0e\u200b")
	f.Fuzz(func(t *testing.T, s string) {
		once := Text(s)
		if twice := Text(once); twice != once || utf8.ValidString(s) && !utf8.ValidString(once) {
			t.Errorf("%q: once %q, twice %q", s, once, twice)
		}
	})
}
