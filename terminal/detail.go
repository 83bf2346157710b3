package terminal

import (
	"fmt"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// maxNotes, maxEvents and maxNeeded bound what one story shows.
	maxNotes  = 100
	maxEvents = 20
	maxNeeded = 50
)

// Detail is all there is to show of one story.
type Detail struct {
	Story pipeline.Story
	// Notes are the last ones, the newest last. NoteCount says how many there are in all.
	Notes     []pipeline.Note
	NoteCount int
	// DependsOn are the stories that it depends on. A number without a story is one with nothing
	// but the ID.
	DependsOn []pipeline.Story
	// Dependents are stories that depend on it. DependentCount says how many there are in all.
	Dependents     []pipeline.Story
	DependentCount int
	// Events are the last changes, the newest last. More reports whether there are older ones.
	Events []Event
	More   bool
}

// ReadDetail returns what there is to show of the story with the ID.
func ReadDetail(v *replica.View, id string) (d Detail, err error) {
	if d.Story, err = v.Story(id); err != nil {
		return d, err
	}
	d.Notes, d.NoteCount = v.Notes(id, maxNotes)
	for _, n := range d.Story.DependsOn {
		prefix := fmt.Sprint(n)
		ids := v.IDs(prefix+"_", maxSame)
		if len(ids) == 0 {
			ids = []string{prefix}
		}
		if err := d.read(v, ids, &d.DependsOn); err != nil {
			return d, err
		}
	}
	ids, count := v.Dependents(id, maxNeeded)
	d.DependentCount = count
	if err := d.read(v, ids, &d.Dependents); err != nil {
		return d, err
	}
	var ops []*crdt.Op
	err = v.History(id, 0, func(e replica.Entry) bool {
		if d.More = len(ops) == maxEvents; d.More {
			return false
		}
		ops = append(ops, e.Op)
		return true
	})
	for i, op := range slices.Backward(ops) {
		d.Events = append(d.Events, NewEvent(op, "it", i == len(ops)-1 && !d.More))
	}
	return d, err
}

// read appends the stories with the IDs. One that cannot be seen has nothing but its ID.
func (d *Detail) read(v *replica.View, ids []string, to *[]pipeline.Story) error {
	for _, id := range ids {
		st, err := v.Story(id)
		if v.Err() != nil {
			return v.Err()
		}
		if err != nil {
			st = pipeline.Story{ID: id}
		}
		*to = append(*to, st)
	}
	return nil
}

// Text returns the story for a person.
func (d *Detail) Text(s Screen) string {
	var out strings.Builder
	st := &d.Story
	headline := s.paint(st.ID, faint)
	for i, line := range wrap(phrase.Title(st), s.Width) {
		if i == 0 && phrase.Title(st) == st.ID {
			continue
		}
		out.WriteString(s.paint(line, bold) + "\n")
	}
	out.WriteString(headline + "\n\n")
	field := func(name, text string, color paint) {
		if text == "" {
			return
		}
		for i, line := range wrap(text, s.columnsAfter(13)) {
			label := strings.Repeat(" ", 13)
			if i == 0 {
				label = s.paint(pad(name, 13), faint)
			}
			out.WriteString(label + s.paint(line, color) + "\n")
		}
	}
	stage := phrase.Line(string(st.Stage))
	if !st.StageSince.IsZero() {
		stage += ", for " + phrase.Span(max(0, s.Now.Sub(st.StageSince)))
	}
	field("stage", stage, "")
	state, color := stateOf(s, st)
	field("state", state, color)
	if st.RetryCount > 0 {
		field("retries", fmt.Sprint(st.RetryCount), "")
	}
	for _, warning := range phrase.Warnings(st.Warnings) {
		field("warning", phrase.Line(warning), yellow)
	}
	if pipeline.KnownTime(st.UpdatedAt) {
		field("changed", when(s, st.UpdatedAt)+"  "+st.Rev.Short(), "")
	}
	d.links(&out, s)
	if text := strings.TrimRight(phrase.Text(st.Description), "\n "); text != "" {
		out.WriteString("\n")
		writeMarkdown(&out, s, text)
	}
	d.notes(&out, s)
	d.history(&out, s)
	return out.String()
}

// columnsAfter returns how many columns are left behind so many, 0 without a width.
func (s Screen) columnsAfter(used int) int {
	if s.Width == 0 {
		return 0
	}
	return max(20, s.Width-used)
}

