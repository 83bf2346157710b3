package board

import (
	"maps"
	"slices"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// timeline is how far back the agents' timeline goes.
	timeline = 24 * time.Hour
	// maxTimeline bounds the changes that the timeline looks at: some 0.1 s.
	maxTimeline = 2000
	// maxSpells bounds the times in stages, and maxFinished the finished stories, of which percentiles are
	// taken: the last ones. A year of a million ops has half a million, which took 0.8 s.
	maxSpells   = 20_000
	maxFinished = 10_000
)

// readings are what the charts are drawn from.
type readings struct {
	now time.Time
	// first is the first day of the charts, and base the day on which earlier moves are counted: the day
	// before it, or the first day if the pipeline began on it. Last is today.
	first, base, last int64
	moves             []pipeline.Moves
	stays             map[pipeline.Stage][]time.Duration // sorted
	finished          []pipeline.Finished
	// slow are those of finished that took longest, by their place there, with their IDs.
	slow  []int
	named map[int]string
	hand  []pipeline.Aging
	// titles are the names of the stories in slow and hand, by their IDs.
	titles map[string]string
	// changes are those of the timeline, the first first. From is where it begins.
	changes []replica.Change
	from    time.Time
	// earlier are the claims that began before that: for each story, what the last op did that gave it to an
	// agent, took it from one or finished it.
	earlier map[string]holder
	holders []holder
}

// holder is an agent that has a story. The agent is "" if nobody has it.
type holder struct {
	agent, story string
	since, until time.Time
	// ends is when the claim ends unless it is renewed, zero if it lasts as long as a session. No op tells of
	// a renewal: proof of one is what the agent did with the story last.
	ends, last time.Time
}

// over returns when a claim was over whose story somebody took, gave back or finished at a time.
func (h *holder) over(when time.Time) time.Time {
	if lapsed := later(h.ends, h.last); !h.ends.IsZero() && lapsed.Before(when) {
		return lapsed
	}
	return when
}

