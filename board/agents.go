package board

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// maxAgents bounds the agents that the board shows and remembers: a project has tens.
	maxAgents = 60
	// maxNames bounds the names that the board looks at for agents with open stories: a bundle can bring as many
	// names as stories, and each takes a look at the counts of all.
	maxNames = 200
	// maxHeld bounds the stories that one agent's card names.
	maxHeld = 4
	// quiet is how long an agent that holds a story may write nothing before its card says so. Agents note
	// what they learn every few minutes; a long run of tests takes a quarter of an hour.
	quiet = 20 * time.Minute
	// away is how long ago the last op of an agent without a story may be for its card to be shown.
	away = 24 * time.Hour
)

// sign is the last op of an agent.
type sign struct {
	at    time.Time
	story string
	words string
	// works says that the agent claimed a story: it is no person who looks after the work.
	works bool
}

// watched are the last signs of life of agents, from the ops alone.
type watched struct {
	mu    sync.Mutex
	signs map[string]sign
}

func newWatched() *watched { return &watched{signs: map[string]sign{}} }

// see takes in an op. Ops may come in any order.
func (w *watched) see(op *crdt.Op, words string) {
	if op.Agent == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	old, known := w.signs[op.Agent]
	works := old.works || pipeline.Claims(op)
	if now := time.UnixMilli(op.At); !known || now.After(old.at) {
		old = sign{at: now, story: op.Story, words: words}
	}
	old.works = works
	w.signs[op.Agent] = old
	if len(w.signs) > 2*maxAgents {
		w.forget()
	}
}

// forget drops the agents that were seen longest ago.
func (w *watched) forget() {
	var names []string
	for name := range w.signs {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return w.signs[b].at.Compare(w.signs[a].at) })
	for _, name := range names[maxAgents:] {
		delete(w.signs, name)
	}
}

// of returns the last sign of an agent.
func (w *watched) of(name string) (sign, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.signs[name]
	return s, ok
}

// workers returns the agents that claimed a story and were seen since.
func (w *watched) workers(since time.Time) (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, s := range w.signs {
		if s.works && s.at.After(since) {
			names = append(names, name)
		}
	}
	return names
}

// agentState is what an agent's card says of it, and what that means.
type agentState struct{ State, Says, Means string }

// agentStates are the states of agents, those that a person should look at first.
var agentStates = []agentState{
	{"lapsed", "claim lapsed", "The time of its claim is over, and it did not renew it. Any agent may take the story."},
	{"ended", "session ended", "The session that claimed its story has ended. The claim lapses soon, and then any agent may take the story."},
	{"quiet", "quiet", "It holds a story, and has written nothing for " + phrase.Span(quiet) + ". A long run of tests looks like that, and so does an agent that hangs."},
	{"working", "working", "It holds a story, and wrote something in the last " + phrase.Span(quiet) + "."},
	{"assigned", "not claimed yet", "Somebody gave it a story that it has not begun."},
	{"idle", "idle", "It has no story, and worked on one in the last " + phrase.Span(away) + "."},
}

// agentCard is what the board shows of one agent. All of it follows from ops and leases.
type agentCard struct {
	Name string
	// State is that of agentStates.
	State string
	// Says is the state in words, and Means explains them.
	Says, Means string
	Held        []heldStory
	More        int // stories that it has beside Held
	// Wrote is when it wrote last, as far as that is known: a claim is known for longer than other ops.
	Wrote moment
	Last  moment
	Words string
	// Story is the story of the last op.
	Story string
}

// heldStory is a story that an agent has.
type heldStory struct {
	ID, Label, Title string
	Stage            string
	// Since is when the agent claimed it.
	Since moment
	// Lapsed, Foreign and Ends are about the lease. Ends is 0 without one.
	Lapsed, Foreign, Unclaimed bool
	Ends                       int64
	Left                       string `json:"-"`
	// Renewed says that the claim lasts as long as the agent's session, which lives, and Gone that the session
	// has ended, so that the claim lapses soon.
	Renewed, Gone bool
	Blocked       bool
}

