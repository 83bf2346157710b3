package board

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"time"

	"github.com/huskies/huskies-mcp/internal/chart"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
)

// draw returns all charts. It is pure.
func draw(r *readings, zone *time.Location) []figure {
	days := r.days()
	return []figure{
		r.drawFlow(days), r.drawThroughput(days), r.drawCycle(), r.drawStays(), r.drawAging(), r.drawAgents(zone),
	}
}

// dayFigures are the figures of one day.
type dayFigures struct {
	stories map[pipeline.Stage]int // at its end
	done    int
}

// days returns the figures of all days of the charts.
func (r *readings) days() []dayFigures {
	all := make([]dayFigures, r.last-r.first+1)
	now, next := map[pipeline.Stage]int{}, 0
	for i := range all {
		all[i].stories = map[pipeline.Stage]int{}
		for next < len(r.moves) && (r.moves[next].Day <= r.first+int64(i) || i == len(all)-1) {
			m := &r.moves[next]
			now[m.Stage] += m.Came - m.Went
			if m.Stage == pipeline.Done && m.Day >= r.first {
				all[i].done += m.Came
			}
			next++
		}
		for stage, n := range now {
			all[i].stories[stage] = n
		}
	}
	return all
}

func (r *readings) drawFlow(days []dayFigures) figure {
	f := figure{ID: "flow", Title: "Cumulative flow", Head: []string{"Day"}, None: "There are no stories yet."}
	stages := pipeline.Stages()
	for _, d := range days {
		for stage, n := range d.stories {
			if n > 0 && stage != "" && !slices.Contains(stages, stage) {
				stages = append(stages, stage)
			}
		}
	}
	var all []chart.Series
	for i, stage := range slices.Backward(stages) { // what is finished lies at the bottom
		s := chart.Series{Name: stageName(stage), Class: "s" + strconv.Itoa(min(i, 6))}
		for _, d := range days {
			s.Counts = append(s.Counts, d.stories[stage])
		}
		all = append(all, s)
	}
	for _, stage := range stages {
		f.Head = append(f.Head, stageName(stage))
	}
	some := false
	for i, d := range slices.Backward(days) {
		row := texts(dayTime(r.first + int64(i)).Format(time.DateOnly))
		for _, stage := range stages {
			some = some || d.stories[stage] > 0
			row = append(row, cell{Text: strconv.Itoa(d.stories[stage])})
		}
		f.Rows = append(f.Rows, row)
	}
	f.Desc = "How many stories there were in each stage at the end of each day (UTC)."
	if !some {
		f.Rows = nil
		return f
	}
	f.SVG = template.HTML(chart.Areas(f.heading(), dayTime(r.first), len(days), all))
	return f
}

func (f *figure) heading() chart.Heading {
	return chart.Heading{ID: f.ID, Title: f.Title, Desc: f.Desc}
}

func (r *readings) drawThroughput(days []dayFigures) figure {
	f := figure{ID: "throughput", Title: "Throughput", Head: []string{"Day", "Done"}, None: "No story was done in this time."}
	s := chart.Series{Class: "s4"}
	total := 0
	for i, d := range slices.Backward(days) {
		f.Rows = append(f.Rows, texts(dayTime(r.first+int64(i)).Format(time.DateOnly), strconv.Itoa(d.done)))
		total += d.done
	}
	for _, d := range days {
		s.Counts = append(s.Counts, d.done)
	}
	f.Desc = fmt.Sprintf("How many stories came to be done on each day: %d in all.", total)
	if total == 0 {
		f.Rows = nil
		return f
	}
	f.SVG = template.HTML(chart.Bars(f.heading(), dayTime(r.first), s))
	return f
}

// took returns how long finished stories took, the shortest first.
func (r *readings) took() (all []time.Duration) {
	for _, f := range r.finished {
		all = append(all, f.Took)
	}
	slices.Sort(all)
	return all
}

func (r *readings) drawCycle() figure {
	f := figure{ID: "cycle", Title: "Cycle time", Head: []string{"Story", "Done", "Took"}, None: "No story was done in this time."}
	took := r.took()
	if len(took) == 0 {
		f.Desc = f.None
		return f
	}
	half, most := pipeline.Percentile(took, 50), pipeline.Percentile(took, 85)
	f.Desc = fmt.Sprintf("How long %s took, from the first time in hand to done. Half took at most %s, 85 of 100 at most %s. The table has the slowest.",
		phrase.Count(len(took), "story", "stories"), phrase.Span(half), phrase.Span(most))
	if len(took) == maxFinished {
		f.Desc += " Stories that were done before these are left out."
	}
	var dots []chart.Dot
	for i, done := range r.finished {
		name := ""
		if id := r.named[i]; id != "" {
			name = r.titles[id] + ": " + phrase.Span(done.Took)
		}
		at := done.Done
		if at.After(r.now) {
			at = r.now
		}
		dots = append(dots, chart.Dot{At: at, Took: done.Took, Name: name})
	}
	for _, i := range r.slow {
		id := r.named[i]
		f.Rows = append(f.Rows, []cell{{Text: r.titles[id], Story: id}, {Text: pipeline.FormatTime(r.finished[i].Done)}, {Text: phrase.Span(r.finished[i].Took)}})
	}
	lines := []chart.Line{{Name: "50%", At: half}, {Name: "85%", At: most}}
	f.SVG = template.HTML(chart.Scatter(f.heading(), dayTime(r.first), int(r.last-r.first+1), dots, lines))
	return f
}

