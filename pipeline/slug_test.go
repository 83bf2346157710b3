package pipeline

import (
	"strings"
	"testing"
)

func TestSlug(t *testing.T) {
	for name, want := range map[string]string{
		"Add login":                     "add_login",
		"  Fix: C++ parser, don't die!": "fix_c_parser_dont_die",
		"Überprüfe Café №5":             "uberprufe_cafe_no5",
		"ﬁx Ⅳ":                          "fix_iv",
		"Straße, Große":                 "strasse_grosse",
		"故事":                            "jqwfoywt",
		"":                              "",
		"../../etc/passwd\x00":          "etc_passwd",
		strings.Repeat("word ", 20):     "word_word_word_word_word_word_word_word_word",
		strings.Repeat("w", 99):         strings.Repeat("w", maxSlug),
		strings.Repeat("w", 48) + " x":  strings.Repeat("w", 48),
	} {
		if got := Slug(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if a, b := Slug("故事"), Slug("事故"); a == b || len(a) != hashedSlug {
		t.Errorf("two names have the slugs %q and %q", a, b)
	}
}
