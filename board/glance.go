package board

import (
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// pageOfCards is how many cards of a column are shown at once: more than a screen has room for.
	pageOfCards = 30
	// maxScan bounds the stories that one page of a column looks at in search of a type.
	maxScan = 2000
)

// choice says which stories the board shows.
type choice struct {
	Words, Agent, Kind string
	Stage              pipeline.Stage // "": all
	Blocked, Ready     bool
	// Open are the stages beside those of open work whose columns are open.
	Open []pipeline.Stage
}

// choiceOf reads a choice from an address. What it does not know is left out.
func choiceOf(q url.Values) (c choice) {
	c.Words = phrase.Line(q.Get("q"))
	if pipeline.CheckQuery(c.Words) != nil {
		c.Words = ""
	}
	c.Agent, c.Kind = q.Get("agent"), q.Get("type")
	c.Blocked, c.Ready = q.Get("state") == "blocked", q.Get("state") == "ready"
	c.Stage, _ = pipeline.ParseStage(q.Get("stage"))
	if c.Stage != "" && !slices.Contains(pipeline.Stages(), c.Stage) {
		c.Stage = ""
	}
	for _, name := range q["open"] {
		if stage, ok := pipeline.ParseStage(name); ok && !isOpen(stage) {
			c.Open = append(c.Open, stage)
		}
	}
	return c
}

// Narrow reports whether some stories are left out.
func (c *choice) Narrow() bool {
	return c.Words != "" || c.Agent != "" || c.Kind != "" || c.Stage != "" || c.Blocked || c.Ready
}

// filter returns what the pipeline can choose by itself.
func (c *choice) filter(stages ...pipeline.Stage) pipeline.Filter {
	f := pipeline.Filter{Stages: stages}
	if c.Words != "" {
		f.Words = strings.Fields(c.Words)
	}
	if c.Agent != "" {
		f.Agent = &c.Agent
	}
	yes := true
	if c.Blocked {
		f.Blocked = &yes
	}
	if c.Ready {
		f.Ready = &yes
	}
	return f
}

// column is one stage on the board.
type column struct {
	head
	Cards []card
	// More is where the next page goes on, "" if all are shown.
	More string
	// Toggle is the address of the board with the column open if it is shut, and shut if it is open. Only
	// columns of finished work have it.
	Toggle string
	// Shut says that the column is a strip, without cards.
	Shut bool
}

// head is what stands above a column.
type head struct {
	Stage                 pipeline.Stage
	Name                  string
	Count, Ready, Blocked int
	// Complete is false if there are more stories than Count.
	Complete bool
	// Limit is how many stories may be claimed in the stage at a time, 0 without a limit. Claims is how many
	// are, if there is a limit.
	Limit, Claims int
}

// Over reports whether more stories are claimed in the stage than may be: replicas that claim apart can pass a
// limit together.
func (h head) Over() bool { return h.Limit > 0 && h.Claims > h.Limit }

// heads returns what stands above the columns, in the order of the pipeline. Stages that this build does
// not know come last, if they have stories.
func heads(v *replica.View, c *choice) ([]head, error) {
	stages := append(pipeline.Stages(), v.Unknown()...)
	all := make([]head, len(stages))
	for i, stage := range stages {
		all[i] = head{Stage: stage, Name: stageName(stage), Complete: true}
		all[i].Limit, all[i].Claims = v.Room(stage)
	}
	count := func(f pipeline.Filter, set func(h *head, n int, complete bool)) error {
		page, err := v.List(f, nil, 1)
		for _, n := range page.Stages {
			if i := slices.Index(stages, n.Stage); i >= 0 {
				set(&all[i], n.Count, page.Complete)
			}
		}
		return err
	}
	err := count(c.filter(stages...), func(h *head, n int, complete bool) { h.Count, h.Complete = n, complete })
	if err != nil {
		return nil, err
	}
	yes := true
	ready, blocked := c.filter(openStages...), c.filter(openStages...)
	ready.Ready, blocked.Blocked = &yes, &yes
	if err := count(ready, func(h *head, n int, _ bool) { h.Ready = n }); err != nil {
		return nil, err
	}
	if err := count(blocked, func(h *head, n int, _ bool) { h.Blocked = n }); err != nil {
		return nil, err
	}
	return all, v.Err()
}

