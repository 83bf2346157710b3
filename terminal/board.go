package terminal

import (
	"fmt"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// Choice says which stories of a pipeline are shown. The zero value chooses all open work.
type Choice struct {
	// Stages are the stages to show. Empty means those of open work.
	Stages []pipeline.Stage
	// All chooses all stages, those too that this build does not know.
	All bool
	// Agent chooses the stories of an agent, nil those of all.
	Agent *string
	// Ready chooses the stories that an agent may take.
	Ready bool
	// Most bounds the stories of each stage. 0 means all.
	Most int
}

// Board is a part of the pipeline, by stage.
type Board struct {
	Columns []Column
	// Agent is whose stories were chosen, "" if all were.
	Agent string
	// Missing counts the changes without which stories may be missing.
	Missing pipeline.Gaps
}

// Column is what a board shows of one stage. It holds at least one story.
type Column struct {
	Stage   pipeline.Stage
	Stories []pipeline.Story
	// More is how many stories follow that the board leaves out. MoreAtLeast says that there may be
	// even more.
	More        int
	MoreAtLeast bool
}

// boardPage is how many stories are read at once.
const boardPage = 500

// ReadBoard returns the stories of a choice.
func ReadBoard(v *replica.View, c Choice) (b Board, err error) {
	stages := c.Stages
	switch {
	case c.All:
		stages = append(pipeline.Stages(), v.Unknown()...)
	case len(stages) == 0:
		stages = openStages
	}
	for _, stage := range stages {
		column, err := readColumn(v, stage, c)
		if err != nil {
			return Board{}, err
		}
		if len(column.Stories) > 0 {
			b.Columns = append(b.Columns, column)
		}
	}
	if c.Agent != nil {
		b.Agent = *c.Agent
	}
	b.Missing = v.Missing()
	return b, v.Err()
}

// readColumn returns the chosen stories of a stage, as many as there may be.
func readColumn(v *replica.View, stage pipeline.Stage, c Choice) (column Column, err error) {
	column.Stage = stage
	f := pipeline.Filter{Stages: []pipeline.Stage{stage}, Agent: c.Agent}
	if c.Ready {
		f.Ready = &c.Ready
	}
	var after *pipeline.Position
	for {
		room := boardPage
		if c.Most > 0 {
			room = min(room, c.Most-len(column.Stories))
		}
		page, err := v.List(f, after, room)
		if err != nil {
			return column, err
		}
		if err := withClaims(v, page.Stories); err != nil {
			return column, err
		}
		column.Stories = append(column.Stories, page.Stories...)
		if !page.More {
			return column, nil
		}
		if n := len(column.Stories); n == c.Most {
			column.More, column.MoreAtLeast = max(1, page.Total-n), !page.Complete
			return column, nil
		}
		last := page.Stories[len(page.Stories)-1]
		after = &pipeline.Position{Stage: last.Stage, Place: last.Place}
	}
}

// rank returns the place of a stage in the pipeline, from 0. Stages that this build does not know come
// last.
func rank(stage pipeline.Stage) int {
	all := pipeline.Stages()
	if i := slices.Index(all, stage); i >= 0 {
		return i
	}
	return len(all)
}

// boardRow is one story on a board.
type boardRow struct {
	label, name, state string
	color              paint
}

// Text returns the board with a line a story. Its columns are aligned over all stages.
func (b *Board) Text(s Screen) string {
	var out strings.Builder
	if b.Missing.Any() {
		out.WriteString(s.paint(phrase.Missing(b.Missing, ""), yellow) + "\n")
	}
	switch {
	case len(b.Columns) > 0:
	case b.Agent != "":
		out.WriteString(phrase.Cut(phrase.Line(b.Agent), maxCalled) + " has no story to show.\n")
	default:
		out.WriteString("There is no story to show.\n")
	}
	labels := b.labels()
	rows := make([][]boardRow, len(b.Columns))
	var labelWidth, nameWidth, stateWidth int
	whole := false // numbers alone end in one column, and with whole IDs all begin in one
	for i, column := range b.Columns {
		for j := range column.Stories {
			st := &column.Stories[j]
			row := boardRow{label: labels[st.ID], name: phrase.Title(st)}
			row.state, row.color = stateOf(s, st)
			whole = whole || row.label == st.ID
			labelWidth, nameWidth, stateWidth = max(labelWidth, phrase.Width(row.label)), max(nameWidth, phrase.Width(row.name)), max(stateWidth, phrase.Width(row.state))
			rows[i] = append(rows[i], row)
		}
	}
	if s.Width > 0 {
		room := max(12, s.Width-labelWidth-6)
		stateWidth = min(stateWidth, max(room-nameWidth, room*2/5))
		nameWidth = min(nameWidth, max(room-stateWidth, 8))
	}
	for i, column := range b.Columns {
		if i > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(s.paint(phrase.Line(string(column.Stage)), bold) + "  " + s.paint(column.count(), faint) + "\n")
		for _, row := range rows[i] {
			gap := strings.Repeat(" ", labelWidth-phrase.Width(row.label))
			line := "  " + gap + s.paint(row.label, faint) + "  "
			if whole {
				line = "  " + s.paint(row.label, faint) + gap + "  "
			}
			if row.state == "" {
				line += phrase.Cut(row.name, nameWidth)
			} else {
				line += pad(phrase.Cut(row.name, nameWidth), nameWidth) + "  " + s.paint(phrase.Cut(row.state, stateWidth), row.color)
			}
			out.WriteString(line + "\n")
		}
		if column.More > 0 {
			out.WriteString("  " + s.paint(phrase.Cut(column.rest()+": --limit 0 shows all", s.columnsAfter(2)), faint) + "\n")
		}
	}
	return out.String()
}

// count returns how many stories there are of the column's, those too that it leaves out.
func (c *Column) count() string {
	text := fmt.Sprint(len(c.Stories) + c.More)
	if c.MoreAtLeast {
		text += "+"
	}
	return text
}

// rest says how many stories the column leaves out.
func (c *Column) rest() string {
	text := fmt.Sprint("and ", c.More)
	if c.MoreAtLeast {
		text += "+"
	}
	return text + " more"
}

// labels returns what each story is called: its number, or its whole ID if another story of the board
// has that number.
func (b *Board) labels() map[string]string {
	count := map[string]int{}
	labels := map[string]string{}
	for _, column := range b.Columns {
		for _, st := range column.Stories {
			labels[st.ID] = phrase.Label(st.ID)
			count[labels[st.ID]]++
		}
	}
	for id, label := range labels {
		if count[label] > 1 {
			labels[id] = id
		}
	}
	return labels
}

// stateOf returns what a person should know of a story beside its stage, and its colour.
func stateOf(s Screen, st *pipeline.Story) (text string, color paint) {
	holder := phrase.Line(st.Agent)
	if holder != "" && st.Claim != nil {
		if st.Claim.Live(s.Now) {
			holder += " " + phrase.Span(st.Claim.Lease.Ends.Sub(s.Now)) + " left"
		} else {
			holder += ", claim lapsed"
		}
	}
	switch {
	case st.Blocked:
		text = "blocked"
		if reason := phrase.Line(st.BlockedReason); reason != "" {
			text += ": " + reason
		}
		if holder != "" {
			text = holder + ", " + text
		}
		return text, red
	case holder != "":
		return holder, cyan
	case st.Ready:
		return "ready", green
	case len(st.WaitingOn) > 0:
		return "waits for " + phrase.Numbers(st.WaitingOn), yellow
	}
	return "", ""
}

// Markdown returns the board as lists under headings.
func (b *Board) Markdown(s Screen) string {
	var out strings.Builder
	for i, column := range b.Columns {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "## %s (%s)\n\n", phrase.Line(string(column.Stage)), column.count())
		for j := range column.Stories {
			st := &column.Stories[j]
			line := "- " + st.ID
			if name := phrase.Line(st.Name); name != "" {
				line += ": " + name
			}
			if state, _ := stateOf(s, st); state != "" {
				line += " (" + state + ")"
			}
			out.WriteString(line + "\n")
		}
		if column.More > 0 {
			out.WriteString("- " + column.rest() + "\n")
		}
	}
	return out.String()
}

// JSON returns the stories of the board as an array with a story a line.
func (b *Board) JSON(s Screen) (string, error) {
	var lines []string
	for _, column := range b.Columns {
		for j := range column.Stories {
			line, err := lineOfJSON(newStoryRow(s, &column.Stories[j]))
			if err != nil {
				return "", err
			}
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	if len(lines) == 0 {
		return "[]\n", nil
	}
	return "[\n" + strings.Join(lines, ",\n") + "\n]\n", nil
}

// Holder returns who holds a story and for how long, "" if nobody does: no agent has it, or the lease of
// its claim has ended.
func Holder(s Screen, st *pipeline.Story) string {
	if st.Agent == "" || st.Claim != nil && !st.Claim.Live(s.Now) {
		return ""
	}
	holder := phrase.Line(st.Agent)
	if st.Claim != nil {
		holder += ", " + phrase.Span(st.Claim.Lease.Ends.Sub(s.Now)) + " left"
	}
	return holder
}
