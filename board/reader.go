package board

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// tick is how often the reader looks at what changes without an op: leases run out, agents grow quiet.
	tick = 5 * time.Second
	// leastRest and restFactor keep the reader from taking a processor from the agents: after a step it rests
	// for so long at least, and for so many times what the step took.
	leastRest  = 15 * time.Millisecond
	restFactor = 9
	// leastPause and pauseFactor are the same for the parts around the cards: counts, agents, what waits for a
	// person. They are read by some ten queries an agent.
	leastPause  = 200 * time.Millisecond
	pauseFactor = 9
	// maxStep bounds the changes and the cards of one message. Pages read anew where more has changed.
	maxStep = 150
	// maxNumbers bounds the numbers of stories that are looked up for one message, since others began or ceased to
	// depend on them.
	maxNumbers = 1000
	// maxAffected bounds the stories whose cards change with one, since they wait for it.
	maxAffected = 50
	// recent is how many changes are looked at for the last signs of agents when the reader wakes up.
	recent = 400
)

// update is what pages are told in one message.
type update struct {
	N uint64 `json:"n"`
	// Reset says that the page must be read anew.
	Reset bool `json:"reset,omitempty"`
	// Trouble says why the pipeline cannot be read.
	Trouble string            `json:"trouble,omitempty"`
	Cards   []placed          `json:"cards,omitempty"`
	Gone    []string          `json:"gone,omitempty"`
	Heads   map[string]string `json:"heads,omitempty"`
	Agents  string            `json:"agents,omitempty"`
	Needs   string            `json:"needs,omitempty"`
	// Waiting is how many stories wait for a person; it comes with Needs.
	Waiting int `json:"waiting"`
	// Hub says how this machine and its hub are doing, "" without a hub. Nil: as before.
	Hub    *string    `json:"hub,omitempty"`
	Events []happened `json:"events,omitempty"`
}

// placed is a card with its place: in a column, before another card, or last.
type placed struct {
	ID     string         `json:"id"`
	Stage  pipeline.Stage `json:"stage"`
	Before string         `json:"before"`
	HTML   string         `json:"html"`
}

// happened is a line of the activity.
type happened struct {
	Story string `json:"story"`
	Agent string `json:"agent"`
	Kind  string `json:"kind"`
	HTML  string `json:"html"`
}

// reader is what the reader remembers of what it told.
type reader struct {
	b  *Board
	at replica.Position
	// told are the parts as they were told last, without what only time changes.
	heads  map[string]string
	agents string
	needs  string
	hub    string
	held   map[string]string // cards of stories that agents have, by ID
	// due says that something has changed since the parts around the cards were read, and next is when they may
	// be read again: they cost more than cards.
	due  bool
	next time.Time
	// troubled says that the pages were told that the pipeline cannot be read.
	troubled bool
}

var errTick = errors.New("it is time to look")

// Run follows the pipeline until ctx ends. Then it ends all streams.
func (b *Board) Run(ctx context.Context) {
	defer b.hub.close()
	for ctx.Err() == nil {
		select {
		case <-b.hub.wanted:
			b.follow(ctx)
		case <-ctx.Done():
		}
	}
}

// follow tells what happens until nobody is interested any more.
func (b *Board) follow(ctx context.Context) {
	r := reader{b: b, heads: map[string]string{}, held: map[string]string{}}
	err := r.begin(ctx)
	b.hub.wake()
	scanned := make(chan struct{})
	go func() {
		defer close(scanned)
		b.scan(ctx)
	}()
	defer func() { <-scanned }()
	for ctx.Err() == nil && !b.hub.sleeps(b.now()) {
		if err != nil {
			b.cfg.Logger.Warn("the board cannot read the pipeline", "error", err)
			r.troubled = true
			r.send(&update{Trouble: b.say(err).Problem, Waiting: -1})
			rest(ctx, time.Second)
		}
		if err = r.wait(ctx); err != nil {
			continue
		}
		began := b.now()
		if err = r.step(ctx); err == nil {
			rest(ctx, max(leastRest, restFactor*b.now().Sub(began)))
		}
	}
}

