package main

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// right is a story as those see it who want to have it: a lock with a fence, which rises.
type right struct {
	fence crdt.Fence // of the last who had it
	held  bool
}

// move is the input of one operation.
type move struct {
	story string
	kind  moveKind
	fence crdt.Fence
}

type moveKind string

const (
	moveClaim moveKind = "claim"   // it was won
	moveRenew moveKind = "renew"   // it was renewed while the machine was connected
	moveEnd   moveKind = "end"     // it was given back
	moveMay   moveKind = "may end" // it ended, or not
)

// step returns the states that a move can leave, none if it cannot have been made.
func (r right) step(m move) []any {
	mine := r.fence == m.fence
	switch {
	case m.kind == moveClaim && (r.held || m.fence.Compare(r.fence) <= 0), m.kind == moveRenew && !mine:
		return nil
	case m.kind == moveClaim, m.kind == moveRenew:
		return []any{right{m.fence, true}}
	case m.kind == moveEnd && mine:
		return []any{right{m.fence, false}}
	case m.kind == moveMay && mine && r.held:
		return []any{r, right{m.fence, false}}
	}
	return []any{r}
}

var rightSeed = maphash.MakeSeed()

// rightModel says how the right to stories behaves, each by itself.
func rightModel() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
			byStory := map[string]int{}
			for _, op := range history {
				story := op.Input.(move).story
				if _, known := byStory[story]; !known {
					byStory[story] = len(parts)
					parts = append(parts, nil)
				}
				parts[byStory[story]] = append(parts[byStory[story]], op)
			}
			return parts
		},
		Init:              func() []any { return []any{right{}} },
		Step:              func(state, input, _ any) []any { return state.(right).step(input.(move)) },
		Hash:              func(state any) uint64 { return maphash.Comparable(rightSeed, state.(right)) },
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%v %v", input, output) },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
	return m.ToModel()
}

// isClaim reports whether an op is a claim.
func isClaim(op *crdt.Op) bool {
	return slices.ContainsFunc(op.Edits, func(e crdt.Edit) bool { return e.Field == pipeline.NameClaim && e.Value != crdt.String("") })
}

// historian makes a history of what agents saw.
type historian struct {
	*journal
	began   time.Time
	history []porcupine.Operation
	claims  map[string]*crdt.Op // by agent
}

// never is the end of what may happen at any later time.
var never = time.Time{}

// add adds an operation. The zero end is that of one whose effect may come at any time after.
func (h *historian) add(a *attempt, kind moveKind, fence crdt.Fence, call, end time.Time) {
	returned := int64(math.MaxInt64)
	if !end.IsZero() {
		returned = end.Sub(h.began).Nanoseconds()
	}
	h.history = append(h.history, porcupine.Operation{
		ClientId: len(h.history), Input: move{a.story, kind, fence}, Output: a.agent, Call: call.Sub(h.began).Nanoseconds(), Return: returned,
	})
}

// historyOf returns the moves of all agents. An attempt that was not answered won if its op is anywhere.
func (j *journal) historyOf(began time.Time) []porcupine.Operation {
	h := &historian{journal: j, began: began, claims: map[string]*crdt.Op{}}
	for _, op := range j.ops {
		if isClaim(op) {
			h.claims[op.Agent] = op
		}
	}
	for _, a := range j.attempts {
		if op := h.claims[a.agent]; op != nil {
			h.addAttempt(a, op.Fence)
		}
	}
	return h.history
}

func (h *historian) addAttempt(a *attempt, fence crdt.Fence) {
	h.add(a, moveClaim, fence, a.call, a.end)
	for _, r := range a.renewals {
		if !a.by.wasAway(r.call, r.end) {
			h.add(a, moveRenew, fence, r.call, r.end)
		}
	}
	if r := a.released; r != nil && !r.end.IsZero() {
		h.add(a, moveEnd, fence, r.call, r.end)
	} else if r != nil {
		h.add(a, moveMay, fence, r.call, never)
	}
	if at, may := h.mayEnd(a); may {
		h.add(a, moveMay, fence, at, never)
	}
}

