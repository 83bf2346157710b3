package terminal

import (
	"regexp"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
)

// Screen says what a text is printed for.
type Screen struct {
	// Width is the number of columns. Lines are not cut if it is 0.
	Width int
	// Color reports whether the text may have colours.
	Color bool
	// Now is the time by which leases end and ages are counted.
	Now time.Time
	// Zone is the time zone in which times are shown. It is UTC if Zone is nil.
	Zone *time.Location
}

// paint is a colour or another look of a text, as ECMA-48 numbers it (SGR). The colours are of the 256
// that terminals have beside the 16 of the reader's scheme. Each has a contrast of 3.8 or more both to
// white and to black. The scheme's own yellow, green and cyan cannot be read on white in many terminals,
// and its faint texts neither.
type paint string

const (
	bold   paint = "1"
	faint  paint = "38;5;243"
	red    paint = "38;5;160"
	green  paint = "38;5;28"
	yellow paint = "38;5;130"
	cyan   paint = "38;5;30"
)

// paint returns the text in a colour if the screen has colours.
func (s Screen) paint(text string, p paint) string {
	if !s.Color || text == "" || p == "" {
		return text
	}
	return "\x1b[" + string(p) + "m" + text + "\x1b[0m"
}

// local returns a time in the screen's zone.
func (s Screen) local(t time.Time) time.Time {
	if s.Zone == nil {
		return t.UTC()
	}
	return t.In(s.Zone)
}

// pad returns a clean text with blanks behind it, so that it takes the columns.
func pad(text string, columns int) string {
	return text + strings.Repeat(" ", max(0, columns-phrase.Width(text)))
}

// Hang returns a clean line of text in lines that fit the screen. Those after the first stand behind so
// many blanks, and the first so many bytes of the line stay as they are.
func (s Screen) Hang(line string, blanks int) string {
	if s.Width <= blanks || phrase.Width(line) <= s.Width {
		return line
	}
	return line[:blanks] + strings.Join(wrap(line[blanks:], s.Width-blanks), "\n"+strings.Repeat(" ", blanks))
}

// listMark is what an item of a list in Markdown begins with.
var listMark = regexp.MustCompile(`^ *([-*+]|[0-9]{1,3}[.)]) (\[[ xX]\] )?`)

// wrap returns the lines of a clean line of text so that each fits the columns. A word that is
// longer stands on a line of its own. Lines after the first get the blanks of the first one, and those
// of an item stand below its text.
func wrap(line string, columns int) []string {
	if columns <= 0 || phrase.Width(line) <= columns {
		return []string{line}
	}
	lead := listMark.FindString(line)
	if lead == "" {
		lead = line[:len(line)-len(strings.TrimLeft(line, " "))]
	}
	var lines []string
	now, empty := lead, true
	for _, word := range strings.Fields(line[len(lead):]) {
		blank := " "
		for _, part := range phrase.Parts(word) {
			if empty {
				blank = ""
			} else if phrase.Width(now+blank+part) > columns {
				lines = append(lines, now)
				now, blank = strings.Repeat(" ", len(lead)), ""
			}
			now, blank, empty = now+blank+part, "", false
		}
	}
	return append(lines, now)
}