// rest waits for a while.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wait returns when something has changed, or it is time to look at the clock.
func (r *reader) wait(ctx context.Context) error {
	patience := tick
	if r.due {
		patience = max(time.Millisecond, r.next.Sub(r.b.now()))
	}
	until, cancel := context.WithTimeoutCause(ctx, patience, errTick)
	defer cancel()
	err := r.b.cfg.Replica.Wait(until, r.at)
	if ctx.Err() != nil || errors.Is(err, errTick) {
		return nil
	}
	return err
}

// begin reads where the pipeline is, and what agents did last.
func (r *reader) begin(ctx context.Context) error {
	return r.b.view(ctx, func(v *replica.View) error {
		r.at = v.Position()
		n := 0
		return v.ChangesBefore(0, func(c replica.Change) bool {
			r.b.names.see(c.Whole, wordsOf(&c))
			n++
			return n < recent
		})
	})
}

// step reads what has changed and tells it.
func (r *reader) step(ctx context.Context) error {
	var u update
	var at replica.Position
	hub := r.hub
	if !r.b.now().Before(r.next) {
		hub = r.b.hubLine(ctx)
	}
	err := r.b.view(ctx, func(v *replica.View) (err error) {
		u = update{Waiting: -1}
		at = v.Position()
		changed := at != r.at // also if the wait for it ended just before
		if r.troubled {
			u.Reset = true
		} else if changed {
			if err := r.changes(v, &u); err != nil {
				return err
			}
		}
		r.due = r.due || changed || u.Reset
		if r.b.now().Before(r.next) {
			return nil
		}
		began := r.b.now()
		err = r.surroundings(v, &u)
		r.due, r.next = false, r.b.now().Add(max(leastPause, pauseFactor*r.b.now().Sub(began)))
		return err
	})
	if err != nil {
		return err
	}
	if hub != r.hub {
		u.Hub, r.hub = &hub, hub
	}
	r.at, r.troubled = at, false
	r.send(&u)
	return nil
}

// send tells an update, if there is something in it.
func (r *reader) send(u *update) {
	if !u.Reset && u.Trouble == "" && len(u.Cards)+len(u.Gone)+len(u.Heads)+len(u.Events) == 0 && u.Agents == "" && u.Needs == "" && u.Hub == nil {
		return
	}
	u.N = r.b.hub.next()
	data, err := json.Marshal(u)
	if err != nil {
		r.b.cfg.Logger.Error("a message of the board cannot be written", "error", err)
		return
	}
	r.b.hub.publish(data)
}

