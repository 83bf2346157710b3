package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
)

// drainGrace is the grace of leases while the pipeline is drained: short, so that stories of the killed come free
// soon, and long enough for a process that lives to renew in time on a busy machine.
const drainGrace = 3 * time.Second

// drainRoles are the agents' roles: what they claim, the stage in which they then have the story, and the next one.
var drainRoles = []struct{ name, claims, works, next string }{
	{"coder", "", "2_current", "3_qa"},
	{"qa", "3_qa", "3_qa", "4_merge"},
	{"merger", "4_merge", "4_merge", "5_done"},
}

// drain is what the agents of a fleet do to a pipeline of stories, and what they saw.
type drain struct {
	fleet *fleet
	done  chan struct{} // closed when all stories are done

	mu      sync.Mutex // guards all below
	holds   []*hold
	refused int // moves by a claim that had ended
	lost    int // calls that were not answered
}

// hold is a claim as its agent saw it.
type hold struct {
	story, token, agent string
	won                 times // the call
	lease               time.Duration
	server              *server // whose life the lease follows; nil with a lease, or if the answer does not tell
	tried               time.Time
	moved               *times // the call that moved the story on, if that was answered
	rev                 string // as that call left the story
}

// until returns how long nobody else may have had the story. Fencing makes the holder of a claim with which a story
// was moved the holder until then; apart from that the lease says it.
func (h *hold) until(end time.Time) time.Time {
	switch {
	case h.moved != nil:
		return h.moved.call
	case h.lease > 0:
		end = h.won.call.Add(h.lease)
	case h.server == nil:
		return h.won.end
	case h.server.killed:
		end = h.server.killedAt
	}
	if !h.tried.IsZero() && h.tried.Before(end) {
		return h.tried
	}
	return end
}

// mayHaveEnded reports whether a call that was answered at the given time may have met the end of the lease.
func (h *hold) mayHaveEnded(at time.Time) bool {
	if h.lease > 0 {
		return !at.Before(h.won.call.Add(h.lease))
	}
	return h.server == nil || h.server.doomed.Load()
}

// TestDrain: twelve agents in four processes take a pipeline of stories that depend on each other through all stages, by
// claim_item and advance_item, while processes are killed with SIGKILL and started again, and agents sleep through
// their leases. Every story goes through every stage to 5_done once, in order, and nobody has a story while another has it: not by
// what the agents saw from answer to answer, and not by the signed log. The long form, under HUSKIES_STRESS, has 1,000
// stories.
func TestDrain(t *testing.T) {
	stories := 60
	if os.Getenv("HUSKIES_STRESS") != "" {
		stories = 1000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Setenv("HUSKIES_LEASE_GRACE", drainGrace.String())
	d := &drain{fleet: startFleet(t, filepath.Join(t.TempDir(), "x.db"), 4), done: make(chan struct{})}
	for n := 1; n <= stories; n++ {
		dependsOn := []int{}
		for range rng.IntN(3) {
			if on := n - 1 - rng.IntN(20); on > 0 && !slices.Contains(dependsOn, on) {
				dependsOn = append(dependsOn, on)
			}
		}
		d.fleet.servers[n%4].Load().must(t, "write_item", arguments{"story_id": fmt.Sprintf("%d_story", n), "stage": "1_backlog", "depends_on": dependsOn})
	}
	const agents = 12
	errs := make([]error, agents+1)
	var running sync.WaitGroup
	for i := range agents {
		a := &drainAgent{drain: d, name: fmt.Sprintf("%s-%d", drainRoles[i/4].name, i%4), role: i / 4, server: i % 4, rng: rand.New(rand.NewPCG(rng.Uint64(), 0))}
		running.Go(func() { errs[i] = a.run() })
	}
	running.Go(func() {
		defer close(d.done)
		errs[agents] = d.waitUntilDone(stories)
	})
	d.fleet.killUntil(t, rng, 250*time.Millisecond, d.done)
	running.Wait()
	d.fleet.end(t)
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	d.checkHolds(t)
	takeovers := d.checkLog(t, stories)
	t.Logf("%d stories, %d kills, %d claims answered, %d takeovers, %d moves by claims that had ended refused, %d calls unanswered",
		stories, d.fleet.kills, len(d.holds), takeovers, d.refused, d.lost)
}

// waitUntilDone looks at the pipeline until all stories are done.
func (d *drain) waitUntilDone(stories int) error {
	for end := time.Now().Add(hangGuard); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		a, _, err := d.fleet.timedCall(0, "list_items", arguments{"stage": "5_done", "limit": 1})
		if err != nil && !errors.Is(err, errGone) {
			return err
		}
		for _, stage := range a.Stages {
			if stage.Stage == "5_done" && stage.Count == stories {
				return nil
			}
		}
	}
	a, _, err := d.fleet.timedCall(0, "list_items", nil)
	return fmt.Errorf("not all stories got to 5_done: %s, %w", a.text, err)
}

