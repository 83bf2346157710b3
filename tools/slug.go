package tools

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxSlug bounds the slug of a new story ID, in bytes: people and models repeat
// the ID all day.
const maxSlug = 48

// slug returns the letters and digits of a name as an ID may have them: a-z, 0-9,
// and "_" where others stood; accents are taken off (NFKD, UAX #15). A slug that
// is too long ends with a whole word. Of a name in another script nothing may be
// left.
func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(norm.NFKD.String(name)) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r) || r == '\'': // an accent; "don't" is one word
		default:
			b.WriteByte(' ')
		}
	}
	text := strings.Join(strings.Fields(b.String()), "_")
	if len(text) <= maxSlug {
		return text
	}
	if end := strings.LastIndexByte(text[:maxSlug+1], '_'); end > 0 {
		return text[:end]
	}
	return text[:maxSlug]
}