func (r *readings) drawStays() figure {
	f := figure{ID: "stages", Title: "Time in stage", Head: []string{"Stage", "Left it", "Half, at most", "85 of 100, at most", "Longest"}, None: "No story left a stage in this time."}
	f.Desc = "How long stories that left a stage had been in it: the bar ends at the 85th percentile, the mark is the median."
	var rows []chart.Row
	count := 0
	for i, stage := range pipeline.Stages() {
		stays := r.stays[stage]
		count += len(stays)
		if len(stays) == 0 {
			continue
		}
		half, most := pipeline.Percentile(stays, 50), pipeline.Percentile(stays, 85)
		rows = append(rows, chart.Row{Name: stageName(stage), Class: "s" + strconv.Itoa(i), Long: most, Mark: half})
		f.Rows = append(f.Rows, texts(stageName(stage), strconv.Itoa(len(stays)), phrase.Span(half), phrase.Span(most), phrase.Span(stays[len(stays)-1])))
	}
	if count == maxSpells {
		f.Desc += fmt.Sprintf(" Only the last %d are counted.", maxSpells)
	}
	if len(rows) > 0 {
		f.SVG = template.HTML(chart.Rows(f.heading(), rows, nil))
	}
	return f
}

func (r *readings) drawAging() figure {
	f := figure{ID: "aging", Title: "Work in hand, by age", Head: []string{"Story", "Stage", "In hand for", "There for"}, None: "No story is in hand."}
	took := r.took()
	limit := pipeline.Percentile(took, 85)
	f.Desc = "How long work has gone on in each story that is in hand, the oldest first."
	var lines []chart.Line
	if len(took) > 0 {
		lines = []chart.Line{{Name: "85%", At: limit}}
		f.Desc += " Those beyond the line are older than 85 of 100 finished stories were when they were done."
	}
	var rows []chart.Row
	for _, a := range r.hand {
		age := max(0, r.now.Sub(a.Started))
		title, stage := r.titles[a.Story], stageName(a.Stage)
		row := chart.Row{
			Name: phrase.Label(a.Story) + " " + stage, Full: title, Tip: title + ": " + stage + ", in hand for " + phrase.Span(age), Class: "held", Long: age,
		}
		if len(took) > 0 && age > limit {
			row.Class = "late"
		}
		rows = append(rows, row)
		f.Rows = append(f.Rows, []cell{{Text: title, Story: a.Story}, {Text: stage}, {Text: phrase.Span(age)}, {Text: phrase.Span(max(0, r.now.Sub(a.Since)))}})
	}
	if len(rows) == maxInHand {
		f.Desc += fmt.Sprintf(" There may be more than these %d.", maxInHand)
	}
	if len(rows) > 0 {
		f.SVG = template.HTML(chart.Rows(f.heading(), rows, lines))
	}
	return f
}

func (r *readings) drawAgents(zone *time.Location) figure {
	f := figure{ID: "agents", Title: "Agents", Head: []string{"Agent", "Story", "From", "To"}, None: "No agent did anything in the last 24 hours."}
	f.Desc = "What each agent had, from " + r.from.In(zone).Format("2 Jan 15:04") + " on: a bar is a claim, which is green if it goes on. The marks below are changes."
	var lanes []chart.Lane
	for _, w := range r.works() {
		lane := chart.Lane{Name: phrase.Line(w.agent), Marks: w.ops}
		for _, s := range w.held {
			lane.Bars = append(lane.Bars, chart.Bar{From: s.from, To: s.to, Name: s.story, Open: s.open})
			to := pipeline.FormatTime(s.to)
			if s.open {
				to = "now"
			}
			f.Rows = append(f.Rows, []cell{{Text: lane.Name}, {Text: phrase.Label(s.story), Story: s.story}, {Text: pipeline.FormatTime(s.from)}, {Text: to}})
		}
		if len(w.held) == 0 {
			f.Rows = append(f.Rows, texts(lane.Name, phrase.Count(len(w.ops), "change", "changes"), "", ""))
		}
		lanes = append(lanes, lane)
	}
	if len(lanes) > 0 {
		f.SVG = template.HTML(chart.Lanes(f.heading(), r.from.In(zone), r.now.In(zone), lanes))
	}
	return f
}
