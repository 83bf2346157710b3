package phrase

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/huskies/huskies-mcp/internal/visible"
	"github.com/huskies/huskies-mcp/pipeline"
)

// blanks are the characters in the place of which a reader gets a blank.
var blanks = strings.NewReplacer("\t", " ", "\u2028", " ", "\u2029", " ")

// Text returns a text without the characters that a reader does not see or that a terminal obeys,
// see [visible.Text]. A tab and a separator of lines become a blank. Newlines stay.
func Text(s string) string {
	return visible.Text(blanks.Replace(strings.ToValidUTF8(s, "\ufffd")))
}

// Line returns what [Text] does, on one line: each run of blanks and newlines is one blank.
func Line(s string) string { return strings.Join(strings.Fields(Text(s)), " ") }

// Width returns how many columns a clean text takes.
func Width(text string) int { return uniseg.StringWidth(text) }

// Cut returns as much of a clean text as fits the columns. A text that is cut ends in "…". The text
// is whole if columns is 0.
func Cut(text string, columns int) string {
	if columns <= 0 || Width(text) <= columns {
		return text
	}
	var b strings.Builder
	used := 0
	for g := uniseg.NewGraphemes(text); g.Next(); {
		if used += g.Width(); used > columns-1 {
			break
		}
		b.WriteString(g.Str())
	}
	return strings.TrimRight(b.String(), " ") + "…"
}

// Parts returns the parts of a clean word between which a line may end. Words of letters that take one
// column each are whole. Chinese and Japanese have no blanks between words (UAX #14).
func Parts(word string) (parts []string) {
	if Width(word) == utf8.RuneCountInString(word) {
		return []string{word}
	}
	state := -1
	for word != "" {
		var part string
		part, word, _, state = uniseg.FirstLineSegmentInString(word, state)
		parts = append(parts, part)
	}
	return parts
}

// Label returns what a person calls a story: its number, or its whole ID if it has none.
func Label(id string) string {
	if n, ok := pipeline.Number(id); ok {
		return strconv.FormatUint(uint64(n), 10)
	}
	return id
}

// Title returns the name of a story on one line, or its ID if it has no name.
func Title(st *pipeline.Story) string {
	if name := Line(st.Name); name != "" {
		return name
	}
	return st.ID
}

// Numbers returns numbers with commas between them.
func Numbers(all []uint32) string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = strconv.FormatUint(uint64(n), 10)
	}
	return strings.Join(texts, ", ")
}

// Span returns a length of time in its two greatest units at most, such as "2h 5m".
func Span(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 24*time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute), " 0m")
	}
	const day = 24 * time.Hour
	return strings.TrimSuffix(fmt.Sprintf("%dd %dh", d/day, d%day/time.Hour), " 0h")
}
