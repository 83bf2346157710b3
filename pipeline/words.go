package pipeline

import (
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/huskies/huskies-mcp/crdt"
)

// This file says what a word is, for every [Source]: a database indexes the tokens that
// it gives, so that an index and a scan find the same stories.

// maxToken bounds a token, in bytes. Of a longer one only its beginning counts.
const maxToken = 64

// StoryText returns the text of a story in which a search looks besides its notes: its
// ID, name and description.
func StoryText(c *crdt.Story) string {
	return c.ID() + "\n" + c.Str(fieldName) + "\n" + c.Str(fieldDescription)
}

// Tokens returns the words of a text in their order: runs of letters, digits and the
// marks that belong to them, whose case and diacritics are folded away. A letter of a
// script that is written without spaces is a token of its own.
func Tokens(text string) []string {
	text = fold(text)
	tokens := make([]string, 0, len(text)/6)
	start := -1 // where the token begins; -1: between tokens
	for i, r := range text {
		alone := r >= firstAlone && unicode.In(r, unspaced...)
		if start >= 0 && (alone || !inWord(r)) {
			tokens = append(tokens, cut(text[start:i]))
			start = -1
		}
		switch {
		case alone:
			tokens = append(tokens, text[i:i+utf8.RuneLen(r)])
		case start < 0 && inWord(r):
			start = i
		}
	}
	if start >= 0 {
		tokens = append(tokens, cut(text[start:]))
	}
	return tokens
}

// unspaced are the scripts in which nothing shows where a word begins.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Yi, unicode.Thai, unicode.Lao, unicode.Khmer,
	unicode.Myanmar, unicode.Javanese, unicode.Balinese, unicode.Tai_Le, unicode.New_Tai_Lue, unicode.Tai_Tham, unicode.Tai_Viet,
}

// firstAlone is the first character of these scripts, a Thai one.
const firstAlone = '\u0e01'

// inWord reports whether a folded character is a part of words.
func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || '0' <= r && r <= '9'
	}
	return unicode.In(r, unicode.L, unicode.N, unicode.M)
}

// cut returns the part of a token that counts.
func cut(token string) string {
	if len(token) <= maxToken {
		return token
	}
	end := maxToken
	for !utf8.RuneStart(token[end]) {
		end--
	}
	return token[:end]
}

// fold returns a text without the differences of case, of diacritics, and of how
// Unicode composes characters (NFC). Letters that are not a base letter with a diacritic
// by Unicode's decompositions, such as ø and ß, stay what they are.
func fold(text string) string {
	if isASCII(text) {
		return strings.ToLower(text)
	}
	text = strings.ToValidUTF8(text, " ")
	return norm.NFC.String(strings.Map(foldRune, norm.NFD.String(text)))
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldRune returns one character for all that differ by case alone, and -1 for the
// characters of Unicode's blocks of combining diacritical marks. The vowel signs and other
// marks of single scripts stay.
func foldRune(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		return unicode.ToLower(r)
	case 0x0300 <= r && r <= 0x036f, 0x1ab0 <= r && r <= 0x1aff, 0x1dc0 <= r && r <= 0x1dff, 0x20d0 <= r && r <= 0x20ff, 0xfe20 <= r && r <= 0xfe2f:
		return -1
	}
	return unicode.ToLower(unicode.ToUpper(r)) // there are two small sigmas
}

// Phrase is what one word of a search stands for: tokens that follow each other in a
// text. A text may go on where the last token ends: "log" finds "login", and "add_log"
// finds "add login".
type Phrase []string

// Phrases returns what the words of a filter stand for, each once. A word without any
// letter or digit stands for nothing and is left out.
func Phrases(words []string) (all []Phrase) {
	for _, w := range words {
		p := Phrase(Tokens(w))
		if len(p) > 0 && !slices.ContainsFunc(all, func(q Phrase) bool { return slices.Equal(p, q) }) {
			all = append(all, p)
		}
	}
	return all
}

// In reports whether a text with these tokens has the phrase.
func (p Phrase) In(tokens []string) bool {
	last := len(p) - 1
	for i := range len(tokens) - last {
		if strings.HasPrefix(tokens[i+last], p[last]) && slices.Equal(tokens[i:i+last], p[:last]) {
			return true
		}
	}
	return false
}

// HasPhrases reports whether each phrase is in one of the texts. No phrase at all is in
// no text.
func HasPhrases(texts iter.Seq[string], phrases []Phrase) bool {
	if len(phrases) == 0 {
		return false
	}
	missing := slices.Clone(phrases)
	for text := range texts {
		tokens := Tokens(text)
		missing = slices.DeleteFunc(missing, func(p Phrase) bool { return p.In(tokens) })
		if len(missing) == 0 {
			return true
		}
	}
	return false
}