// drainAgent is one of the agents. It works with one server, whichever process that is.
type drainAgent struct {
	*drain
	name         string
	role, server int
	rng          *rand.Rand
}

func (a *drainAgent) run() error {
	for {
		select {
		case <-a.done:
			return nil
		default:
		}
		h, err := a.claim(arguments{})
		if err != nil {
			return err
		}
		if h == nil {
			continue
		}
		work := time.Duration(a.rng.IntN(4)) * time.Millisecond
		if h.lease > 0 && a.rng.IntN(3) == 0 {
			work = h.lease + time.Duration(a.rng.IntN(500))*time.Millisecond // sleeps through it
		}
		time.Sleep(work)
		if h.server != nil && h.server.doomed.Load() && a.rng.IntN(2) == 0 { // its host has started another one: it looks after its story
			if h, err = a.claim(arguments{"story_id": h.story}); err != nil {
				return err
			}
		}
		for h != nil { // until it hears what came of it
			if h, err = a.move(h); err != nil {
				return err
			}
		}
	}
}

// claimAnswer is what claim_item answers.
type claimAnswer struct {
	Claimed bool      `json:"claimed"`
	Item    shownItem `json:"item"`
	Claim   string    `json:"claim"`
}

// claim claims a story of the role, or the one that the arguments name, and returns nil if the agent has none then.
func (a *drainAgent) claim(args arguments) (*hold, error) {
	role := drainRoles[a.role]
	args["agent"] = a.name
	h := &hold{agent: a.name}
	if a.rng.IntN(5) == 0 {
		h.lease = time.Second
		args["lease_seconds"] = 1
	}
	_, again := args["story_id"]
	if !again {
		args["wait_seconds"] = 1
		if role.claims != "" {
			args["stage"] = role.claims
		}
	}
	s := a.fleet.servers[a.server].Load()
	answer, at, err := a.fleet.timedCall(a.server, "claim_item", args)
	var said toolError
	switch {
	case errors.Is(err, errGone):
		a.count(&a.lost)
		return nil, nil
	case again && errors.As(err, &said):
		return nil, nil // taken over, or moved on by an answer that was lost
	case err != nil:
		return nil, fmt.Errorf("%s claims %v: %w", a.name, args, err)
	}
	var c claimAnswer
	if err := json.Unmarshal([]byte(answer.text), &c); err != nil {
		return nil, err
	}
	if !c.Claimed {
		return nil, nil
	}
	if c.Item.Agent != a.name || c.Item.Stage != role.works && !again || len(c.Claim) != 14 {
		return nil, fmt.Errorf("%s claims %v: %s", a.name, args, answer.text)
	}
	h.story, h.token, h.won = c.Item.StoryID, strings.TrimPrefix(c.Claim, "c-"), at
	if h.lease == 0 && s == a.fleet.servers[a.server].Load() {
		h.server = s
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holds = append(a.holds, h)
	return h, nil
}

// move moves the story on by the claim. It returns the hold if it got no answer, so that it may try again.
func (a *drainAgent) move(h *hold) (*hold, error) {
	role := drainRoles[a.role]
	first := h.tried.IsZero()
	if first {
		h.tried = time.Now()
	}
	answer, at, err := a.fleet.timedCall(a.server, "advance_item", arguments{"story_id": h.story, "agent": a.name, "claim": h.token})
	var said toolError
	switch {
	case errors.Is(err, errGone):
		a.count(&a.lost)
		if a.rng.IntN(2) == 0 {
			return nil, nil // it forgets about it
		}
		return h, nil
	case errors.As(err, &said) && strings.Contains(string(said), "has ended") && (!first || h.mayHaveEnded(at.end)):
		a.count(&a.refused)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%s moves %s by claim %s: %w", a.name, h.story, h.token, err)
	case !first && len(answer.Changed) == 0: // the first call moved it, and its answer was lost
		return nil, nil
	case answer.Item.Stage != role.next || answer.Item.Agent != "":
		return nil, fmt.Errorf("%s moves %s by claim %s: %s", a.name, h.story, h.token, answer.text)
	}
	h.moved, h.rev = &at, answer.Item.Rev
	return nil, nil
}

func (d *drain) count(n *int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*n++
}

// checkHolds looks for two who had a story at the same time, by what they saw from answer to answer.
func (d *drain) checkHolds(t *testing.T) {
	t.Helper()
	end := time.Now()
	byStory := map[string][]*hold{}
	for _, h := range d.holds {
		byStory[h.story] = append(byStory[h.story], h)
	}
	for story, holds := range byStory {
		for i, h := range holds {
			for _, other := range holds[i+1:] {
				from := h.won.end
				if other.won.end.After(from) {
					from = other.won.end
				}
				if h.token != other.token && from.Before(h.until(end)) && from.Before(other.until(end)) {
					t.Errorf("%s and %s had %s at the same time, by claims %s and %s: won from %v to %v and from %v to %v, leases of %v and %v, until %v and %v", h.agent, other.agent, story, h.token, other.token,
						h.won.call, h.won.end, other.won.call, other.won.end, h.lease, other.lease, h.until(end), other.until(end))
				}
			}
		}
	}
}

// checkLog follows each story through the signed log, and compares it with what the agents saw. It returns how many
// claims took over another's.
func (d *drain) checkLog(t *testing.T, stories int) (takeovers int) {
	t.Helper()
	stages := map[string][]pipeline.Stage{}
	holder := map[string]string{}  // the claim on a story
	claims := map[string]string{}  // the story and agent of a claim
	movedBy := map[string]string{} // the claim by which an op moved its story
	for _, op := range readLog(t, d.fleet.db) {
		rev, set := op.OpID[:12], map[string]any{}
		for _, e := range op.Edits {
			set[e.Set] = e.Value
		}
		if stage, ok := set["stage"].(string); ok {
			stages[op.Story] = append(stages[op.Story], pipeline.Stage(stage))
		}
		switch agent, claimed := set["agent"], set["claim"] != nil; {
		case claimed:
			if holder[op.Story] != "" {
				takeovers++
			}
			holder[op.Story] = rev
			claims[rev] = fmt.Sprintf("%s %v", op.Story, agent)
		case agent == "": // a move
			movedBy[rev] = holder[op.Story]
			holder[op.Story] = ""
		case len(stages[op.Story]) > 1:
			t.Errorf("op %s moves %s, which nobody has: %v", rev, op.Story, op.Edits)
		}
	}
	for n := 1; n <= stories; n++ {
		id := fmt.Sprintf("%d_story", n)
		if !slices.Equal(stages[id], pipeline.Stages()[:5]) || holder[id] != "" {
			t.Errorf("%s went through %q and is held by %q, want each stage once and nobody", id, stages[id], holder[id])
		}
	}
	if len(stages) != stories {
		t.Errorf("the log has %d stories, want %d", len(stages), stories)
	}
	for _, h := range d.holds {
		if got, want := claims[h.token], h.story+" "+h.agent; got != want {
			t.Errorf("claim %s of %q is one of %q in the log", h.token, want, got)
		}
		if h.moved != nil && movedBy[h.rev] != h.token {
			t.Errorf("%s was moved to %s by claim %s, but by the log that had %q then", h.story, h.rev, h.token, movedBy[h.rev])
		}
	}
	return takeovers
}
