package terminal

import (
	"strings"
	"unicode"
)

// Text returns a text without the characters that a reader does not see or that a terminal obeys:
// control characters other than newline, controls of the direction of writing (UAX #9), tag
// characters, and variation selectors beyond the first 16. A tab becomes a blank.
func Text(s string) string {
	return strings.Map(visible, strings.ToValidUTF8(s, "\ufffd"))
}

// Line returns what [Text] does, on one line: each run of blanks and newlines is one blank.
func Line(s string) string { return strings.Join(strings.Fields(Text(s)), " ") }

func visible(r rune) rune {
	switch {
	case r == '\n':
		return r
	case r == '\t' || r == '\u2028' || r == '\u2029':
		return ' '
	case unicode.In(r, unicode.Cc, unicode.Bidi_Control),
		r >= 0xE0000 && r <= 0xE007F,
		r >= 0xE0100 && r <= 0xE01EF:
		return -1
	}
	return r
}
