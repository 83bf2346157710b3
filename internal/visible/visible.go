// Package visible leaves out of texts the characters that a reader does not see and a model reads none
// the less. They can hide instructions, or make two names look the same.
package visible

import (
	"strings"
	"unicode"
)

// Text returns s without its hidden characters. Newlines and tabs stay.
func Text(s string) string {
	if isPlain(s) {
		return s
	}
	var f Filter
	return strings.Map(func(r rune) rune {
		if f.Keeps(r) {
			return r
		}
		return -1
	}, s)
}

// isPlain reports whether s is ASCII without controls, as nearly all texts are.
func isPlain(s string) bool {
	for i := range len(s) {
		if b := s[i]; b >= 0x7f || b < ' ' && b != '\n' && b != '\t' {
			return false
		}
	}
	return true
}

// A Filter decides about the characters of one text in their order. The zero Filter is at the
// beginning of a text.
type Filter struct {
	last rune // the last character that was kept
}

// Keeps reports whether r, the next character, is kept. Left out are control characters other than newline and
// tab, controls of the direction of writing (UAX #9), and spaces, operators and letters of no width. So are tag
// characters and variation selectors, which can spell out any text unseen. An emoji keeps the one selector that
// says how it is drawn (UTS #51), and the joiners of emoji and scripts stay.
func (f *Filter) Keeps(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
	case unicode.In(r, unicode.Cc, unicode.Bidi_Control),
		r == 0x200B || r >= 0x2060 && r <= 0x2064 || r == 0xFEFF,
		strings.ContainsRune(blanks, r),
		r >= 0xFE00 && r <= 0xFE0D,
		r >= 0xE0000 && r <= 0xE007F,
		r >= 0xE0100 && r <= 0xE01EF:
		return false
	case r == 0xFE0E || r == 0xFE0F:
		if !takesSelector(f.last) {
			return false
		}
	}
	f.last = r
	return true
}

// blanks are letters and signs that are drawn as nothing. A soft hyphen stays: words are written with it.
const blanks = "\u034F\u115F\u1160\u17B4\u17B5\u180E\u3164\uFFA0"

// takesSelector reports whether r may be an emoji of which a selector says how it is drawn. Most are
// symbols. The others are the bases of keycaps and four signs.
func takesSelector(r rune) bool {
	return unicode.In(r, unicode.So, unicode.Sm, unicode.Sk) || strings.ContainsRune("#*0123456789‼⁉〰ℹ", r)
}
