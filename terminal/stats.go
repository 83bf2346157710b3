package terminal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// statDays is how many days the throughput is shown of.
	statDays = 14
	// maxStays bounds the times in stages that are looked at: the last ones. A year of a million ops has
	// half a million, which take most of a second.
	maxStays = 20_000
	// maxAgentStories bounds the stories of an agent that are read with their claims, the first in the
	// pipeline's order. More do not fit a line.
	maxAgentStories = 20
	// maxAgents bounds the agents that are looked at, by their names: each takes a look at the counts of all
	// agents, and a bundle can bring as many names as stories. A project has tens.
	maxAgents = 200
)

// Stats are the figures of a pipeline.
type Stats struct {
	Stages []StageFigures `json:"stages"`
	// Days are the last days, the newest last.
	Days   []DayFigures `json:"days"`
	Agents []AgentWork  `json:"agents"`
	// MoreAgents is how many agents were not looked at, since there are so many.
	MoreAgents int `json:"more_agents,omitempty"`
}

// StageFigures say what there is in a stage, and how long stories stayed there that left it last.
type StageFigures struct {
	Stage          pipeline.Stage `json:"stage"`
	Stories        int            `json:"stories"`
	Ready          int            `json:"ready,omitempty"`
	Blocked        int            `json:"blocked,omitempty"`
	Stays          int            `json:"stays,omitempty"`
	MedianSeconds  int64          `json:"median_seconds,omitempty"`
	LongestSeconds int64          `json:"longest_seconds,omitempty"`
}

// DayFigures say how many stories were added and done on a day of UTC. A story that was brought back
// after it was deleted counts as added.
type DayFigures struct {
	Day   string `json:"day"`
	Added int    `json:"added"`
	Done  int    `json:"done"`
}

// AgentWork is what an agent has.
type AgentWork struct {
	Agent string `json:"agent"`
	// Count is how many open stories it has, and Stories are the IDs of the first of them.
	Count   int      `json:"count"`
	Stories []string `json:"stories"`
	// Live counts those of Stories whose claims last.
	Live int `json:"live"`
}

// ReadStats returns the figures of a pipeline.
func ReadStats(v *replica.View, s Screen) (out Stats, err error) {
	if out.Stages, err = readStages(v); err != nil {
		return out, err
	}
	if err := readStays(v, out.Stages); err != nil {
		return out, err
	}
	if out.Days, err = readDays(v, s.Now); err != nil {
		return out, err
	}
	agents := v.Agents()
	out.MoreAgents = max(0, len(agents)-maxAgents)
	out.Agents, err = readAgents(v, s, agents[:len(agents)-out.MoreAgents])
	return out, err
}

// readStages counts the stories of each stage.
func readStages(v *replica.View) ([]StageFigures, error) {
	yes := true
	all, err := v.List(pipeline.Filter{}, nil, 1)
	if err != nil {
		return nil, err
	}
	ready, err := v.List(pipeline.Filter{Ready: &yes}, nil, 1)
	if err != nil {
		return nil, err
	}
	blocked, err := v.List(pipeline.Filter{Blocked: &yes}, nil, 1)
	if err != nil {
		return nil, err
	}
	var stages []StageFigures
	for _, stage := range append(pipeline.Stages(), v.Unknown()...) {
		stages = append(stages, StageFigures{Stage: stage, Stories: countIn(all, stage), Ready: countIn(ready, stage), Blocked: countIn(blocked, stage)})
	}
	return stages, nil
}

// readStays adds to each stage how long stories stayed there.
func readStays(v *replica.View, stages []StageFigures) error {
	began, err := v.Began()
	if err != nil {
		return err
	}
	stays := map[pipeline.Stage][]time.Duration{}
	err = v.Spells(time.Time{}, "", maxStays, func(spell pipeline.Spell) {
		if spell.Began.Before(began) { // by a clock that was wrong
			spell.Began = began
		}
		stays[spell.Stage] = append(stays[spell.Stage], max(0, spell.Ended.Sub(spell.Began)))
	})
	for i := range stages {
		f := &stages[i]
		all := slices.Sorted(slices.Values(stays[f.Stage]))
		if f.Stays = len(all); f.Stays > 0 {
			f.MedianSeconds = int64(pipeline.Percentile(all, 50) / time.Second)
			f.LongestSeconds = int64(all[f.Stays-1] / time.Second)
		}
	}
	return err
}