// readCharts reads what the charts are drawn from. The clocks of ops may lie: a day before the pipeline's first op
// counts as that op's day, and a day that has not come yet as today.
func readCharts(v *replica.View, of span, now time.Time) (read readings, err error) {
	read.now, read.last = now, pipeline.Day(now)
	began, err := v.Began()
	if err != nil {
		return read, err
	}
	read.first, read.base = window(began, now, of.Days)
	if read.moves, err = v.Flow(read.base, of.Type); err != nil {
		return read, err
	}
	since := dayTime(read.first)
	read.stays = map[pipeline.Stage][]time.Duration{}
	err = v.Spells(since, of.Type, maxSpells, func(s pipeline.Spell) {
		read.stays[s.Stage] = append(read.stays[s.Stage], max(0, s.Ended.Sub(later(s.Began, began))))
	})
	if err != nil {
		return read, err
	}
	for _, stays := range read.stays {
		slices.Sort(stays)
	}
	if err := read.readFinished(v, since, of.Type); err != nil {
		return read, err
	}
	if read.hand, err = v.InHand(of.Type, maxInHand); err != nil {
		return read, err
	}
	read.readTitles(v)
	return read, read.readTimeline(v, of.Type)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// window returns the first day of charts of so many days, and the day on which earlier moves are counted.
func window(began, now time.Time, days int) (first, base int64) {
	today := pipeline.Day(now)
	first = today - int64(days) + 1
	if start := min(pipeline.Day(began), today); !began.IsZero() && start >= first {
		return start, start
	}
	return first, first - 1
}

func dayTime(day int64) time.Time { return time.UnixMilli(day * (24 * time.Hour).Milliseconds()).UTC() }

func (r *readings) readFinished(v *replica.View, since time.Time, typ string) (err error) {
	if r.finished, err = v.Finished(since, typ, maxFinished); err != nil {
		return err
	}
	r.slow, r.named = make([]int, len(r.finished)), map[int]string{}
	for i := range r.slow {
		r.slow[i] = i
	}
	slices.SortStableFunc(r.slow, func(a, b int) int { return int(r.finished[b].Took/1e6 - r.finished[a].Took/1e6) })
	r.slow = r.slow[:min(maxNamed, len(r.slow))]
	for _, i := range r.slow {
		if r.named[i], err = v.FinishedID(&r.finished[i]); err != nil {
			return err
		}
	}
	return nil
}

// readTitles reads the names of the stories that tables name. A story that cannot be read has its ID alone.
func (r *readings) readTitles(v *replica.View) {
	r.titles = map[string]string{}
	name := func(id string) {
		r.titles[id] = id
		if st, err := v.Outline(id); err == nil && phrase.Line(st.Name) != "" {
			r.titles[id] = phrase.Label(id) + " " + phrase.Title(&st)
		}
	}
	for _, id := range r.named {
		name(id)
	}
	for i := range r.hand {
		name(r.hand[i].Story)
	}
}

func (r *readings) readTimeline(v *replica.View, typ string) error {
	r.from, r.earlier = r.now.Add(-timeline), map[string]holder{}
	looked, began := 0, false
	err := v.ChangesBefore(0, func(c replica.Change) bool {
		at := time.UnixMilli(c.At)
		if looked++; looked > maxTimeline {
			return false
		}
		began = at.Before(r.from)
		switch {
		case pipeline.Reserved(c.Story) || typ != "" && pipeline.TypeOf(c.Story) != typ:
		case !began:
			r.changes = append(r.changes, c)
		default:
			r.before(&c)
		}
		return true
	})
	if err != nil {
		return err
	}
	slices.Reverse(r.changes)
	if looked > maxTimeline && !began && len(r.changes) > 0 { // what came before is not known
		r.from = later(r.from, time.UnixMilli(r.changes[0].At))
	}
	for _, agent := range agentNames(v) {
		page, err := v.List(pipeline.Filter{Stages: openStages, Agent: &agent}, nil, maxHeld)
		if err != nil {
			return err
		}
		for i := range page.Stories {
			st, err := v.Story(page.Stories[i].ID)
			if err != nil {
				return err
			}
			if st.Claim == nil || typ != "" && pipeline.TypeOf(st.ID) != typ {
				continue
			}
			h := holder{agent: agent, story: st.ID, since: st.Claim.Since, until: r.now}
			if !st.Claim.Live(r.now) {
				h.until = st.Claim.Lease.Ends
			}
			r.holders = append(r.holders, h)
		}
	}
	return v.Err()
}

// before takes in a change from before the timeline. Those of a story come the last first.
func (r *readings) before(c *replica.Change) {
	to, ends := claimOf(c)
	if _, known := r.earlier[c.Story]; ends && !known {
		r.earlier[c.Story] = to
	}
}

// work is what an agent did in the time of the timeline.
type work struct {
	agent string
	held  []heldFor
	ops   []time.Time
}

// heldFor is how long an agent had a story.
type heldFor struct {
	story    string
	from, to time.Time
	open     bool
}

// works returns what each agent did. Who changed most comes first.
func (r *readings) works() (all []work) {
	at := func(agent string) *work {
		i := slices.IndexFunc(all, func(w work) bool { return w.agent == agent })
		if i < 0 {
			all = append(all, work{agent: agent})
			i = len(all) - 1
		}
		return &all[i]
	}
	has := map[string]holder{}
	maps.Copy(has, r.earlier)
	hold := func(h *holder, until time.Time) {
		if h.agent != "" && !until.Before(r.from) {
			since := later(h.since, r.from)
			w := at(h.agent)
			w.held = append(w.held, heldFor{h.story, since, later(until, since), until.Equal(r.now)})
		}
	}
	for i := range r.changes {
		c := &r.changes[i]
		when := time.UnixMilli(c.At)
		if when.After(r.now) {
			when = r.now
		}
		h := has[c.Story]
		if h.agent != "" && h.agent == c.Agent && !pipeline.Claims(c.Whole) {
			h.last = when
			has[c.Story] = h
		}
		if to, ends := claimOf(c); ends {
			hold(&h, h.over(when))
			to.since = when
			has[c.Story] = to
		}
		if c.Agent != "" {
			w := at(c.Agent)
			w.ops = append(w.ops, when)
		}
	}
	for i := range r.holders {
		hold(&r.holders[i], r.holders[i].until)
	}
	all = slices.DeleteFunc(all, func(w work) bool { return phrase.Line(w.agent) == "" })
	slices.SortFunc(all, func(a, b work) int { return len(b.ops) - len(a.ops) })
	return all[:min(maxAgents, len(all))]
}

// claimOf reports whether a change ends a claim of its story, and returns the claim that it begins.
func claimOf(c *replica.Change) (to holder, ends bool) {
	to.story, to.since, to.ends = c.Story, time.UnixMilli(c.At), pipeline.ClaimEnds(c.Whole)
	for i := range c.Whole.Edits {
		if e := &c.Whole.Edits[i]; e.Kind == crdt.KindSet && e.Field == pipeline.NameAgent && e.Value.Type() == crdt.TypeString {
			to.agent, ends = e.Value.Str(), true
		}
	}
	if !pipeline.Claims(c.Whole) {
		to.agent = ""
	}
	return to, ends || c.After == "" || c.After == pipeline.Done
}