// changes reads what ops changed since the last step.
func (r *reader) changes(v *replica.View, u *update) error {
	var ids []string
	touch := func(id string) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	now, count, looked := r.b.now(), 0, 0
	ok, err := v.Changes(r.at, func(c replica.Change) bool {
		if count++; count > maxStep {
			return false
		}
		words := wordsOf(&c)
		r.b.names.see(c.Whole, words)
		u.Events = append(u.Events, r.b.happened(v, &c, now))
		if pipeline.Reserved(c.Story) {
			return true
		}
		touch(c.Story)
		if c.Before != c.After || c.Before == "" {
			waiting, _ := v.WaitingFor(c.Story, maxAffected)
			for _, id := range waiting {
				touch(id)
			}
		}
		numbers := dependencies(v, &c)
		if looked += len(numbers); looked > maxNumbers {
			return false
		}
		for _, n := range numbers {
			for _, other := range v.NumberedOutlines(n) {
				touch(other.ID)
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	if !ok || count > maxStep || looked > maxNumbers || len(ids) > maxStep {
		*u = update{Reset: true, Waiting: -1}
		return nil
	}
	for _, id := range ids {
		if err := r.card(v, u, id, now); err != nil {
			return err
		}
	}
	return nil
}

// dependencies returns the numbers on which the story of a change depends, or did before: the cards of stories with
// these numbers change, too.
func dependencies(v *replica.View, c *replica.Change) (numbers []uint32) {
	written := func(op *crdt.Op) {
		for _, e := range op.Edits {
			if e.Kind == crdt.KindDep {
				numbers = append(numbers, e.Number)
			}
		}
	}
	written(c.Whole)
	if c.Before == c.After {
		return numbers
	}
	if st, err := v.Story(c.Story); err == nil {
		numbers = append(numbers, st.DependsOn...)
	} else {
		looked := 0
		_ = v.History(c.Story, 0, func(e replica.Entry) bool { // it is deleted; an error shows with its card, too
			written(e.Op)
			looked++
			return looked < recent
		})
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// card adds the card of a story as it is now.
func (r *reader) card(v *replica.View, u *update, id string, now time.Time) error {
	st, err := v.Story(id)
	if v.Err() != nil {
		return v.Err()
	}
	if err != nil { // it is deleted
		u.Gone = append(u.Gone, id)
		r.b.concerns.note(id, false)
		delete(r.held, id)
		return nil
	}
	r.b.concerns.note(id, isOpen(st.Stage) && len(troubling(st.Warnings)) > 0)
	next, err := where(v.State, &st)
	if err != nil {
		return err
	}
	c := newCard(v, &st, now)
	if c.Agent != "" && isOpen(c.Stage) {
		r.held[id] = keyOf(c)
	} else {
		delete(r.held, id)
	}
	u.Cards = append(u.Cards, placed{ID: id, Stage: st.Stage, Before: next, HTML: r.b.part("card", c)})
	return v.Err()
}

// surroundings adds the parts around the cards where they are not as they were told last.
func (r *reader) surroundings(v *replica.View, u *update) error {
	tops, err := heads(v, &choice{})
	if err != nil {
		return err
	}
	for _, h := range tops {
		html := r.b.part("head", h)
		if stage := string(h.Stage); r.heads[stage] != html {
			if u.Heads == nil {
				u.Heads = map[string]string{}
			}
			u.Heads[stage], r.heads[stage] = html, html
		}
	}
	agents, more, err := r.b.agents(v)
	if err != nil {
		return err
	}
	if err := r.leases(v, u, agents); err != nil {
		return err
	}
	if key := keyOf(agents); key != r.agents {
		r.agents = key
		u.Agents = r.b.part("agents", map[string]any{"Agents": agents, "More": more})
	}
	needs, err := r.b.needs(v, agents)
	if err != nil {
		return err
	}
	if key := keyOf(needs); key != r.needs {
		r.needs, u.Waiting = key, needs.Total
		u.Needs = r.b.part("needs", needs)
	}
	return v.Err()
}

// leases adds the cards of stories that agents have and that time has changed: the lease has ended.
func (r *reader) leases(v *replica.View, u *update, agents []agentCard) error {
	if u.Reset {
		return nil
	}
	now := r.b.now()
	for i := range agents {
		for _, held := range agents[i].Held {
			st, err := v.Story(held.ID)
			if err != nil {
				return err
			}
			if key := keyOf(newCard(v, &st, now)); r.held[held.ID] != key {
				known := r.held[held.ID] != ""
				r.held[held.ID] = key
				if known {
					if err := r.card(v, u, held.ID, now); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// keyOf returns what differs where a part has changed by more than the time that passes.
func keyOf(part any) string {
	text, err := json.Marshal(part)
	if err != nil {
		return ""
	}
	return string(text)
}

// wordsOf says what a change did.
func wordsOf(c *replica.Change) string {
	return phrase.Cut(phrase.Words(c.Whole, phrase.Label(c.Story), c.Before == "", stageNames), maxWords)
}

// scan looks for stories with warnings, a page at a time.
func (b *Board) scan(ctx context.Context) {
	var after *pipeline.Position
	for looked := 0; looked < maxLooked; looked += warnPage {
		more := false
		began := b.now()
		err := b.view(ctx, func(v *replica.View) error {
			page, err := v.List(pipeline.Filter{Stages: openStages}, after, warnPage)
			if err != nil {
				return err
			}
			for i := range page.Stories {
				st := &page.Stories[i]
				b.concerns.note(st.ID, len(troubling(st.Warnings)) > 0)
				after = &pipeline.Position{Stage: st.Stage, Place: st.Place}
			}
			more = page.More
			return nil
		})
		if err != nil || !more {
			return // the reader meets the error, too, and says so
		}
		rest(ctx, restFactor*b.now().Sub(began))
		if ctx.Err() != nil {
			return
		}
	}
}
