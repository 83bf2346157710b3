package board

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// maxNeeds bounds the stories of each kind that are shown as waiting for a person.
	maxNeeds = 20
	// maxWarned bounds the stories with warnings that are remembered.
	maxWarned = 500
	// warnPage is how many stories are looked at in one View for warnings, and maxLooked in all. Each look
	// is some 50 µs; a pipeline with more open stories than that has other troubles.
	warnPage  = 200
	maxLooked = 20_000
)

// need is a story that waits for a person, and why.
type need struct {
	ID, Label, Title string
	// Kind is blocked, limit, lapsed, apart, overwritten or warning.
	Kind string
	Why  string
	By   string
	// At is when it began to wait. It is empty where nothing tells.
	At moment
}

// needs are the stories that wait for a person. Stories that wait for other stories are not among them: that
// is as it should be.
type needs struct {
	List []need
	// Total counts all of them. Complete is false if there are more.
	Total    int
	Complete bool
}

// concerns are the open stories with warnings. No index has them, so the reader looks at all open stories
// when it starts and then at those that change.
type concerns struct {
	mu   sync.Mutex
	warn map[string]bool
}

// note remembers whether a story has warnings.
func (c *concerns) note(id string, warned bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !warned {
		delete(c.warn, id)
		return
	}
	if c.warn == nil {
		c.warn = map[string]bool{}
	}
	if len(c.warn) < maxWarned {
		c.warn[id] = true
	}
}

// ids returns the stories with warnings, sorted.
func (c *concerns) ids() (ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.warn {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// needs returns what waits for a person.
func (b *Board) needs(v *replica.View, agents []agentCard) (n needs, err error) {
	now := b.now()
	yes := true
	page, err := v.List(pipeline.Filter{Stages: openStages, Blocked: &yes}, nil, maxNeeds)
	if err != nil {
		return n, err
	}
	n.Total, n.Complete = page.Total, page.Complete
	for i := range page.Stories {
		st := &page.Stories[i]
		kind, why := "blocked", phrase.Line(st.BlockedReason)
		if why == "" {
			why = "no reason is given"
		}
		if most := b.maxRetries(v); most > 0 && st.RetryCount >= most {
			kind = "limit"
			why = fmt.Sprintf("%s: %s", phrase.Count(int(st.RetryCount), "failed attempt", "failed attempts"), why)
		}
		n.add(st, kind, why, newMoment(st.BlockedSince, now))
	}
	for i := range agents {
		for _, held := range agents[i].Held {
			if !held.Lapsed || held.Blocked {
				continue
			}
			n.Total++
			n.List = append(n.List, need{
				ID: held.ID, Label: held.Label, Title: held.Title, Kind: "lapsed", By: agents[i].Name,
				Why: "the claim of " + agents[i].Name + " has lapsed: anybody may take it", At: newMoment(time.Unix(held.Ends, 0), now),
			})
		}
	}
	shown := 0
	for _, id := range b.concerns.ids() {
		st, err := v.Story(id)
		wrong := troubling(st.Warnings)
		if err != nil || len(wrong) == 0 {
			continue
		}
		n.Total++
		if shown++; shown > maxNeeds {
			continue
		}
		kind, since := "warning", time.Time{}
		if _, apart := v.MadeApart(id); apart {
			kind = "apart"
		} else if i := slices.IndexFunc(wrong, func(f pipeline.Fact) bool { return f.Code == pipeline.CodeOverwritten }); i >= 0 {
			kind, since = "overwritten", pipeline.TimeOf(wrong[i].Overwritten[0].At)
		}
		n.add(&st, kind, phrase.Line(strings.Join(phrase.Warnings(wrong), "; ")), newMoment(since, now))
	}
	return n, v.Err()
}

// maxRetries returns the count of retries at which a story is blocked, 0 for never.
func (b *Board) maxRetries(v *replica.View) int64 {
	if b.cfg.MaxRetries != nil {
		return *b.cfg.MaxRetries
	}
	return v.Settings().MaxRetries
}

// troubling returns those warnings about which somebody should do something. That an archived story counts as
// done is none of them: an agent should know it, and a person sees it among the dependencies.
func troubling(warnings []pipeline.Fact) (facts []pipeline.Fact) {
	for _, f := range warnings {
		if f.Code != pipeline.CodeArchivedNumbers {
			facts = append(facts, f)
		}
	}
	return facts
}

func (n *needs) add(st *pipeline.Story, kind, why string, at moment) {
	n.List = append(n.List, need{ID: st.ID, Label: phrase.Label(st.ID), Title: phrase.Title(st), Kind: kind, Why: why, By: phrase.Line(st.Agent), At: at})
}