// agents returns the agents that have open stories or were at work of late, those at work first. More says
// how many are not among them.
func (b *Board) agents(v *replica.View) (cards []agentCard, more int, err error) {
	now := b.now()
	names := v.Agents()
	for _, name := range b.names.workers(now.Add(-away)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i, name := range names {
		if len(cards) == maxAgents || i == maxNames {
			more = len(names) - i
			break
		}
		card, err := b.agent(v, name, now)
		if err != nil {
			return nil, 0, err
		}
		if len(card.Held) > 0 || card.State == "idle" {
			cards = append(cards, card)
		}
	}
	rank := func(c *agentCard) int {
		return slices.IndexFunc(agentStates, func(s agentState) bool { return s.State == c.State })
	}
	slices.SortStableFunc(cards, func(a, b agentCard) int {
		return cmp.Or(cmp.Compare(rank(&a), rank(&b)), cmp.Compare(a.Name, b.Name))
	})
	return cards, more, v.Err()
}

// agent returns the card of one agent. One without a story and without a sign has no state.
func (b *Board) agent(v *replica.View, name string, now time.Time) (c agentCard, err error) {
	c.Name = phrase.Line(name)
	page, err := v.List(pipeline.Filter{Stages: openStages, Agent: &name}, nil, maxHeld)
	if err != nil {
		return c, err
	}
	live, lapsed, gone := false, false, false
	var wrote time.Time
	for i := range page.Stories {
		st, err := v.Story(page.Stories[i].ID)
		if err != nil {
			return c, err
		}
		held := newHeld(v, &st, now)
		gone = gone || held.Gone
		live, lapsed = live || st.Claim.Live(now) && !held.Gone, lapsed || held.Lapsed
		if st.Claim != nil {
			wrote = later(wrote, st.Claim.Since)
		}
		c.Held = append(c.Held, held)
	}
	c.More = page.Total - len(c.Held)
	last, seen := b.names.of(name)
	if seen {
		c.Last, c.Words, c.Story = newMoment(last.at, now), last.words, last.story
		wrote = later(wrote, last.at)
	}
	c.Wrote = newMoment(wrote, now)
	switch {
	case len(c.Held) == 0 && seen && last.works:
		c.State = "idle"
	case lapsed && !live && !gone:
		c.State = "lapsed"
	case gone && !live:
		c.State = "ended"
	case live && now.Sub(wrote) > quiet:
		c.State = "quiet"
	case live:
		c.State = "working"
	default:
		c.State = "assigned"
	}
	for _, s := range agentStates {
		if s.State == c.State {
			c.Says, c.Means = s.Says, s.Means
		}
	}
	return c, nil
}

// newHeld returns what an agent's card says of a story that it has.
func newHeld(v *replica.View, st *pipeline.Story, now time.Time) heldStory {
	h := heldStory{ID: st.ID, Label: phrase.Label(st.ID), Title: phrase.Title(st), Stage: stageName(st.Stage), Blocked: st.Blocked, Unclaimed: st.Claim == nil}
	if st.Claim == nil {
		h.Since = newMoment(st.UpdatedAt, now)
		return h
	}
	h.Since = newMoment(st.Claim.Since, now)
	h.Foreign = st.Claim.Foreign
	h.Ends = st.Claim.Lease.Ends.Unix()
	if h.Lapsed = !st.Claim.Live(now); h.Lapsed {
		h.Left = phrase.Span(now.Sub(st.Claim.Lease.Ends))
	} else {
		h.Left = phrase.Span(st.Claim.Lease.Ends.Sub(now))
		if hold := v.HoldOf(st); hold != nil && hold.Renewed {
			h.Renewed, h.Gone = !hold.Gone, hold.Gone
		}
	}
	if h.Renewed { // its end moves on all the time
		h.Ends = 0
	}
	return h
}