// links writes the dependencies both ways.
func (d *Detail) links(out *strings.Builder, s Screen) {
	write := func(heading string, stories []pipeline.Story, count int) {
		if len(stories) == 0 {
			return
		}
		out.WriteString("\n" + s.paint(heading, bold) + "\n")
		for i := range stories {
			st := &stories[i]
			text := st.ID + ": there is no such story"
			if st.Stage != "" {
				text = phrase.Label(st.ID) + "  " + phrase.Title(st) + " (" + phrase.Line(string(st.Stage)) + ")"
			}
			out.WriteString("  " + phrase.Cut(text, s.columnsAfter(2)) + "\n")
		}
		if more := count - len(stories); more > 0 {
			fmt.Fprintf(out, "  and %d more\n", more)
		}
	}
	write("Depends on", d.DependsOn, len(d.DependsOn))
	write("Needed by", d.Dependents, d.DependentCount)
}

func (d *Detail) notes(out *strings.Builder, s Screen) {
	if len(d.Notes) == 0 {
		return
	}
	heading := "Notes"
	if d.NoteCount > len(d.Notes) {
		heading = fmt.Sprintf("The last %d of %d notes", len(d.Notes), d.NoteCount)
	}
	out.WriteString("\n" + s.paint(heading, bold) + "\n")
	for _, n := range d.Notes {
		out.WriteString("  " + s.paint(strings.TrimSpace(when(s, n.At)+" "+phrase.Cut(phrase.Line(n.Agent), s.columnsAfter(14))), faint) + "\n")
		for line := range strings.Lines(strings.TrimRight(phrase.Text(n.Text), "\n ")) {
			for _, part := range wrap("    "+strings.TrimRight(line, "\n "), s.Width) {
				out.WriteString(strings.TrimRight(part, " ") + "\n")
			}
		}
	}
}

func (d *Detail) history(out *strings.Builder, s Screen) {
	if len(d.Events) == 0 {
		return
	}
	heading := "History"
	if d.More {
		heading = fmt.Sprintf("The last %d changes", len(d.Events))
	}
	out.WriteString("\n" + s.paint(heading, bold) + "\n")
	if s.Width > 0 {
		s.Width -= 2
	}
	for line := range strings.Lines(History(s, d.Events)) {
		out.WriteString("  " + line)
	}
}

// writeMarkdown writes a text so that each line fits. Headings are bold, and code stays as it is.
func writeMarkdown(out *strings.Builder, s Screen, text string) {
	code := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n ")
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence || code:
			if fence {
				code = !code
			}
			out.WriteString(s.paint(line, faint) + "\n")
		case strings.HasPrefix(line, "#"):
			for _, part := range wrap(line, s.Width) {
				out.WriteString(s.paint(part, bold) + "\n")
			}
		default:
			for _, part := range wrap(line, s.Width) {
				out.WriteString(part + "\n")
			}
		}
	}
}

// detailRow is a story as show --json prints it.
type detailRow struct {
	storyRow
	Description string     `json:"description,omitempty"`
	Notes       []noteRow  `json:"notes,omitempty"`
	NoteCount   int        `json:"note_count,omitempty"`
	Dependents  []string   `json:"dependents,omitempty"`
	History     []eventRow `json:"history"`
}

type noteRow struct {
	Text  string `json:"text"`
	Agent string `json:"agent,omitempty"`
	At    string `json:"at,omitempty"`
}

type eventRow struct {
	At    string `json:"at,omitempty"`
	Agent string `json:"agent,omitempty"`
	Words string `json:"words"`
}

// JSON returns the story as one line of JSON.
func (d *Detail) JSON(s Screen) (string, error) {
	row := detailRow{storyRow: newStoryRow(s, &d.Story), Description: d.Story.Description, NoteCount: d.NoteCount}
	for _, n := range d.Notes {
		row.Notes = append(row.Notes, noteRow{n.Text, n.Agent, pipeline.FormatTime(n.At)})
	}
	for i := range d.Dependents {
		row.Dependents = append(row.Dependents, d.Dependents[i].ID)
	}
	for _, e := range d.Events {
		row.History = append(row.History, eventRow{pipeline.FormatTime(e.At), e.Agent, e.Words})
	}
	return lineOfJSON(row)
}
