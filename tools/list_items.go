package tools

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	defaultLimit = 50
	maxLimit     = 200
)

type listItemsIn struct {
	Stage        *someStages `json:"stage,omitempty" jsonschema_description:"several with commas between"`
	Agent        *string     `json:"agent,omitempty" jsonschema_description:"none: stories without an agent"`
	Blocked      *bool       `json:"blocked,omitempty"`
	Ready        *bool       `json:"ready,omitempty" jsonschema_description:"true: stories that you can claim"`
	Query        string      `json:"query,omitempty" jsonschema:"maxLength=256" jsonschema_description:"words in ID, name, description or notes, each from its beginning; or a number"`
	UpdatedSince string      `json:"updated_since,omitempty" jsonschema_description:"RFC 3339, or e.g. 24h"`
	Fields       []listField `json:"fields,omitempty" jsonschema_description:"default: name, agent, ready, blocked, waiting_on"`
	Limit        *int        `json:"limit,omitempty" jsonschema:"minimum=1,maximum=200,default=50"`
	Cursor       string      `json:"cursor,omitempty" jsonschema_description:"next_cursor of the answer before"`
}

// someStages names stages, with commas between them.
type someStages string

// otherStages is the group of the stages that this build does not know.
const otherStages = "other"

type stageItems struct {
	Stage string     `json:"stage"`
	Count int        `json:"count" jsonschema_description:"on all pages"`
	Items []listItem `json:"items,omitempty"`
}

type listItemsOut struct {
	Stages     []stageItems `json:"stages"`
	Total      int          `json:"total"`
	Warning    string       `json:"warning,omitempty"`
	NextCursor string       `json:"next_cursor,omitempty" jsonschema_description:"more follow: pass it as cursor"`
	position
}

var listItems = define(definition[listItemsIn, listItemsOut]{
	name:        "list_items",
	title:       "List the pipeline",
	description: "List stories grouped by stage, work in hand first, each stage in the order given with after and before. Filters combine. ready=true finds work.",
	readOnly:    true,
	idempotent:  true,
	handle: func(ctx context.Context, s *call, in listItemsIn) (out listItemsOut, err error) {
		l := &listing{in: in, now: s.now(), fields: defaultFields, limit: defaultLimit}
		if l.after, err = parseCursor(in.Cursor); err != nil {
			return out, err
		}
		if l.filter, err = l.newFilter(); err != nil {
			return out, err
		}
		if in.Limit != nil {
			l.limit = *in.Limit
		}
		if len(in.Fields) > 0 {
			l.fields = in.Fields
		}
		err = s.view(ctx, func(p *replica.View) error {
			page := *l // this may be a second try
			err := page.read(p.State)
			out = page.out
			out.Warning = cmp.Or(out.Warning, s.ifLost(p))
			return err
		})
		if err != nil {
			return out, err
		}
		if out.Total == 0 && out.Warning == "" && s.above != "" {
			out.Warning = "there is another pipeline above this project, which is not used here: " + s.above + "; if that is the one that is meant, tell the user to start the server with --db and this path"
		}
		return out, nil
	},
})

// listing is one call of list_items.
type listing struct {
	in     listItemsIn
	filter pipeline.Filter
	after  *pipeline.Position // nil on the first page
	fields []listField
	limit  int
	now    time.Time

	number  uint32           // that the query names, if it does
	first   []pipeline.Story // the stories with this number, which come first
	skipped map[string]bool  // their IDs: they are not listed again
	size    int              // of the items, in bytes of JSON
	out     listItemsOut
}

// newFilter returns the filter that the arguments ask for.
func (l *listing) newFilter() (f pipeline.Filter, err error) {
	in := &l.in
	if err := pipeline.CheckQuery(in.Query); err != nil {
		return f, err
	}
	if err := checkAgentFilter(in.Agent); err != nil {
		return f, err
	}
	f = pipeline.Filter{Agent: agentFilter(in.Agent), Blocked: in.Blocked, Ready: in.Ready, Words: strings.Fields(in.Query)}
	if in.Stage != nil {
		for name := range strings.SplitSeq(string(*in.Stage), ",") {
			f.Stages = append(f.Stages, pipeline.Stage(name))
		}
	}
	if n, ok := pipeline.NumberNamed(in.Query); ok {
		l.number, f.Words = n, []string{strconv.FormatUint(uint64(n), 10)}
	}
	if in.UpdatedSince != "" {
		f.UpdatedSince, err = sinceTime(in.UpdatedSince, l.now)
	}
	return f, err
}

// sinceTime reads a time, or a span before now.
func sinceTime(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	if d, ok := pipeline.ParseDuration(strings.TrimSpace(text)); ok && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, &misuse{"updated_since is " + quote(text), "give a time as RFC 3339, e.g. 2026-01-31T09:00:00Z, or how long ago, e.g. 24h or 7d"}
}

// read reads the page.
func (l *listing) read(p *pipeline.State) error {
	if err := resolveCursor(p, l.after); err != nil {
		return err
	}
	if err := l.findNumber(p); err != nil {
		return err
	}
	page, err := p.List(l.filter, l.after, l.limit+len(l.skipped))
	if err != nil {
		return err
	}
	l.group(page)
	if l.after == nil {
		l.out.Warning = warningOf(p, &page)
		for _, story := range l.first {
			if err := l.add(p, story); err != nil {
				return err
			}
		}
	}
	if err := l.fill(p, page); err != nil {
		return err
	}
	l.arrange()
	return p.Err()
}

