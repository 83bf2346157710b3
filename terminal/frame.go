package terminal

import (
	"fmt"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
)

const (
	// wideFrame is the width from which agents stand beside what needs a person.
	wideFrame = 120
	// narrowFrame is the width below which stages stand one under the other.
	narrowFrame = 64
	// narrowEvents is the width below which events are not aligned: an agent's name may take a third.
	narrowEvents = 72
	// minColumnRows is how many rows agents and needs leave to the columns.
	minColumnRows = 5
)

// Frame returns the scene as lines for a screen of the height, at most so many. No line is wider than
// the screen.
func (sc *Scene) Frame(s Screen, height int) []string {
	lines := sc.head(s)
	lines = append(lines, sc.people(s, height-len(lines)-1)...)
	if room := height - len(lines) - 1; room > 1 { // the last line is the foot
		columns := sc.columns(s, room)
		if left := room - len(columns) - 1; left > 2 {
			columns = append(append(columns, ""), sc.events(s, left)...)
		}
		lines = append(lines, columns...)
	}
	for len(lines) < height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(0, height-1)], sc.foot(s))
	return lines[:min(len(lines), max(0, height))]
}

// people returns the agents and what needs a person, in at most so many rows, of which it leaves some
// to the columns.
func (sc *Scene) people(s Screen, room int) []string {
	room -= minColumnRows + 1
	if s.Width >= wideFrame {
		left := (s.Width - 3) / 2
		return beside(sc.workers(s.narrowed(left), room-1), sc.needs(s.narrowed(s.Width-3-left), room-1), left)
	}
	// Both have a heading and an empty line. What one does not need goes to the other.
	rows := max(6, room-4)
	needs := min(max(1, len(sc.Needs)), max(rows/2, rows-len(sc.Workers)))
	lines := append(sc.workers(s, rows-needs), "")
	return append(append(lines, sc.needs(s, needs)...), "")
}

// narrowed returns the screen with another width.
func (s Screen) narrowed(width int) Screen {
	s.Width = width
	return s
}

// fit returns a clean text that takes exactly the columns.
func fit(text string, columns int) string {
	if columns <= 0 {
		return ""
	}
	return pad(phrase.Cut(text, columns), columns)
}

// beside puts two parts side by side, of which the left one has the width.
func beside(left, right []string, width int) (lines []string) {
	for i := range max(len(left), len(right)) {
		l, r := strings.Repeat(" ", width), ""
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		lines = append(lines, l+"   "+r)
	}
	return append(lines, "")
}

// head returns the first lines: what is watched, the counts, the time, and what is wrong.
func (sc *Scene) head(s Screen) []string {
	clock := s.local(s.Now).Format("15:04")
	working := 0
	for _, w := range sc.Workers {
		if w.Story != nil && !w.Story.Lapsed {
			working++
		}
	}
	counts := []struct {
		text  string
		color paint
	}{
		{phrase.Count(sc.NeedCount, "needs you", "need you"), red},
		{fmt.Sprint(working, " at work"), cyan},
	}
	if sc.NeedCount == 0 {
		counts[0].color = faint
	}
	for _, c := range sc.Closed {
		_, word, _ := strings.Cut(string(c.Stage), "_")
		counts = append(counts, struct {
			text  string
			color paint
		}{fmt.Sprint(c.Count, " ", phrase.Line(word)), faint})
	}
	if sc.Hub != "" {
		color := faint
		if sc.HubAway {
			color = yellow
		}
		counts = slices.Insert(counts, 2, struct {
			text  string
			color paint
		}{phrase.Line(sc.Hub), color})
	}
	name := phrase.Cut(phrase.Line(sc.Name), max(4, s.Width/3))
	line, used := s.paint(name, bold), phrase.Width(name)
	for _, c := range counts {
		if w := phrase.Width(c.text) + 3; used+w+len(clock)+2 <= s.Width {
			line, used = line+"   "+s.paint(c.text, c.color), used+w
		}
	}
	if used+len(clock) < s.Width {
		line += strings.Repeat(" ", s.Width-used-len(clock)) + s.paint(clock, faint)
	}
	lines := []string{line}
	wrong := phrase.Line(sc.Trouble)
	if wrong == "" && sc.Missing.Any() {
		wrong = phrase.Missing(sc.Missing, "")
	}
	if wrong != "" {
		lines = append(lines, s.paint(phrase.Cut(wrong, s.Width), yellow))
	}
	return append(lines, "")
}

// section returns a heading and rows, as many as there is room for. The last row says how many are left
// out.
func section(s Screen, heading string, count int, rows []string, room int) []string {
	lines := []string{s.paint(fit(heading, s.Width), bold)}
	shown := rows
	if count > room || len(rows) > room {
		shown = rows[:max(0, min(len(rows), room-1))]
	}
	lines = append(lines, shown...)
	if more := count - len(shown); more > 0 {
		lines = append(lines, s.paint(fit(fmt.Sprintf("  and %d more", more), s.Width), faint))
	}
	return lines
}

