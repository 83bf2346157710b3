package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// attempt is a try of one agent to have a story, with what came of it. No other attempt has its agent.
type attempt struct {
	story, agent string
	by           *chaosMachine
	server       *process
	// seconds is the lease that was asked for; 0: while the process lives, and a grace.
	seconds int

	call, end time.Time
	won       bool
	// unanswered: the process was killed meanwhile.
	unanswered bool
	claim      string // see pipeline.ClaimText
	renewals   []period
	// released is when the story was given back. Its end is zero if nobody knows whether it was.
	released *period
}

// period is when a call was made, and when it was answered.
type period struct{ call, end time.Time }

// journal is what the agents of all machines saw.
type journal struct {
	// resets are the times in which the hub had lost what it knew, or had been put back, and machines may have been late
	// to tell it. The faults' goroutine alone changes them.
	resets []span

	mu       sync.Mutex // guards all below
	attempts []*attempt
	acked    map[string]bool // the revs of acknowledged changes
	// lost are ops that a machine alone had when it was put back to what it was before.
	lost map[string]bool
	// ops are all ops that any machine ever had.
	ops map[string]*crdt.Op
}

func newJournal() *journal {
	return &journal{acked: map[string]bool{}, lost: map[string]bool{}, ops: map[string]*crdt.Op{}}
}

// acknowledge notes that a change was acknowledged.
func (j *journal) acknowledge(rev string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.acked[rev] = true
}

// see notes ops that a machine has.
func (j *journal) see(ops map[string]*crdt.Op) {
	j.mu.Lock()
	defer j.mu.Unlock()
	maps.Copy(j.ops, ops)
}

// noteLoss notes what is lost when a machine is rolled back: what neither its saved copy nor any other machine has.
func (ch *chaos) noteLoss(c *chaosMachine) {
	kept := map[string]bool{}
	saved := &chaosMachine{machine: &machine{t: ch.t, path: c.savedPath(), log: c.log}}
	for _, m := range append([]*chaosMachine{saved}, ch.machines...) {
		if m != c {
			m.reading(func() {
				for rev := range m.allOps() {
					kept[rev] = true
				}
			})
		}
	}
	c.reading(func() {
		all := c.allOps()
		ch.journal.see(all)
		for rev := range all {
			if !kept[rev] {
				ch.journal.lost[rev] = true
			}
		}
	})
}

// agent is somebody who works through one server of a machine after the other.
type agent struct {
	*chaos
	by     *chaosMachine
	slot   int
	name   string
	random *rand.Rand
	n      int // what it has done
}

// pause waits a random time. It reports whether the test goes on.
func (a *agent) pause(most time.Duration) bool {
	select {
	case <-a.stop:
		return false
	case <-time.After(time.Duration(a.random.Int64N(int64(most)))):
		return true
	}
}

// failed fails the test for an error that no fault explains.
func (a *agent) failed(err error) bool {
	var said refusal
	if err != nil && !errors.Is(err, errGone) && !errors.As(err, &said) {
		a.t.Errorf("%s: %v", a.name, err)
		return true
	}
	return false
}

// writes makes new stories.
func (a *agent) writes() {
	for a.pause(80 * time.Millisecond) {
		server := a.by.process(a.slot)
		if server == nil {
			continue
		}
		a.n++
		name := fmt.Sprintf("%s-%d", a.name, a.n)
		got, err := server.call("write_item", map[string]any{"name": name})
		if a.failed(err) {
			return
		}
		if said := refusal(""); errors.As(err, &said) {
			a.t.Errorf("%s cannot write: %v", a.name, err)
			return
		}
		if err == nil {
			a.journal.acknowledge(got.Item.Rev)
		}
	}
}

// claims claims stories that everybody wants, and gives them back or leaves them.
func (a *agent) claims() {
	for a.pause(150 * time.Millisecond) {
		server := a.by.process(a.slot)
		if server == nil {
			continue
		}
		a.n++
		try := &attempt{
			story: wanted(a.random.IntN(wantedStories)), agent: fmt.Sprintf("%s-%d", a.name, a.n), by: a.by, server: server, seconds: a.random.IntN(4),
		}
		arguments := map[string]any{"story_id": try.story, "agent": try.agent}
		if try.seconds > 0 {
			arguments["lease_seconds"] = try.seconds
		}
		try.call = time.Now()
		got, err := server.call("claim_item", arguments)
		try.end = time.Now()
		if a.failed(err) {
			return
		}
		if try.unanswered = errors.Is(err, errGone); try.unanswered {
			try.end = server.reaped
		}
		try.won, try.claim = err == nil, got.Claim
		if try.won || try.unanswered {
			a.journal.mu.Lock()
			a.journal.attempts = append(a.journal.attempts, try)
			a.journal.mu.Unlock()
		}
		if try.won {
			a.journal.acknowledge(got.Item.Rev)
			a.holds(try)
		}
	}
}

// holds is what an agent does with a story that it has.
func (a *agent) holds(try *attempt) {
	for range a.random.IntN(4) {
		if !a.pause(700 * time.Millisecond) {
			return
		}
		at := period{call: time.Now()}
		arguments := map[string]any{"claim": try.claim, "agent": try.agent}
		if try.seconds > 0 {
			arguments["lease_seconds"] = try.seconds
		}
		_, err := try.server.call("claim_item", arguments)
		at.end = time.Now()
		if err != nil {
			a.failed(err)
			return // somebody else has it, or the process was killed
		}
		try.renewals = append(try.renewals, at)
	}
	if a.random.IntN(3) == 0 && try.seconds > 0 {
		return // its lease ends
	}
	at := period{call: time.Now()}
	got, err := try.server.call("release_item", map[string]any{"story_id": try.story, "claim": try.claim, "agent": try.agent})
	at.end = time.Now()
	switch {
	case err == nil:
		a.journal.acknowledge(got.Item.Rev)
		try.released = &at
	case errors.Is(err, errGone):
		try.released = &period{call: at.call}
	default:
		a.failed(err)
	}
}

// wantedStories is how many stories agents claim, all the same ones.
const wantedStories = 8

func wanted(i int) string { return fmt.Sprintf("%d_story_wanted", i+1) }

// checkFences: of all claims that were ever made on a story each has a fence of its own.
func (j *journal) checkFences(t *testing.T) {
	t.Helper()
	type right struct {
		story string
		fence crdt.Fence
	}
	had := map[right]string{}
	for rev, op := range j.ops {
		if !isClaim(op) {
			continue
		}
		r := right{op.Story, op.Fence}
		if op.Fence.IsZero() {
			t.Errorf("%s was claimed by %s without the hub", op.Story, op.Agent)
		} else if other := had[r]; other != "" {
			t.Errorf("%s was claimed twice with fence %s: %s and %s (%s)", op.Story, op.Fence, other, rev, op.Agent)
		}
		had[r] = rev
	}
}
