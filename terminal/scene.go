package terminal

import (
	"slices"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// maxWorkers bounds the agents of a scene, and maxHeld the stories of each of them: a screen has
	// room for few, and each is read at every change.
	maxWorkers = 40
	maxHeld    = 5
	// maxNeeds bounds the blocked stories of a scene.
	maxNeeds = 40
	// maxCalled bounds what a sentence shows of a name, in columns.
	maxCalled = 40
	// latestRows is how many rows of the log a scene looks at for what happened last.
	latestRows = 60
)

// Scene is the pipeline at one moment, as watch shows it. It holds as much as a screen has room for.
type Scene struct {
	// Name is what a person calls the pipeline, such as the project's folder.
	Name string
	// Columns are the stages of open work, in their order. Closed counts the stories in all others.
	Columns []SceneColumn
	Closed  []pipeline.StageCount
	Workers []Worker
	// Needs are what waits for a person. NeedCount is how many there are in all.
	Needs     []Need
	NeedCount int
	// Events are the last changes, the newest last.
	Events []Event
	// Missing counts the changes without which stories may be missing.
	Missing pipeline.Gaps
	// Hub says how this machine and its hub are doing, "" without one. HubAway: they do not exchange now.
	Hub     string
	HubAway bool
	// Trouble says why the scene is not the pipeline as it is now, "" if it is.
	Trouble string
}

// SceneColumn is one stage: how many stories are in it, and the first of them.
type SceneColumn struct {
	Stage                 pipeline.Stage
	Total, Ready, Blocked int
	Stories               []pipeline.Story
}

// Worker is an agent with one story that it has, or without one.
type Worker struct {
	Agent string
	// Story is nil for an agent that has none.
	Story *pipeline.Story
	// Last is when the agent last changed something. It is zero if that is long ago.
	Last time.Time
}

// Need is a story that waits for a person, and why.
type Need struct {
	Story pipeline.Story
	Why   string
	color paint
}

// ReadScene returns the scene of a pipeline, with up to so many stories of each stage. A story that was
// made twice apart is found among those that it reads.
func ReadScene(v *replica.View, most int) (sc Scene, err error) {
	if err := sc.readColumns(v, most); err != nil {
		return sc, err
	}
	latest, err := v.Latest(latestRows)
	if err != nil {
		return sc, err
	}
	seen := map[string]time.Time{}
	for _, e := range latest {
		event := NewEvent(e.Op, calledIn(v, e.Op), e.Op.Creates)
		sc.Events = append(sc.Events, event)
		seen[event.Agent] = event.At
	}
	if err := sc.readWorkers(v, seen); err != nil {
		return sc, err
	}
	if err := sc.readNeeds(v); err != nil {
		return sc, err
	}
	sc.Missing = v.Missing()
	return sc, v.Err()
}

// calledIn returns what an event calls the story of an op: its number, and its name if the words about
// the op do not have it.
func calledIn(v *replica.View, op *crdt.Op) string {
	label := phrase.Label(op.Story)
	if st, err := v.Story(op.Story); err == nil && !op.Creates && st.Name != "" {
		label += ` "` + phrase.Cut(phrase.Title(&st), maxCalled) + `"`
	}
	return label
}

func (sc *Scene) readColumns(v *replica.View, most int) error {
	all, err := v.List(pipeline.Filter{}, nil, 1)
	if err != nil {
		return err
	}
	yes := true
	ready, err := v.List(pipeline.Filter{Stages: openStages, Ready: &yes}, nil, 1)
	if err != nil {
		return err
	}
	blocked, err := v.List(pipeline.Filter{Stages: openStages, Blocked: &yes}, nil, 1)
	if err != nil {
		return err
	}
	for _, stage := range openStages {
		page, err := v.List(pipeline.Filter{Stages: []pipeline.Stage{stage}}, nil, most)
		if err != nil {
			return err
		}
		sc.Columns = append(sc.Columns, SceneColumn{stage, page.Total, countIn(ready, stage), countIn(blocked, stage), page.Stories})
	}
	for _, c := range all.Stages {
		if !slices.Contains(openStages, c.Stage) {
			sc.Closed = append(sc.Closed, c)
		}
	}
	slices.SortStableFunc(sc.Closed, func(x, y pipeline.StageCount) int { return rank(x.Stage) - rank(y.Stage) })
	return nil
}

func countIn(page pipeline.Page, stage pipeline.Stage) int {
	for _, c := range page.Stages {
		if c.Stage == stage {
			return c.Count
		}
	}
	return 0
}

// readWorkers reads the agents that have open stories, and then those that were seen of late.
func (sc *Scene) readWorkers(v *replica.View, seen map[string]time.Time) error {
	agents := v.Agents()
	for name := range seen {
		if name != "" && !slices.Contains(agents, name) {
			agents = append(agents, name)
		}
	}
	slices.Sort(agents)
	var idle []Worker
	for _, agent := range agents[:min(len(agents), maxWorkers)] {
		page, err := v.List(pipeline.Filter{Stages: openStages, Agent: &agent}, nil, maxHeld)
		if err != nil {
			return err
		}
		if err := withClaims(v, page.Stories); err != nil {
			return err
		}
		for i := range page.Stories {
			sc.Workers = append(sc.Workers, Worker{agent, &page.Stories[i], seen[agent]})
		}
		if at := seen[agent]; len(page.Stories) == 0 && !at.IsZero() {
			idle = append(idle, Worker{Agent: agent, Last: at})
		}
	}
	sc.Workers = append(sc.Workers, idle...)
	return nil
}

// readNeeds finds what waits for a person.
func (sc *Scene) readNeeds(v *replica.View) error {
	yes := true
	blocked, err := v.List(pipeline.Filter{Stages: openStages, Blocked: &yes}, nil, maxNeeds)
	if err != nil {
		return err
	}
	sc.NeedCount = blocked.Total
	for _, st := range blocked.Stories {
		sc.Needs = append(sc.Needs, Need{st, blockedWhy(&st), red})
	}
	for _, w := range sc.Workers {
		if st := w.Story; st != nil && st.Lapsed && !st.Blocked {
			sc.need(Need{*st, "claim of " + phrase.Line(st.Agent) + " lapsed", yellow})
		}
	}
	for _, column := range sc.Columns {
		for _, st := range column.Stories {
			if slices.ContainsFunc(st.Warnings, func(f pipeline.Fact) bool { return f.Code == pipeline.CodeMadeApart }) {
				sc.need(Need{st, "made twice, apart: look at its history", yellow})
			} else if slices.ContainsFunc(st.Warnings, func(f pipeline.Fact) bool { return f.Code == pipeline.CodeOverwritten }) {
				sc.need(Need{st, "decided twice, apart: huskies-mcp log --conflicts", yellow})
			}
		}
	}
	return nil
}

func (sc *Scene) need(n Need) {
	sc.Needs = append(sc.Needs, n)
	sc.NeedCount++
}

// blockedWhy says why a story is blocked.
func blockedWhy(st *pipeline.Story) string {
	if reason := phrase.Line(st.BlockedReason); reason != "" {
		return reason
	}
	return "blocked without a reason"
}