// columns returns the columns with their first cards.
func (b *Board) columns(v *replica.View, c *choice) (all []column, err error) {
	tops, err := heads(v, c)
	if err != nil {
		return nil, err
	}
	for _, h := range tops {
		if c.Stage != "" && c.Stage != h.Stage {
			continue
		}
		col := column{head: h, Shut: !isOpen(h.Stage) && !slices.Contains(c.Open, h.Stage) && c.Stage != h.Stage}
		if !col.Shut && h.Count > 0 {
			if col.Cards, col.More, err = b.cards(v, c, h.Stage, ""); err != nil {
				return nil, err
			}
		}
		all = append(all, col)
	}
	return all, v.Err()
}

// cards returns a page of the cards of a column, and where the next one goes on.
func (b *Board) cards(v *replica.View, c *choice, stage pipeline.Stage, from string) (cards []card, more string, err error) {
	f := c.filter(stage)
	after, err := placeOf(stage, from)
	if err != nil {
		return nil, "", err
	}
	now := b.now()
	for scanned := 0; ; {
		page, err := v.List(f, after, pageOfCards)
		if err != nil {
			return nil, "", err
		}
		for i := range page.Stories {
			st := &page.Stories[i]
			after = &pipeline.Position{Stage: stage, Place: st.Place}
			scanned++
			if c.Kind != "" && !c.hasKind(st.ID) {
				continue
			}
			cards = append(cards, newCard(v, st, now))
			if len(cards) == pageOfCards && (i < len(page.Stories)-1 || page.More) {
				return cards, placeText(after.Place), v.Err()
			}
		}
		if !page.More {
			return cards, "", v.Err()
		}
		if c.Kind == "" || scanned >= maxScan {
			return cards, placeText(after.Place), v.Err()
		}
	}
}

// hasKind reports whether the story's ID names the type that is chosen.
func (c *choice) hasKind(id string) bool {
	kind := kindOf(id)
	return kind == c.Kind || kind == "" && c.Kind == "story"
}

// placeText writes a place of the list for an address.
func placeText(a crdt.Anchor) string {
	if a.Story != "" {
		return "of-" + a.Story
	}
	return hex.EncodeToString(a.Op[:])
}

// placeOf reads what placeText wrote. An empty text is the beginning of the stage.
func placeOf(stage pipeline.Stage, text string) (*pipeline.Position, error) {
	if text == "" {
		return nil, nil
	}
	at := &pipeline.Position{Stage: stage}
	if story, ok := strings.CutPrefix(text, "of-"); ok {
		at.Place.Story = story
		return at, pipeline.CheckStoryID(story)
	}
	id, err := crdt.ParseOpID(text)
	at.Place.Op = id
	return at, err
}

// where returns the ID of the story behind a story in its column, "" if it is the last.
func where(s *pipeline.State, st *pipeline.Story) (next string, err error) {
	page, err := s.List(pipeline.Filter{Stages: []pipeline.Stage{st.Stage}}, &pipeline.Position{Stage: st.Stage, Place: st.Place}, 1)
	if err != nil || len(page.Stories) == 0 {
		return "", err
	}
	return page.Stories[0].ID, nil
}

// agentNames returns the names of agents that have stories, for a filter.
func agentNames(v *replica.View) (names []string) {
	for _, name := range v.Agents() {
		if len(names) == maxAgents {
			break
		}
		if phrase.Line(name) != "" {
			names = append(names, name)
		}
	}
	return names
}
