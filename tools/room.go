package tools

import (
	"fmt"
	"unicode/utf8"
)

// maxAnswerBytes bounds every answer, in bytes of its text: structured answers, pages, resources and
// prompts. Hosts refuse answers over 25,000 tokens, and JSON has at least 2.5 bytes a token.
//
// What is too long is paged or cut, and says how much is left. First texts that were overwritten are cut,
// then notes, then dependents, and the description last.
const maxAnswerBytes = 48 << 10

// maxFrameBytes is what an answer has beside its parts: names of members, counts, cursors.
const maxFrameBytes = 2 << 10

// Bounds of what an answer shows of short texts, in characters. The rules of this build keep most of
// them, but other replicas may have written more.
const (
	maxStageShown   = 64
	maxWarnings     = 10
	maxWarningShown = 300
	maxAdviceShown  = 2_000
)

// shorten returns s, or its beginning and how many characters are left if s takes more than room bytes.
func shorten(s string, room int) string {
	if costOf(s) <= room {
		return s
	}
	const sign = "... (%d more characters)"
	room -= len(sign) + len("1000000")
	for i, r := range s {
		if room -= cost(r); room < 0 {
			return s[:i] + fmt.Sprintf(sign, utf8.RuneCountInString(s[i:]))
		}
	}
	return s
}

// costOf returns how many bytes a text takes in an answer at most.
func costOf(s string) (n int) {
	for _, r := range s {
		n += cost(r)
	}
	return n
}

// cost returns how many bytes a character takes at most, in JSON or in a quotation of Markdown, where a
// newline comes with the sign of the next line.
func cost(r rune) int {
	switch {
	case r == '\n':
		return 3
	case r == '"' || r == '\\':
		return 2
	case r < ' ' || r == '\u2028' || r == '\u2029' || r == utf8.RuneError:
		return 6
	}
	return utf8.RuneLen(r)
}

// jsonSize returns how many bytes v takes in an answer.
func jsonSize(v any) (int, error) {
	b, err := compactJSON(v)
	return len(b), err
}
