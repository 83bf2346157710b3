package terminal

import (
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Event is one line of a history in words.
type Event struct {
	At    time.Time
	Agent string
	Words string
	// Mark says that the change has no effect, such as "held". It is empty for all others.
	Mark string
}

// NewEvent returns the line of an op.
func NewEvent(op *crdt.Op, name string, first bool) Event {
	return Event{At: pipeline.TimeOf(op.At), Agent: op.Agent, Words: phrase.Words(op, name, first, nil)}
}

// maxAgentColumn bounds the column of agents, in columns of the screen.
const maxAgentColumn = 24

// History returns events with a line each, the last of them last.
func History(s Screen, events []Event) string {
	var out strings.Builder
	times, agents, most := 0, 0, maxAgentColumn
	if s.Width > 0 {
		most = min(most, max(8, s.Width/5))
	}
	for _, e := range events {
		times = max(times, len(when(s, e.At)))
		agents = max(agents, min(most, phrase.Width(phrase.Line(e.Agent))))
	}
	for _, e := range events {
		at := pad(when(s, e.At), times)
		line := s.paint(at, faint) + "  "
		used := times + 2
		if agents > 0 {
			line += s.paint(pad(phrase.Cut(phrase.Line(e.Agent), agents), agents), cyan) + "  "
			used += agents + 2
		}
		if mark := phrase.Line(e.Mark); mark != "" {
			line += s.paint("["+mark+"]", yellow) + " "
			used += phrase.Width(mark) + 3
		}
		if s.Width > 0 {
			line += phrase.Cut(phrase.Line(e.Words), max(1, s.Width-used))
		} else {
			line += phrase.Line(e.Words)
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

// when returns a time as briefly as it is clear: the time of today, the day and the time of this year,
// or the date.
func when(s Screen, t time.Time) string {
	if !pipeline.KnownTime(t) {
		return "-"
	}
	t, now := s.local(t), s.local(s.Now)
	switch {
	case t.Year() != now.Year():
		return t.Format("2006-01-02")
	case t.YearDay() != now.YearDay():
		return t.Format("01-02 15:04")
	}
	return t.Format("15:04")
}
