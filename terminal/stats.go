package terminal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// statDays is how many days the throughput is shown of.
const statDays = 14

// Stats are the figures of a pipeline.
type Stats struct {
	Stages []StageFigures `json:"stages"`
	// Days are the last days, the newest last.
	Days   []DayFigures `json:"days"`
	Agents []AgentWork  `json:"agents"`
}

// StageFigures say what there is in a stage, and how long stories stayed there that have left it.
type StageFigures struct {
	Stage          pipeline.Stage `json:"stage"`
	Stories        int            `json:"stories"`
	Ready          int            `json:"ready,omitempty"`
	Blocked        int            `json:"blocked,omitempty"`
	Stays          int            `json:"stays,omitempty"`
	MedianSeconds  int64          `json:"median_seconds,omitempty"`
	LongestSeconds int64          `json:"longest_seconds,omitempty"`
}

// DayFigures say how many stories were added and done on a day.
type DayFigures struct {
	Day   string `json:"day"`
	Added int    `json:"added"`
	Done  int    `json:"done"`
}

// AgentWork is what an agent has.
type AgentWork struct {
	Agent string `json:"agent"`
	// Stories are the IDs of the open stories that it has.
	Stories []string `json:"stories"`
	// Live counts those whose claims last.
	Live int `json:"live"`
}

// Tally counts over the history what the state does not tell.
type Tally struct {
	screen  Screen
	stories map[string]*tallied
	stays   map[pipeline.Stage][]time.Duration
	added   map[string]int
	done    map[string]int
}

// tallied is where a story is at a moment of the history.
type tallied struct {
	stage pipeline.Stage
	since time.Time // zero if it is unknown
}

// NewTally returns a tally whose days are those of the screen's time zone.
func NewTally(s Screen) *Tally {
	return &Tally{s, map[string]*tallied{}, map[pipeline.Stage][]time.Duration{}, map[string]int{}, map[string]int{}}
}

// Add counts an op. The caller must give the ops in the order of their arrival.
func (t *Tally) Add(op *crdt.Op) {
	if pipeline.Reserved(op.Story) {
		return
	}
	for i := range op.Edits {
		e := &op.Edits[i]
		if e.Kind != crdt.KindSet || e.Field != pipeline.NameStage {
			continue
		}
		stage := pipeline.Stage(e.Value.Str())
		at := pipeline.TimeOf(op.At)
		day := t.screen.local(at).Format(time.DateOnly)
		st, known := t.stories[op.Story]
		if !known {
			st = &tallied{}
			t.stories[op.Story] = st
			t.added[day]++
		} else if st.stage != stage {
			if stay := at.Sub(st.since); stay >= 0 && !at.IsZero() && !st.since.IsZero() {
				t.stays[st.stage] = append(t.stays[st.stage], stay)
			}
		}
		if stage == pipeline.Done && st.stage != stage {
			t.done[day]++
		}
		if st.stage != stage {
			*st = tallied{stage, at}
		}
	}
}

// ReadStats returns the figures of a pipeline, of which the tally has counted the history.
func ReadStats(v *replica.View, t *Tally) (out Stats, err error) {
	yes := true
	var stages []StageFigures
	page, err := v.List(pipeline.Filter{}, nil, 1)
	if err != nil {
		return out, err
	}
	for _, c := range page.Stages {
		figures := StageFigures{Stage: c.Stage, Stories: c.Count}
		for _, part := range []struct {
			f  pipeline.Filter
			to *int
		}{{pipeline.Filter{Ready: &yes}, &figures.Ready}, {pipeline.Filter{Blocked: &yes}, &figures.Blocked}} {
			part.f.Stages = []pipeline.Stage{c.Stage}
			some, err := v.List(part.f, nil, 1)
			if err != nil {
				return out, err
			}
			*part.to = some.Total
		}
		stages = append(stages, figures)
	}
	slices.SortStableFunc(stages, func(x, y StageFigures) int { return rank(x.Stage) - rank(y.Stage) })
	agents, err := readAgents(v, t.screen)
	return t.Stats(stages, agents), err
}

