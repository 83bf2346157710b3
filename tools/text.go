package tools

import (
	"strings"
	"unicode"
)

// text is text of people, agents and other replicas, as answers show it: without
// the characters that a reader does not see and a model reads none the less. It is
// stored, compared and searched as it was given.
type text string

// MarshalText makes JSON show the text without its hidden characters.
func (t text) MarshalText() ([]byte, error) { return []byte(clean(string(t))), nil }

// clean returns s without hidden characters.
func clean(s string) string {
	for i := range len(s) {
		if b := s[i]; b >= 0x7f || b < ' ' && b != '\n' && b != '\t' {
			return strings.Map(visible, s)
		}
	}
	return s // as nearly always
}

// visible returns r, or -1 if it is hidden: a control character other than newline
// and tab, a control of the direction of writing (UAX #9), a tag character or a
// variation selector beyond the first 16, which can spell out any text unseen.
func visible(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case unicode.In(r, unicode.Cc, unicode.Bidi_Control),
		r >= 0xE0000 && r <= 0xE007F,
		r >= 0xE0100 && r <= 0xE01EF:
		return -1
	}
	return r
}

// texts returns the strings as text.
func texts(from []string) []text {
	var to []text
	for _, s := range from {
		to = append(to, text(s))
	}
	return to
}