// readDays returns the figures of the last days.
func readDays(v *replica.View, now time.Time) ([]DayFigures, error) {
	days := make([]DayFigures, statDays)
	first := pipeline.Day(now) - statDays + 1
	for i := range days {
		days[i].Day = now.UTC().AddDate(0, 0, i+1-statDays).Format(time.DateOnly)
	}
	moves, err := v.Flow(first-1, "") // moves of earlier days are counted on the first
	for _, m := range moves {
		if i := m.Day - first; i >= 0 && i < statDays {
			switch m.Stage {
			case "":
				days[i].Added += m.Went
			case pipeline.Done:
				days[i].Done += m.Came
			}
		}
	}
	return days, err
}

// readAgents returns those of the agents that have open stories.
func readAgents(v *replica.View, s Screen, agents []string) (all []AgentWork, err error) {
	for _, agent := range agents {
		page, err := v.List(pipeline.Filter{Stages: openStages, Agent: &agent}, nil, maxAgentStories)
		if err != nil {
			return nil, err
		}
		if err := withClaims(v, page.Stories); err != nil {
			return nil, err
		}
		work := AgentWork{Agent: agent, Count: page.Total}
		for i := range page.Stories {
			work.Stories = append(work.Stories, page.Stories[i].ID)
			if page.Stories[i].Claim.Live(s.Now) {
				work.Live++
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
	part := func(heading string, lines []string) {
		if out.Len() > 0 {
			out.WriteString("\n")
		}
		out.WriteString(s.paint(heading, bold) + "\n")
		if len(lines) == 0 {
			lines = []string{"none"}
		}
		for _, line := range lines {
			out.WriteString("  " + phrase.Cut(line, s.columnsAfter(2)) + "\n")
		}
	}
	part("Stories", f.stageLines())
	part("Time in each stage", f.stayLines())
	part(fmt.Sprintf("Added and done in the last %d days (UTC)", statDays), f.dayLines())
	part("Agents at work", f.agentLines(s))
	return out.String()
}

func (f *Stats) stageLines() (lines []string) {
	for _, st := range f.Stages {
		text := pad(phrase.Line(string(st.Stage)), 12) + fmt.Sprintf("%6d", st.Stories)
		if st.Ready > 0 {
			text += fmt.Sprintf(", %d ready", st.Ready)
		}
		if st.Blocked > 0 {
			text += fmt.Sprintf(", %d blocked", st.Blocked)
		}
		lines = append(lines, text)
	}
	return lines
}

func (f *Stats) stayLines() (lines []string) {
	total := 0
	for _, st := range f.Stages {
		if total += st.Stays; st.Stays > 0 {
			lines = append(lines, pad(phrase.Line(string(st.Stage)), 12)+fmt.Sprintf("median %s, longest %s, %d left it",
				phrase.Span(time.Duration(st.MedianSeconds)*time.Second), phrase.Span(time.Duration(st.LongestSeconds)*time.Second), st.Stays))
		}
	}
	if total >= maxStays {
		lines = append(lines, fmt.Sprintf("of the last %d moves out of a stage", total))
	}
	return lines
}

// maxBar is how many columns the bar of the best day takes at most.
const maxBar = 40

func (f *Stats) dayLines() []string {
	best := maxBar
	for _, day := range f.Days {
		best = max(best, day.Done)
	}
	lines := []string{"day            new    done"}
	for _, day := range f.Days {
		bar := strings.Repeat("█", (day.Done*maxBar+best-1)/best)
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%s  %6d  %6d  %s", day.Day, day.Added, day.Done, bar), " "))
	}
	return lines
}

func (f *Stats) agentLines(s Screen) (lines []string) {
	width := 0
	for _, a := range f.Agents {
		width = max(width, phrase.Width(phrase.Line(a.Agent)))
	}
	if s.Width > 0 {
		width = min(width, max(16, s.Width/4))
	}
	for _, a := range f.Agents {
		var names []string
		for _, id := range a.Stories {
			names = append(names, phrase.Label(id))
		}
		text := fit(phrase.Line(a.Agent), width) + "  " + strings.Join(names, ", ")
		if more := a.Count - len(a.Stories); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		if a.Live == 0 {
			text += " (no claim lasts)"
		}
		lines = append(lines, text)
	}
	if f.MoreAgents > 0 {
		lines = append(lines, fmt.Sprintf("and %d more names, at which stats does not look", f.MoreAgents))
	}
	return lines
}

// JSON returns the figures as one line of JSON.
func (f *Stats) JSON() (string, error) { return lineOfJSON(f) }
