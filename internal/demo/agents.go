package demo

import (
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// agentNames are the agents of the week.
var agentNames = []string{"claude-1", "claude-2", "codex-1", "cursor-1", "gemini-1"}

// lost is the agent that goes away in the middle of a story, and lostAt is when it begins that story
// at the earliest.
const (
	lost   = "gemini-1"
	lostAt = 6.0
)

const (
	// maxRetries is the retry count at which a story is blocked, as for agents.
	maxRetries = 3
	// lease is how long agents keep a story without a word, in seconds. It is longer than any work,
	// so that no story changes hands while it is worked on.
	lease = 5 * 60 * 60
	// checks is how long the checks of a change run, before which nobody looks at it.
	checks = 12 * time.Minute
	// lostLease is the lease of the agent that goes away.
	lostLease = 30 * 60
)

// agent is one that works in the week.
type agent struct {
	name    string
	session *replica.Session
	gone    bool
}

// task is a story and what is still to become of it.
type task struct {
	plan
	id      string
	stage   pipeline.Stage // "" until an agent takes it
	moved   time.Time      // to its stage
	holder  *agent
	author  *agent // did the work, and so does not review it
	noted   int
	retries int
	rejects []string
}

// employ has the agents look for work.
func (w *week) employ() {
	for i, name := range agentNames {
		a := &agent{name: name, session: w.replica.OpenSession("demo-" + name)}
		w.later(w.at(0.06).Add(time.Duration(i)*time.Minute), func() error { return w.seek(a) })
	}
}

// seek has a free agent take the next piece of work, or look again later.
func (w *week) seek(a *agent) error {
	day, end := w.dayOf(w.now())
	if a.gone {
		return nil
	}
	t, err := w.choose(a)
	if err != nil {
		return err
	}
	if t == nil {
		w.rest(a, w.between(4*time.Minute, 11*time.Minute))
		return nil
	}
	takes := w.lengthOf(t)
	if day < days-1 && w.now().Add(takes).After(end) { // it would not be done today
		w.rest(a, end.Sub(w.now()))
		return nil
	}
	seconds := int64(lease)
	if a.name == lost && t.stage == "" && !w.now().Before(w.at(lostAt)) {
		a.gone, seconds = true, lostLease
	}
	_, err = w.update(a.session, a.name, func(tx *pipeline.Tx) error {
		_, err := tx.Claim(t.id, a.session.ClaimOptions(a.name, seconds))
		return err
	})
	if err != nil {
		return err
	}
	t.holder = a
	if t.stage == "" {
		t.stage = pipeline.Current
	}
	if !a.gone {
		w.work(a, t, takes)
	}
	return nil
}

// rest has the agent seek work again after a time, or on the next morning.
func (w *week) rest(a *agent, pause time.Duration) {
	again := w.now().Add(pause)
	if day, end := w.dayOf(w.now()); day < days-1 && !again.Before(end) {
		again = w.at(float64(day + 1)).Add(w.between(time.Minute, 15*time.Minute))
	}
	w.later(again, func() error { return w.seek(a) })
}

// choose returns what a free agent does next, nil if there is nothing: it finishes before it begins.
func (w *week) choose(a *agent) (*task, error) {
	for _, stage := range []pipeline.Stage{pipeline.Merge, pipeline.QA, pipeline.Current} {
		for _, t := range w.tasks {
			mine := t.author == a
			if w.now().Sub(t.moved) < checks {
				continue
			}
			if t.stage == stage && t.holder == nil && (stage == pipeline.Merge || mine == (stage == pipeline.Current)) {
				return t, nil
			}
		}
	}
	yes := true
	var id string
	err := w.replica.View(w.ctx, func(v *replica.View) error {
		page, err := v.List(pipeline.Filter{Stages: []pipeline.Stage{pipeline.Backlog}, Ready: &yes}, nil, 1)
		if id = ""; len(page.Stories) > 0 {
			id = page.Stories[0].ID
		}
		return err
	})
	for _, t := range w.tasks {
		if id != "" && t.id == id {
			return t, err
		}
	}
	return nil, err
}

// lengthOf draws how long the next piece of work on a story takes.
func (w *week) lengthOf(t *task) time.Duration {
	switch t.stage {
	case pipeline.Merge:
		return w.between(3*time.Minute, 14*time.Minute)
	case pipeline.QA:
		return w.between(8*time.Minute, 40*time.Minute)
	case pipeline.Current: // once more
		return w.between(15*time.Minute, 45*time.Minute)
	}
	return w.between(70*time.Minute, 200*time.Minute)
}

// work has what happens in a piece of work happen, spread over the time that it takes.
func (w *week) work(a *agent, t *task, takes time.Duration) {
	step := func(part float64, do func(tx *pipeline.Tx) error) {
		w.later(w.now().Add(time.Duration(part*float64(takes))), func() error {
			_, err := w.update(a.session, a.name, do)
			return err
		})
	}
	if t.stage != pipeline.Current {
		w.later(w.now().Add(takes), func() error { return w.judge(a, t) })
		return
	}
	if t.block != "" {
		step(0.3, func(tx *pipeline.Tx) error {
			_, err := tx.SetBlocked(t.id, true, &t.block)
			return err
		})
		w.later(w.now().Add(takes/3), func() error { return w.giveBack(a, t) })
		return
	}
	for n := range t.retries {
		step(0.7*float64(n+1)/float64(t.retries+1), func(tx *pipeline.Tx) error {
			_, err := tx.BumpRetry(t.id, 1, maxRetries)
			return err
		})
	}
	if len(t.notes) > t.noted {
		text := t.notes[t.noted]
		t.noted++
		step(0.85, func(tx *pipeline.Tx) error { return tx.AddNote(t.id, nil, text) })
	}
	w.later(w.now().Add(takes), func() error {
		if t.limit {
			return w.giveBack(a, t)
		}
		t.author, t.retries = a, 0
		return w.move(a, t, pipeline.QA, "")
	})
}

// judge ends a review or a merge.
func (w *week) judge(a *agent, t *task) error {
	if t.stage == pipeline.Merge {
		return w.move(a, t, pipeline.Done, "")
	}
	if len(t.rejects) > 0 {
		why := t.rejects[0]
		t.rejects = t.rejects[1:]
		return w.move(a, t, pipeline.Current, why)
	}
	return w.move(a, t, pipeline.Merge, "")
}

// move brings a story to a stage, with a note unless it is empty, after which the agent is free.
func (w *week) move(a *agent, t *task, to pipeline.Stage, note string) error {
	_, err := w.update(a.session, a.name, func(tx *pipeline.Tx) error {
		if _, err := tx.Advance(t.id, &to); err != nil || note == "" {
			return err
		}
		return tx.AddNote(t.id, nil, note)
	})
	t.stage, t.moved = to, w.now()
	return w.leave(a, t, err)
}

// giveBack has the agent release a story that is blocked.
func (w *week) giveBack(a *agent, t *task) error {
	_, err := w.update(a.session, a.name, func(tx *pipeline.Tx) error {
		_, err := tx.Release(t.id)
		return err
	})
	t.stage = pipeline.Backlog
	return w.leave(a, t, err)
}

// leave has the agent look for other work a little later.
func (w *week) leave(a *agent, t *task, err error) error {
	t.holder = nil
	w.rest(a, w.between(20*time.Second, 4*time.Minute))
	return err
}
