package terminal

import (
	"strings"

	"github.com/huskies/huskies-mcp/internal/visible"
)

// blanks are the characters in the place of which a terminal gets a blank.
var blanks = strings.NewReplacer("\t", " ", "\u2028", " ", "\u2029", " ")

// Text returns a text without the characters that a reader does not see or that a terminal obeys,
// see [visible.Text]. A tab and a separator of lines become a blank. Newlines stay.
func Text(s string) string {
	return visible.Text(blanks.Replace(strings.ToValidUTF8(s, "\ufffd")))
}

// Line returns what [Text] does, on one line: each run of blanks and newlines is one blank.
func Line(s string) string { return strings.Join(strings.Fields(Text(s)), " ") }
