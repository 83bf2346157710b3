// Package demo fills a pipeline with a believable week of five agents and a person, who build a
// planner of shifts: to try commands on, and to make pictures of them.
//
// All ops are written by [replica.Replica.Update] under the rules that hold for agents, with a clock
// that runs through the week. So the pipeline is a real one. The ops come from a schedule: the stories
// of stories.md are added when they say, and agents that are free review, merge or take the next
// story. How long each takes is drawn.
package demo

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// Config says where a pipeline is filled, and from what.
type Config struct {
	// Path is the database. The database must not exist.
	Path string
	// Now is when the week ends.
	Now time.Time
	// Draw returns a number from 0 up to n. The same numbers give the same week.
	Draw func(n int) int
	// Rand gives the seeds of keys, and Machine names the machine, as for [replica.Config].
	Rand    io.Reader
	Machine string
	Logger  *slog.Logger
}

const (
	// days is how many days the agents work. The last of them ends at Config.Now.
	days = 7
	// workday is how long they work on each day.
	workday = 5 * time.Hour
)

// week is the schedule of the week, and what it has come to.
type week struct {
	cfg     Config
	ctx     context.Context
	replica *replica.Replica
	clock   atomic.Int64 // nanoseconds since 1970
	acts    []act
	tasks   []*task
}

// act is something that happens at a time.
type act struct {
	at time.Time
	do func() error
}

// Fill makes the pipeline. After an error a part of it may be there.
func Fill(ctx context.Context, cfg Config) error {
	plans, err := readPlans(storiesText)
	if err != nil {
		return err
	}
	w := &week{cfg: cfg, ctx: ctx}
	w.replica = replica.New(replica.Config{Path: cfg.Path, Now: w.now, Rand: cfg.Rand, Machine: cfg.Machine, Logger: cfg.Logger})
	defer w.replica.Close()
	for i := range plans {
		t := &task{plan: plans[i], retries: plans[i].retries, rejects: plans[i].rejects}
		w.tasks = append(w.tasks, t)
		w.later(w.at(t.day), func() error { return w.add(t) })
	}
	w.employ()
	w.schedulePerson()
	if err := w.run(); err != nil {
		return err
	}
	if err := w.addApart(); err != nil {
		return err
	}
	return w.replica.Close()
}

func (w *week) now() time.Time { return time.Unix(0, w.clock.Load()) }

// at returns the time of a point of the week: 1.5 is the middle of the second workday.
func (w *week) at(point float64) time.Time {
	day := int(point)
	begin := w.cfg.Now.AddDate(0, 0, day-days+1).Add(-workday)
	return begin.Add(time.Duration((point - float64(day)) * float64(workday)))
}

// dayOf returns the workday that a time is in, from 0, and when that day ends.
func (w *week) dayOf(t time.Time) (day int, end time.Time) {
	for day = 0; day < days-1; day++ {
		if end = w.at(float64(day)).Add(workday); !t.After(end) {
			return day, end
		}
	}
	return day, w.cfg.Now
}

// later has something done at a time.
func (w *week) later(at time.Time, do func() error) { w.acts = append(w.acts, act{at, do}) }

// run does what is to be done, in order of time, until the week ends.
func (w *week) run() error {
	for len(w.acts) > 0 {
		next := 0
		for i := range w.acts {
			if w.acts[i].at.Before(w.acts[next].at) {
				next = i
			}
		}
		a := w.acts[next]
		w.acts = slices.Delete(w.acts, next, next+1)
		if !a.at.Before(w.cfg.Now) {
			continue
		}
		w.clock.Store(a.at.UnixNano())
		if err := a.do(); err != nil {
			return fmt.Errorf("at %s: %w", a.at.UTC().Format(time.DateTime), err)
		}
	}
	w.clock.Store(w.cfg.Now.UnixNano())
	return nil
}

// between draws a length of time.
func (w *week) between(from, to time.Duration) time.Duration {
	const step = 7 * time.Second
	return from + time.Duration(w.cfg.Draw(int((to-from)/step)))*step
}

// update writes one op in the name of a session and an agent.
func (w *week) update(session *replica.Session, name string, fn func(*pipeline.Tx) error) (pipeline.Story, error) {
	return w.replica.Update(w.ctx, name, func(tx *pipeline.Tx) error {
		tx.By(pipeline.Caller{Session: session.ID(), Name: name})
		return fn(tx)
	})
}

// add adds the story of a task.
func (w *week) add(t *task) error {
	var needs []uint32
	for _, n := range t.needs {
		needs = append(needs, uint32(n))
	}
	stage, by := pipeline.Backlog, cmp.Or(t.by, person)
	story, err := w.replica.Update(w.ctx, by, func(tx *pipeline.Tx) error {
		id, err := tx.NewID(t.kind, pipeline.Slug(t.name))
		if err != nil {
			return err
		}
		_, _, err = tx.Write(id, pipeline.Changes{Stage: &stage, Name: &t.name, Description: &t.text, DependsOn: &needs})
		return err
	})
	t.id = story.ID
	return err
}
