package members

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// print returns all that the members are, in a fixed order.
func print(m *Members, leaveOut ...crdt.Author) string {
	var b strings.Builder
	for _, s := range m.All() {
		if !slices.Contains(leaveOut, s.Author) {
			fmt.Fprintf(&b, "%s %q member %t admin %t rank %d added %s removed %s cuts %v\n",
				s.Author.Short(), s.Name, s.Member, s.Admin, s.Rank, s.Added.Short(), s.Removed.Short(), s.Cuts)
		}
	}
	return b.String()
}

const lawAuthors = 6

// draw draws a history of authors who are honest or not: parents are any ops.
func draw(t *rapid.T, tb testing.TB) *history {
	h := &history{t: tb}
	h.next(0, admin(1), admin(2), add(3))
	for range rapid.IntRange(1, 25).Draw(t, "ops") {
		drawOp(t, h, rapid.IntRange(0, lawAuthors-1).Draw(t, "by"))
	}
	return h
}

// drawOp appends an op of an author.
func drawOp(t *rapid.T, h *history, by int) {
	any := func() crdt.OpID { return h.ops[rapid.IntRange(0, len(h.ops)-1).Draw(t, "op")].Stamp.Op }
	parents := h.heads()
	if rapid.Bool().Draw(t, "forks") {
		parents = nil
		for range rapid.IntRange(0, 3).Draw(t, "parents") {
			parents = append(parents, any())
		}
	}
	about := rapid.IntRange(1, lawAuthors-1).Draw(t, "about")
	switch rapid.IntRange(0, 3).Draw(t, "change") {
	case 0:
		h.say(by, parents, add(about))
	case 1:
		h.say(by, parents, admin(about))
	default:
		r := Change{Author: authorOf(about), Remove: true}
		for range rapid.IntRange(0, 2).Draw(t, "heads") {
			r.Heads = append(r.Heads, any())
		}
		crdt.SortOpIDs(r.Heads)
		r.Heads = slices.Compact(r.Heads)
		h.say(by, parents, r)
	}
}

// TestOrderOfArrivalIsOfNoMatter: any order of the ops, and ops that come twice, give the same members.
func TestOrderOfArrivalIsOfNoMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := draw(rt, t)
		want := print(h.decide())
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		ops := append(slices.Clone(h.ops), h.ops[rng.IntN(len(h.ops))])
		rng.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
		if got := print(Decide(authorOf(0), ops)); got != want {
			rt.Fatalf("another order gives\n%s, want\n%s", got, want)
		}
	})
}

// TestOnlySeniorsDecide: whatever somebody says, what its seniors are stays as it is. For somebody who is no
// admin, and never was, that is everybody else.
func TestOnlySeniorsDecide(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := draw(rt, t)
		before := h.decide()
		by := rapid.IntRange(1, lawAuthors-1).Draw(rt, "by")
		var juniors []crdt.Author
		for n := range lawAuthors {
			senior := before.Of(authorOf(by))
			is := before.Of(authorOf(n))
			if n == by || senior != nil && senior.Rank > 0 && (is == nil || is.Rank == 0 || senior.office.compare(&is.office) < 0) {
				juniors = append(juniors, authorOf(n))
			}
		}
		want := print(before, juniors...)
		for range rapid.IntRange(1, 5).Draw(rt, "more") {
			drawOp(rt, h, by)
		}
		after := h.decide()
		if got := print(after, juniors...); got != want {
			rt.Fatalf("what %s says gives\n%s, want\n%s", authorOf(by).Short(), got, want)
		}
	})
}

// TestRemovedMembersHaveNoSay: once root has removed somebody and named what counts, nothing that it says
// behind, with whatever parents, changes anything.
func TestRemovedMembersHaveNoSay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := draw(rt, t)
		gone := rapid.IntRange(1, lawAuthors-1).Draw(rt, "gone")
		r := Change{Author: authorOf(gone), Remove: true}
		for range rapid.IntRange(0, 2).Draw(rt, "heads") {
			r.Heads = append(r.Heads, h.ops[rapid.IntRange(0, len(h.ops)-1).Draw(rt, "head")].Stamp.Op)
		}
		h.next(0, r)
		want := print(h.decide())
		for range rapid.IntRange(1, 6).Draw(rt, "more") {
			drawOp(rt, h, gone)
		}
		if got := print(h.decide()); got != want {
			rt.Fatalf("what %s says after it was removed gives\n%s, want\n%s", authorOf(gone).Short(), got, want)
		}
	})
}

// TestWhatIsNotHeededChangesNothing: an op that the members do not heed leaves them as they are.
func TestWhatIsNotHeededChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := draw(rt, t)
		before := h.decide()
		drawOp(rt, h, rapid.IntRange(0, lawAuthors-1).Draw(rt, "by"))
		if op := &h.ops[len(h.ops)-1]; before.Heeds(op) {
			return
		}
		if want, got := print(before), print(h.decide()); got != want {
			rt.Fatalf("an op that is not heeded gives\n%s, want\n%s", got, want)
		}
	})
}