// warningOf says what the first page does not show: changes that are missing, and that its counts are too small.
func warningOf(p *pipeline.State, page *pipeline.Page) string {
	var texts []string
	if gaps := p.Missing(); gaps.Any() {
		texts = append(texts, phrase.Missing(gaps, tellUser))
	}
	if !page.Complete {
		texts = append(texts, fmt.Sprintf("more than %d stories match: the counts and total stop there, the pages go on", page.Total))
	}
	return strings.Join(texts, "; ")
}

// findNumber finds the stories that have the number that the query names.
func (l *listing) findNumber(p *pipeline.State) error {
	if _, ok := pipeline.NumberNamed(l.in.Query); !ok {
		return nil
	}
	l.skipped = make(map[string]bool)
	room := maxAnswerBytes - maxFrameBytes
	for _, story := range p.Numbered(l.number) {
		if !l.filter.Chooses(story) || len(l.first) == l.limit {
			continue
		}
		size, err := jsonSize(newListItem(story, l.fields, l.now))
		if room -= size; err != nil || room < 0 && len(l.first) > 0 {
			return err // it comes in its place among the others
		}
		l.first, l.skipped[story.ID] = append(l.first, story), true
	}
	return nil
}

// group makes the groups of the answer: the stages that were asked for, with their counts.
func (l *listing) group(page pipeline.Page) {
	stages := l.filter.Stages
	if len(stages) == 0 {
		stages = pipeline.Listed()
	}
	for _, stage := range pipeline.Listed() {
		if slices.Contains(stages, stage) {
			l.out.Stages = append(l.out.Stages, stageItems{Stage: string(stage)})
		}
	}
	l.out.Total = page.Total
	for _, c := range page.Stages {
		l.groupOf(c.Stage).Count += c.Count
	}
}

// groupOf returns the group in which the stories of a stage are shown.
func (l *listing) groupOf(stage pipeline.Stage) *stageItems {
	name := string(stage)
	if _, known := pipeline.ParseStage(name); !known {
		name = otherStages
	}
	i := slices.IndexFunc(l.out.Stages, func(g stageItems) bool { return g.Stage == name })
	if i < 0 {
		i = len(l.out.Stages)
		l.out.Stages = append(l.out.Stages, stageItems{Stage: name})
	}
	return &l.out.Stages[i]
}

// fill shows the stories of the page, as many as an answer holds: one at least.
func (l *listing) fill(p *pipeline.State, page pipeline.Page) error {
	shown := 0
	if l.after == nil {
		shown = len(l.first)
	}
	at := pipeline.Position{Stage: pipeline.Listed()[0]} // behind which all stories stand
	if l.after != nil {
		at = *l.after
	}
	for _, story := range page.Stories {
		if !l.skipped[story.ID] {
			size := l.size
			if err := l.add(p, story); err != nil {
				return err
			}
			if shown++; shown > l.limit || l.size > maxAnswerBytes-maxFrameBytes && shown > 1 {
				g := l.groupOf(story.Stage)
				g.Items, l.size = g.Items[:len(g.Items)-1], size
				l.out.NextCursor = formatCursor(at)
				return nil
			}
		}
		at = pipeline.Position{Stage: story.Stage, Place: story.Place}
	}
	if page.More {
		l.out.NextCursor = formatCursor(at)
	}
	return nil
}

// add shows a story.
func (l *listing) add(p *pipeline.State, story pipeline.Story) error {
	if slices.Contains(l.fields, "claim") { // lists of the pipeline leave it out
		whole, err := p.Story(story.ID)
		if err != nil {
			return err
		}
		story.Claim = whole.Claim
	}
	it := newListItem(story, l.fields, l.now)
	g := l.groupOf(story.Stage)
	if g.Stage == otherStages {
		it.Stage = cut(string(story.Stage), maxStageShown)
	}
	b, err := compactJSON(it)
	l.size += len(b)
	g.Items = append(g.Items, it)
	return err
}

// arrange puts the group with the number that was asked for first. The counts are on the first page:
// later pages show the groups that have items.
func (l *listing) arrange() {
	if l.after != nil {
		l.out.Stages = slices.DeleteFunc(l.out.Stages, func(g stageItems) bool { return len(g.Items) == 0 })
	} else if len(l.first) > 0 {
		name := l.groupOf(l.first[0].Stage).Stage
		slices.SortStableFunc(l.out.Stages, func(a, b stageItems) int {
			switch {
			case a.Stage == b.Stage:
				return 0
			case a.Stage == name:
				return -1
			case b.Stage == name:
				return 1
			}
			return 0
		})
	}
	l.out.Stages = orEmpty(l.out.Stages)
}

// noAgent is what list_items takes for the agent of stories that have none. No agent bears this name.
const noAgent = "none"

// checkAgentFilter refuses a word that is no name: nothing would be found.
func checkAgentFilter(agent *string) error {
	if agent == nil || strings.EqualFold(*agent, noAgent) {
		return nil
	}
	return pipeline.CheckAgent(*agent)
}

// agentFilter returns the filter for the argument agent.
func agentFilter(agent *string) *string {
	if agent != nil && strings.EqualFold(*agent, noAgent) {
		return new(string)
	}
	return agent
}
