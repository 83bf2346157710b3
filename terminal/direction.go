package terminal

import (
	"regexp"
	"strings"
	"unicode"
)

// leftToRight is the left-to-right mark (UAX #9). It takes no column. The isolates would say the same, but
// many terminals draw them as boxes.
const leftToRight = "\u200e"

// columnEdge is where a column of a line begins. That is behind two blanks or a text that was cut, at a length of
// time behind a name, and at a reason or a note behind the name of a story.
var columnEdge = regexp.MustCompile(`(?:…| |":) +| [0-9]+[smhd]\b`)

// KeepColumns returns a printed text in which names in Hebrew or Arabic stay in their columns, also in a
// terminal that draws such letters from right to left. Without marks two such names that stand side by
// side would change places there, and a line that begins with one would begin at the right. Lines
// without such letters or without columns stay as they are.
func KeepColumns(text string) string {
	if strings.IndexFunc(text, isRightToLeft) < 0 {
		return text
	}
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.IndexFunc(line, isRightToLeft) >= 0 && columnEdge.MatchString(line) {
			line = leftToRight + columnEdge.ReplaceAllStringFunc(line, func(edge string) string {
				blanks := strings.TrimRight(edge, "0123456789smhd")
				return blanks + leftToRight + edge[len(blanks):]
			})
		}
		out.WriteString(line)
	}
	return out.String()
}

// isRightToLeft reports whether a letter is of a script that is written from right to left.
func isRightToLeft(r rune) bool {
	return r >= 0x590 && unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Adlam)
}