// mayEnd returns when the right of an agent may end at the earliest though nobody gave it back: when its lease ended,
// its machine was put back to what it was before, or when the machine was away for long, or while the hub had forgotten it.
func (h *historian) mayEnd(a *attempt) (at time.Time, may bool) {
	var ends []time.Time
	last := a.call
	if n := len(a.renewals); n > 0 {
		last = a.renewals[n-1].call
	}
	if a.seconds > 0 {
		ends = append(ends, last.Add(time.Duration(a.seconds)*time.Second))
	} else if !a.server.killed.IsZero() {
		ends = append(ends, a.server.killed)
	}
	for _, at := range a.by.restored {
		if at.After(a.call) {
			ends = append(ends, at)
		}
	}
	for _, s := range a.by.away {
		if s.to.IsZero() || s.to.Add(comesBackWithin).After(a.call) {
			ends = append(ends, latest(s.from, a.call.Add(chaosLease)))
		}
	}
	for _, r := range h.resets {
		if r.to.After(a.call) && a.by.wasAway(r.from, r.to) {
			ends = append(ends, latest(r.from, a.call))
		}
	}
	if len(ends) == 0 {
		return at, false
	}
	return slices.MinFunc(ends, time.Time.Compare), true
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// checkClaims has the checker look for an order of the claims that keeps the rules.
func (j *journal) checkClaims(t *testing.T, began time.Time) {
	t.Helper()
	history := j.historyOf(began)
	won := slices.DeleteFunc(slices.Clone(history), func(op porcupine.Operation) bool { return op.Input.(move).kind != moveClaim })
	result, info := porcupine.CheckOperationsVerbose(rightModel(), history, hangGuard)
	t.Logf("%d claims, %d moves: %s", len(won), len(history), result)
	if result == porcupine.Ok {
		return
	}
	t.Errorf("claims were not exclusive: %s", result)
	page, err := os.CreateTemp("", "huskies-claims-*.html") // stays
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	if err := porcupine.Visualize(rightModel(), info, page); err != nil {
		t.Error(err)
	}
	t.Logf("to look at: %s", page.Name())
	slices.SortFunc(history, func(a, b porcupine.Operation) int {
		return cmp.Or(strings.Compare(a.Input.(move).story, b.Input.(move).story), cmp.Compare(a.Call, b.Call))
	})
	for _, op := range history {
		t.Logf("%8.3f to %8.3f %v %v", float64(op.Call)/1e9, float64(op.Return)/1e9, op.Input, op.Output)
	}
}

// TestRightModel: the checker finds what the rules forbid, and nothing else.
func TestRightModel(t *testing.T) {
	op := func(call, end int64, kind moveKind, revision uint64) porcupine.Operation {
		return porcupine.Operation{
			ClientId: int(call), Call: call, Return: end, Output: "", Input: move{"1_story", kind, crdt.Fence{Epoch: 1, Revision: revision}},
		}
	}
	const ever = math.MaxInt64
	for _, test := range []struct {
		name    string
		history []porcupine.Operation
		want    porcupine.CheckResult
	}{
		{"one after the other", []porcupine.Operation{op(1, 2, moveClaim, 1), op(3, 4, moveEnd, 1), op(5, 6, moveClaim, 2)}, porcupine.Ok},
		{"while it is given back", []porcupine.Operation{op(1, 2, moveClaim, 1), op(3, 9, moveEnd, 1), op(5, 6, moveClaim, 2)}, porcupine.Ok},
		{"won twice", []porcupine.Operation{op(1, 2, moveClaim, 1), op(5, 6, moveClaim, 2)}, porcupine.Illegal},
		{"won twice at a time", []porcupine.Operation{op(1, 6, moveClaim, 1), op(2, 7, moveClaim, 2), op(8, 9, moveEnd, 1)}, porcupine.Illegal},
		{"after its end", []porcupine.Operation{op(1, 2, moveClaim, 1), op(3, ever, moveMay, 1), op(5, 6, moveClaim, 2)}, porcupine.Ok},
		{"before its end", []porcupine.Operation{op(1, 2, moveClaim, 1), op(7, ever, moveMay, 1), op(5, 6, moveClaim, 2)}, porcupine.Illegal},
		{"the fence does not rise", []porcupine.Operation{op(1, 2, moveClaim, 2), op(3, 4, moveEnd, 2), op(5, 6, moveClaim, 1)}, porcupine.Illegal},
		{"the fence is the same", []porcupine.Operation{op(1, 2, moveClaim, 2), op(3, 4, moveEnd, 2), op(5, 6, moveClaim, 2)}, porcupine.Illegal},
		{"renewed", []porcupine.Operation{op(1, 2, moveClaim, 1), op(3, 4, moveRenew, 1), op(5, ever, moveMay, 1), op(6, 7, moveClaim, 2)}, porcupine.Ok},
		{"renewed after another had it", []porcupine.Operation{op(1, 2, moveClaim, 1), op(3, ever, moveMay, 1), op(4, 5, moveClaim, 2), op(6, 7, moveRenew, 1)}, porcupine.Illegal},
		{"given back by who had it before", []porcupine.Operation{
			op(1, 2, moveClaim, 1), op(3, ever, moveMay, 1), op(4, 5, moveClaim, 2), op(6, 7, moveEnd, 1), op(8, 9, moveClaim, 3),
		}, porcupine.Illegal},
	} {
		if got := porcupine.CheckOperationsTimeout(rightModel(), test.history, hangGuard); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
