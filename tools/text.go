package tools

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Answers leave out the characters that a reader does not see and a model reads none
// the less, whoever wrote them: people, agents, other replicas. What is stored,
// compared and searched has them as they were given.

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

// cleanJSON returns JSON as encoding/json writes it without the hidden characters of
// its texts.
func cleanJSON(b []byte) []byte {
	if !mayHide(b) {
		return b // as nearly always
	}
	var out []byte
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == '\\' {
			r, size = unescape(b)
		}
		if visible(r) >= 0 {
			out = append(out, b[:size]...)
		}
		b = b[size:]
	}
	return out
}

// mayHide reports whether there may be a hidden character, as itself or escaped.
func mayHide(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if b[i] >= 0x7f {
			return true
		}
		if b[i] == '\\' {
			i++
			if b[i] != '"' && b[i] != '\\' && b[i] != 'n' && b[i] != 't' {
				return true
			}
		}
	}
	return false
}

// unescape returns the character that an escape sequence stands for, and how long that
// is. One of a pair of surrogates stands for itself: encoding/json writes none.
func unescape(b []byte) (r rune, size int) {
	switch b[1] {
	case 'u':
		n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
		if err != nil {
			n = utf8.RuneError // it is no JSON
		}
		return rune(n), 6
	case 'n', 't':
		return '\n', 2
	case 'b', 'f', 'r':
		return '\b', 2
	}
	return '"', 2
}

// cut returns the first most characters of s, with "..." for the rest.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for i := range s {
		if most == 0 {
			return s[:i] + "..."
		}
		most--
	}
	return s
}
