package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// linearClient is one of the clients of a server.
type linearClient struct {
	*record
	id, server int
	rng        *rand.Rand
	name       string
	n          int // calls so far; makes what it writes unique
	stories    []string
	wants      []string // claims that it has not tried yet
}

// run makes the client's calls, in between a claim of each story that all claim.
func (c *linearClient) run() error {
	every := linearCalls / len(c.wants)
	for c.n = range linearCalls {
		var err error
		if c.n%every == 0 && len(c.wants) > 0 {
			err = c.claim(c.wants[0])
			c.wants = c.wants[1:]
		} else {
			err = c.step(c.stories[c.rng.IntN(len(c.stories))])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// step makes one call, or two, about a story.
func (c *linearClient) step(id string) error {
	unique := fmt.Sprintf("%s-%d", c.name, c.n)
	switch c.rng.IntN(10) {
	case 0, 1, 2:
		return c.change(c.draw(id, unique))
	case 3, 4:
		return c.change(storyCall{Tool: "bump_retry", Story: id, By: 1 + c.rng.IntN(2)})
	case 5:
		block := storyCall{Tool: "set_blocked", Story: id, Blocked: ptr(c.rng.IntN(2) == 0)}
		if *block.Blocked && c.rng.IntN(2) == 0 {
			block.Reason = ptr("reason " + unique)
		}
		return c.change(block)
	case 6:
		return c.list(c.server, c.id, slices.Concat(c.stories, slices.Collect(maps.Keys(c.claims))))
	}
	a, err := c.call(c.server, c.id, storyCall{Tool: "read_item", Story: id})
	if err != nil || a.Unanswered || a.Refused != done || c.rng.IntN(2) == 0 {
		return err
	}
	onRev := []storyCall{ // what others may do meanwhile on the same rev
		{Tool: "write_item", Agent: ptr(unique), Stage: ptr("2_current")},
		{Tool: "bump_retry", By: 1},
		{Tool: "set_blocked", Blocked: ptr(true), Reason: ptr("reason " + unique)},
	}[c.rng.IntN(3)]
	onRev.Story, onRev.IfRev = id, a.Item.Rev
	return c.change(onRev)
}

// draw returns a write of some fields; the name says which write it was.
func (c *linearClient) draw(id, unique string) storyCall {
	stages := []string{"1_backlog", "2_current", "3_qa", "4_merge"}
	w := storyCall{Tool: "write_item", Story: id, Stage: ptr(stages[c.rng.IntN(len(stages))]), Name: ptr(unique)}
	if c.rng.IntN(3) == 0 {
		w.Agent = ptr([]string{"", unique}[c.rng.IntN(2)])
	}
	if c.rng.IntN(4) == 0 {
		w.RetryCount = ptr(c.rng.IntN(5))
	}
	if c.rng.IntN(4) == 0 {
		w.Blocked = ptr(c.rng.IntN(2) == 0)
	}
	if c.rng.IntN(4) == 0 {
		w.DependsOn = ptr([][]int{{}, {1_000_000 + c.n}, {1_000_000 + c.n, 2_000_000 + c.id}}[c.rng.IntN(3)])
	}
	return w
}

// change makes a call that may write.
func (c *linearClient) change(call storyCall) error {
	_, err := c.call(c.server, c.id, call)
	return err
}

// claim tries to win a story that everybody wants.
func (c *linearClient) claim(id string) error {
	wanted := c.claims[id]
	a, err := c.call(c.server, c.id, storyCall{Tool: "write_item", Story: id, Agent: ptr(c.name), Stage: ptr("2_current"), IfRev: wanted.rev})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case a.Unanswered:
		wanted.lost = append(wanted.lost, c.name)
	case a.Refused == movedOn:
		wanted.refused++
	default:
		wanted.winners = append(wanted.winners, c.name)
	}
	return nil
}
