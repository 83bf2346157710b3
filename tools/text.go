package tools

import (
	"strconv"
	"unicode/utf8"

	"github.com/huskies/huskies-mcp/internal/visible"
)

// Answers leave out the characters that a reader does not see and a model reads none
// the less, whoever wrote them: people, agents, other replicas. What is stored,
// compared and searched has them as they were given.

// clean returns s without hidden characters.
func clean(s string) string { return visible.Text(s) }

// cleanJSON returns JSON as encoding/json writes it without the hidden characters of
// its texts.
func cleanJSON(b []byte) []byte {
	if !mayHide(b) {
		return b // as nearly always
	}
	var out []byte
	var f visible.Filter
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == '\\' {
			r, size = unescape(b)
		}
		if f.Keeps(r) {
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
