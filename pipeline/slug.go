package pipeline

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxSlug bounds the slug of a new story ID, in bytes: people and models repeat
// the ID all day.
const maxSlug = 48

// Slug returns the letters and digits of a name as an ID may have them: a-z, 0-9,
// and "_" where others stood; accents are taken off (NFKD, UAX #15). A slug that
// is too long ends with a whole word. A name of which nothing is left, as in another script, has a
// hash for its slug, so that two such names have two.
func Slug(name string) string {
	text := letters(name)
	if text != "" || strings.TrimSpace(name) == "" {
		return shorten(text)
	}
	sum := sha256.Sum256([]byte(norm.NFC.String(strings.ToLower(strings.Join(strings.Fields(name), " ")))))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:hashedSlug])
}

// hashedSlug is the length of a slug that is a hash: 40 bits.
const hashedSlug = 8

// SameName reports whether two names differ in nothing that an ID shows: case, spaces and accents.
func SameName(a, b string) bool {
	if letters(a) == "" {
		return Slug(a) == Slug(b)
	}
	return letters(a) == letters(b)
}

// letters returns what of a name an ID may have.
func letters(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(norm.NFKD.String(name)) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == 'ß':
			b.WriteString("ss")
		case unicode.Is(unicode.Mn, r) || r == '\'': // an accent; "don't" is one word
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), "_")
}

// shorten returns so many words of a slug as a new ID has.
func shorten(text string) string {
	if len(text) <= maxSlug {
		return text
	}
	if end := strings.LastIndexByte(text[:maxSlug+1], '_'); end > 0 {
		return text[:end]
	}
	return text[:maxSlug]
}