// workers returns the agents with their stories and how long they have had them.
func (sc *Scene) workers(s Screen, room int) []string {
	agents, labels := 0, 0
	for _, w := range sc.Workers {
		agents = max(agents, phrase.Width(phrase.Line(w.Agent)))
		if w.Story != nil {
			labels = max(labels, phrase.Width(phrase.Label(w.Story.ID)))
		}
	}
	agents, labels = min(agents, max(8, min(16, s.Width/4+1), s.Width/5)), min(labels, max(4, s.Width/8))
	tail := 0
	for i := range sc.Workers {
		age, _ := sc.Workers[i].age(s)
		tail = max(tail, phrase.Width(age))
	}
	var rows []string
	for i := range sc.Workers {
		rows = append(rows, sc.Workers[i].row(s, agents, labels, tail))
	}
	if len(rows) == 0 {
		rows = []string{s.paint(fit("  nobody has a story", s.Width), faint)}
	}
	return section(s, "Agents", len(rows), rows, room)
}

// stageWidth is how many columns the longest name of an open stage takes.
const stageWidth = 9

// row returns one agent. The names of agents, the labels of stories and the ages take the given columns.
func (w *Worker) row(s Screen, agents, labels, tail int) string {
	line := "  " + s.paint(fit(phrase.Line(w.Agent), agents), cyan) + "  "
	left := s.Width - agents - 4
	if w.Story == nil {
		return line + s.paint(fit(strings.Repeat(" ", labels)+"  idle for "+phrase.Span(max(0, s.Now.Sub(w.Last))), left), faint)
	}
	st := w.Story
	age, color := w.age(s)
	stage := ""
	if s.Width >= narrowFrame {
		stage = fit(phrase.Line(string(st.Stage)), stageWidth) + "  "
	}
	name := left - labels - 2 - 2 - phrase.Width(stage) - tail
	label := phrase.Cut(phrase.Label(st.ID), labels)
	label = strings.Repeat(" ", labels-phrase.Width(label)) + label
	return line + s.paint(label, faint) + "  " + fit(phrase.Title(st), name) + "  " + s.paint(stage, faint) +
		strings.Repeat(" ", tail-phrase.Width(age)) + s.paint(age, color)
}

// age says how long an agent has had its story, or that it lost it.
func (w *Worker) age(s Screen) (string, paint) {
	if w.Story == nil {
		return "", ""
	}
	claim := w.Story.Claim
	switch {
	case claim == nil:
		return "assigned", faint
	case !claim.Live(s.Now):
		if s.Width < narrowFrame-10 {
			return "lapsed", yellow
		}
		return "lapsed " + phrase.Span(max(0, s.Now.Sub(claim.Lease.Ends))), yellow
	case claim.Since.IsZero():
		return "", ""
	}
	return phrase.Span(max(0, s.Now.Sub(claim.Since))), ""
}

// needs returns what waits for a person, nothing if nothing does.
func (sc *Scene) needs(s Screen, room int) []string {
	labels, names := 0, 0
	for i := range sc.Needs {
		labels = max(labels, phrase.Width(phrase.Label(sc.Needs[i].Story.ID)))
		names = max(names, phrase.Width(phrase.Title(&sc.Needs[i].Story)))
	}
	labels = min(labels, max(4, s.Width/8))
	left := max(0, s.Width-2-labels-2-2)
	names = min(names, left*2/5)
	var rows []string
	for i := range sc.Needs {
		n := &sc.Needs[i]
		label := phrase.Cut(phrase.Label(n.Story.ID), labels)
		rows = append(rows, "  "+strings.Repeat(" ", labels-phrase.Width(label))+s.paint(label, faint)+"  "+
			fit(phrase.Title(&n.Story), names)+"  "+s.paint(fit(n.Why, left-names), n.color))
	}
	if len(rows) == 0 {
		rows = []string{s.paint(fit("  nothing", s.Width), faint)}
	}
	return section(s, "Needs you", max(len(rows), sc.NeedCount), rows, room)
}

// events returns the last changes, the newest first.
func (sc *Scene) events(s Screen, room int) []string {
	if len(sc.Events) == 0 {
		return nil
	}
	latest := sc.Events[max(0, len(sc.Events)-room+1):]
	lines := []string{s.paint(fit("Latest", s.Width), bold)}
	if s.Width < narrowEvents {
		for i := range latest {
			e := &latest[len(latest)-1-i]
			lines = append(lines, fit(fmt.Sprint("  ", when(s, e.At), "  ", phrase.Line(e.Agent), " ", phrase.Line(e.Words)), s.Width))
		}
		return lines
	}
	all := strings.Split(strings.TrimSuffix(History(s.narrowed(s.Width-2), latest), "\n"), "\n")
	for i := range all {
		lines = append(lines, "  "+all[len(all)-1-i])
	}
	return lines
}

// foot returns the last line: what the marks mean, and how to end.
func (sc *Scene) foot(s Screen) string {
	marks, end := "* held  ! blocked  ~ waits", "q ends"
	if s.Width < len(marks)+len(end)+2 {
		return s.paint(phrase.Cut(end, s.Width), faint)
	}
	return s.paint(marks+strings.Repeat(" ", s.Width-len(marks)-len(end))+end, faint)
}

// mark returns the sign of a story's state, and its colour.
func mark(st *pipeline.Story) (string, paint) {
	switch {
	case st.Blocked:
		return "!", red
	case st.Lapsed:
		return "*", yellow
	case st.Agent != "":
		return "*", cyan
	case len(st.WaitingOn) > 0:
		return "~", faint
	}
	return " ", ""
}