// Stats returns the figures of stages and agents together with what was counted.
func (t *Tally) Stats(stages []StageFigures, agents []AgentWork) Stats {
	for i := range stages {
		t.stayed(&stages[i])
	}
	return Stats{stages, t.days(), agents}
}

// stayed adds how long stories stayed in the stage.
func (t *Tally) stayed(f *StageFigures) {
	stays := slices.Sorted(slices.Values(t.stays[f.Stage]))
	if f.Stays = len(stays); f.Stays > 0 {
		f.MedianSeconds = int64(stays[f.Stays/2] / time.Second)
		f.LongestSeconds = int64(stays[f.Stays-1] / time.Second)
	}
}

func (t *Tally) days() (days []DayFigures) {
	today := t.screen.local(t.screen.Now)
	for ago := statDays - 1; ago >= 0; ago-- {
		day := today.AddDate(0, 0, -ago).Format(time.DateOnly)
		days = append(days, DayFigures{day, t.added[day], t.done[day]})
	}
	return days
}

// readAgents returns the agents that have open stories.
func readAgents(v *replica.View, s Screen) (all []AgentWork, err error) {
	for _, agent := range v.Agents() {
		board, err := ReadBoard(v, Choice{Agent: &agent})
		if err != nil {
			return nil, err
		}
		work := AgentWork{Agent: agent}
		for _, column := range board.Columns {
			for i := range column.Stories {
				work.Stories = append(work.Stories, column.Stories[i].ID)
				if column.Stories[i].Claim.Live(s.Now) {
					work.Live++
				}
			}
		}
		if len(work.Stories) > 0 {
			all = append(all, work)
		}
	}
	return all, v.Err()
}

// Text returns the figures for a person.
func (f *Stats) Text(s Screen) string {
	var out strings.Builder
	heading := func(text string) { out.WriteString(s.paint(text, bold) + "\n") }
	line := func(text string) { out.WriteString("  " + phrase.Cut(text, s.columnsAfter(2)) + "\n") }
	heading("Stories")
	for _, st := range f.Stages {
		text := pad(phrase.Line(string(st.Stage)), 12) + fmt.Sprintf("%6d", st.Stories)
		if st.Ready > 0 {
			text += fmt.Sprintf(", %d ready", st.Ready)
		}
		if st.Blocked > 0 {
			text += fmt.Sprintf(", %d blocked", st.Blocked)
		}
		line(text)
	}
	out.WriteString("\n")
	heading("Time in each stage")
	for _, st := range f.Stages {
		if st.Stays > 0 {
			line(pad(phrase.Line(string(st.Stage)), 12) + fmt.Sprintf("median %s, longest %s, %d left it",
				phrase.Span(time.Duration(st.MedianSeconds)*time.Second), phrase.Span(time.Duration(st.LongestSeconds)*time.Second), st.Stays))
		}
	}
	out.WriteString("\n")
	heading(fmt.Sprintf("Added and done in the last %d days", statDays))
	line("day          new  done")
	for _, day := range f.Days {
		line(strings.TrimRight(fmt.Sprintf("%s  %4d  %4d  %s", day.Day, day.Added, day.Done, strings.Repeat("█", min(day.Done, 40))), " "))
	}
	out.WriteString("\n")
	heading("Agents at work")
	for _, a := range f.Agents {
		var names []string
		for _, id := range a.Stories {
			names = append(names, phrase.Label(id))
		}
		text := pad(phrase.Line(a.Agent), 20) + "  " + strings.Join(names, ", ")
		if a.Live == 0 {
			text += " (no claim lasts)"
		}
		line(text)
	}
	if len(f.Agents) == 0 {
		line("none")
	}
	return out.String()
}

// JSON returns the figures as one line of JSON.
func (f *Stats) JSON() (string, error) { return lineOfJSON(f) }
