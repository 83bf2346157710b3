package demo

import (
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// person is the one in charge.
const person = "mara"

// personLease is how long the person's claim lasts, in seconds: a day's work.
const personLease = 8 * 60 * 60

// errand is what the person does to one story.
type errand struct {
	at    float64
	story int // its number
	do    func(tx *pipeline.Tx, id string) error
}

// errands are the person's edits. An edit of the content of a story stands soon after the story was
// added, before an agent has taken it.
var errands = []errand{
	{0.26, 12, block("The budget for mail is not known yet.")},
	{0.921, 16, write(pipeline.Changes{Before: text(pipeline.First)})},
	{2.1, 12, unblock},
	{2.101, 12, note("15 EUR a month, and no provider outside of the EU, please.")},
	{2.3, 23, note("The coordinator in Braga uses no mouse. She would test it.")},
	{3.501, 36, write(pipeline.Changes{Before: text(pipeline.First), Note: text("Lisbon asks every day. First thing, please.")})},
	{4.021, 39, write(pipeline.Changes{Name: text("Delete a person and keep the sums")})},
	{5.05, 46, write(pipeline.Changes{Agent: text(person)})},
	{5.1, 47, block("The texts are with the translators until Friday. Do not start before: half of them will change.")},
	{6.051, 53, write(pipeline.Changes{Before: text(pipeline.First)})},
	{6.201, 57, write(pipeline.Changes{DependsOn: &[]uint32{28, 56}})},
	{6.46, 38, note("The lawyer wants to see the page before it goes live. I have a date on Tuesday.")},
	{6.5, 46, func(tx *pipeline.Tx, id string) error {
		_, err := tx.Claim(id, pipeline.ClaimOptions{Agent: person, Seconds: personLease})
		return err
	}},
}

func text(s string) *string { return &s }

func write(c pipeline.Changes) func(*pipeline.Tx, string) error {
	return func(tx *pipeline.Tx, id string) error {
		_, _, err := tx.Write(id, c)
		return err
	}
}

func note(text string) func(*pipeline.Tx, string) error {
	return write(pipeline.Changes{Note: &text})
}

func block(why string) func(*pipeline.Tx, string) error {
	return func(tx *pipeline.Tx, id string) error {
		_, err := tx.SetBlocked(id, true, &why)
		return err
	}
}

func unblock(tx *pipeline.Tx, id string) error {
	_, err := tx.SetBlocked(id, false, nil)
	return err
}

// tidied are the points of the week at which the person archives what was done before the day.
var tidied = []float64{2.9, 4.9, 6.4}

// schedulePerson has the person do the errands, tidy up, and delete what is there twice.
func (w *week) schedulePerson() {
	session := w.replica.OpenSession("demo-" + person)
	for _, e := range errands {
		w.later(w.at(e.at), func() error {
			return w.change(session, w.tasks[e.story-1], e.do)
		})
	}
	for _, t := range w.tasks {
		if t.drop == 0 {
			continue
		}
		w.later(w.at(t.drop), func() error {
			return w.change(session, t, func(tx *pipeline.Tx, id string) error {
				_, err := tx.Delete(id)
				return err
			})
		})
	}
	for _, at := range tidied {
		w.later(w.at(at), func() error { return w.tidy(session) })
	}
}

func (w *week) change(session *replica.Session, t *task, do func(tx *pipeline.Tx, id string) error) error {
	_, err := w.update(session, person, func(tx *pipeline.Tx) error { return do(tx, t.id) })
	return err
}

// tidy archives what was done before the day. Each move takes the person some seconds.
func (w *week) tidy(session *replica.Session) error {
	day, _ := w.dayOf(w.now())
	begin := w.at(float64(day))
	for _, t := range w.tasks {
		if t.stage != pipeline.Done || t.moved.After(begin) {
			continue
		}
		archived := pipeline.Archived
		if err := w.change(session, t, write(pipeline.Changes{Stage: &archived})); err != nil {
			return err
		}
		t.stage = archived
		w.clock.Add(int64(2 * time.Second))
	}
	return nil
}
