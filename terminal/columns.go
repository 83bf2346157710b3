package terminal

import (
	"fmt"
	"strings"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
)

const (
	// columnGap is between two columns.
	columnGap = 2
	// wideColumn is the width from which a column says in words what state a story is in.
	wideColumn = 38
)

// columns returns the stages, side by side where they fit, in at most so many rows.
func (sc *Scene) columns(s Screen, room int) []string {
	if s.Width < narrowFrame {
		return sc.stacked(s, room)
	}
	widths := sc.widths(s.Width)
	var parts [][]string
	height := 0
	for i := range sc.Columns {
		parts = append(parts, sc.Columns[i].lines(s.narrowed(widths[i]), room))
		height = max(height, len(parts[i]))
	}
	lines := make([]string, height)
	for row := range lines {
		var cells []string
		for i, part := range parts {
			cell := strings.Repeat(" ", widths[i])
			if row < len(part) {
				cell = part[row]
			}
			cells = append(cells, cell)
		}
		lines[row] = strings.Join(cells, strings.Repeat(" ", columnGap))
	}
	return lines
}

// widths returns how wide each column is. One without stories has room for its heading, and the others
// share the rest.
func (sc *Scene) widths(all int) []int {
	widths := make([]int, len(sc.Columns))
	left, full := all-(len(widths)-1)*columnGap, 0
	for i := range sc.Columns {
		if sc.Columns[i].Total > 0 {
			full++
			continue
		}
		widths[i] = phrase.Width(phrase.Line(string(sc.Columns[i].Stage))) + len("  0")
		left -= widths[i]
	}
	for i := range sc.Columns {
		if sc.Columns[i].Total > 0 {
			widths[i] = left / full
		}
	}
	return widths
}

// stacked returns the stages one under the other. Each gets a fair share of the rows.
func (sc *Scene) stacked(s Screen, room int) (lines []string) {
	for i := range sc.Columns {
		share := (room - len(lines)) / (len(sc.Columns) - i)
		if share > 0 {
			lines = append(lines, sc.Columns[i].lines(s, share)...)
		}
	}
	return lines
}

// lines returns one stage in at most so many rows, each of the screen's width.
func (c *SceneColumn) lines(s Screen, room int) []string {
	heading := fmt.Sprint(phrase.Line(string(c.Stage)), "  ", c.Total)
	details := ""
	if c.Ready > 0 {
		details = fmt.Sprint("  ", c.Ready, " ready")
	}
	if phrase.Width(heading+details) > s.Width {
		details = ""
	}
	heading = phrase.Cut(heading, s.Width)
	lines := []string{s.paint(heading, bold) + s.paint(fit(details, s.Width-phrase.Width(heading)), faint)}
	shown := min(len(c.Stories), room-1)
	if c.Total > shown {
		shown = max(0, min(shown, room-2))
	}
	if shown == 0 {
		return lines
	}
	labels := 0
	for i := range shown {
		labels = max(labels, phrase.Width(phrase.Label(c.Stories[i].ID)))
	}
	labels = min(labels, max(3, s.Width/4))
	for i := range shown {
		lines = append(lines, card(s, &c.Stories[i], labels))
	}
	if more := c.Total - shown; more > 0 && len(lines) < room {
		lines = append(lines, s.paint(fit(fmt.Sprintf("  and %d more", more), s.Width), faint))
	}
	return lines
}

// card returns one story of a column. Its label takes the given columns.
func card(s Screen, st *pipeline.Story, labels int) string {
	sign, color := mark(st)
	label := phrase.Cut(phrase.Label(st.ID), labels)
	label = strings.Repeat(" ", labels-phrase.Width(label)) + label
	left := s.Width - labels - 3
	state := ""
	if s.Width >= wideColumn {
		state = phrase.Cut(cardState(st), s.Width/3)
	}
	line := s.paint(sign, color) + " " + s.paint(label, faint) + " "
	if state == "" {
		return line + fit(phrase.Title(st), left)
	}
	return line + fit(phrase.Title(st), left-phrase.Width(state)-1) + " " + s.paint(state, color)
}

// cardState says in a word or two what state a story is in, "" for one that is ready.
func cardState(st *pipeline.Story) string {
	switch {
	case st.Blocked:
		return "blocked"
	case st.Lapsed:
		return phrase.Line(st.Agent) + " lapsed"
	case st.Agent != "":
		return phrase.Line(st.Agent)
	case len(st.WaitingOn) > 0:
		return "waits for " + phrase.Numbers(st.WaitingOn)
	}
	return ""
}
