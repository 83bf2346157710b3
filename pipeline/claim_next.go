package pipeline

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// ClaimNext claims the first story in pipeline order that the agent can claim: of
// the given stage, or, if that is nil, a ready one of 1_backlog, and if there is
// none, one of 2_current that nobody has (any more). A story that the agent has
// already is passed over while its lease lasts; then it is offered again, since the
// agent may not have heard that it won. If there is none the error says why
// ([CodeNotNow]).
func (tx *Tx) ClaimNext(stage *Stage, o ClaimOptions) (Claimed, error) {
	if err := o.check(); err != nil {
		return Claimed{}, err
	}
	id, err := tx.state.firstClaimable(stage, o.Agent)
	if err != nil {
		return Claimed{}, err
	}
	cur, err := tx.begin(id)
	if err != nil {
		return Claimed{}, err
	}
	return tx.take(cur, o)
}

// firstClaimable finds the story that ClaimNext takes.
func (s *State) firstClaimable(stage *Stage, agent string) (string, error) {
	from := []Stage{Backlog, Current}
	if stage != nil {
		if _, ok := ParseStage(string(*stage)); !ok {
			return "", InvalidStage(string(*stage))
		}
		from = []Stage{*stage}
	}
	why := refusals{state: s, counts: make(map[obstacle]int), named: make(map[obstacle][]string)}
	for _, stage := range from {
		for c := range s.claimable(stage) {
			o, claim := s.obstacle(c, agent)
			if o == isFree || s.err != nil {
				return c.ID(), s.err
			}
			why.add(c, o, claim)
		}
		why.addOthers(stage)
	}
	if s.err != nil {
		return "", s.err
	}
	return "", why.error(from)
}

// claimPage is how many stories a search for one to claim reads at once.
const claimPage = 32

// claimable yields the stories of the stage in their order that can be claimed if no
// agent has them: those that are not blocked and, in 1_backlog, wait for nothing.
func (s *State) claimable(stage Stage) func(yield func(*crdt.Story) bool) {
	return func(yield func(*crdt.Story) bool) {
		if stage == Archived {
			return // nothing is left to do there
		}
		f := Filter{Stages: []Stage{stage}, Blocked: new(bool)}
		if stage == Backlog {
			f.Waiting = new(bool)
		}
		var after *Position
		for more := true; more; {
			var stories []*crdt.Story
			stories, more, _ = s.page(f, after, claimPage)
			for _, c := range stories {
				if !yield(c) {
					return
				}
				after = &Position{Stage: stage, Place: c.Anchor()}
			}
		}
	}
}

// refusals counts why stories cannot be claimed, and describes some.
type refusals struct {
	state  *State
	counts map[obstacle]int
	named  map[obstacle][]string
}

// add counts a story and describes it if it is one of the first.
func (r *refusals) add(c *crdt.Story, o obstacle, claim *Claim) {
	r.counts[o]++
	r.name(c, o, claim)
}

// addOthers counts the stories of the stage that nobody could claim even if no agent had
// them.
func (r *refusals) addOthers(stage Stage) {
	yes, no := true, false
	only := []Stage{stage}
	switch stage {
	case Archived:
		r.addChosen(Filter{Stages: only}, isArchived)
		return
	case Backlog:
		r.addChosen(Filter{Stages: only, Blocked: &no, Waiting: &yes}, isWaiting)
	}
	r.addChosen(Filter{Stages: only, Blocked: &yes}, isBlocked)
}

// addChosen counts the stories that the filter chooses and describes the first ones.
func (r *refusals) addChosen(f Filter, o obstacle) {
	counts, _ := r.state.counts(f)
	for _, c := range counts {
		r.counts[o] += c.Count
	}
	if len(counts) == 0 {
		return
	}
	stories, _, _ := r.state.page(f, nil, maxNamed)
	for _, c := range stories {
		r.name(c, o, nil)
	}
}

// name describes a story, unless enough are described.
func (r *refusals) name(c *crdt.Story, o obstacle, claim *Claim) {
	if len(r.named[o]) == maxNamed {
		return
	}
	text := c.ID()
	switch {
	case o == isWaiting:
		text += " on " + numberList(r.state.waitingOn(c))
	case o == isHeld && claim != nil:
		text += fmt.Sprintf(" by %q, lease ends in %d s", claim.Agent, claim.Lease.Ends.Sub(r.state.now()).Round(time.Second)/time.Second)
	case o == isHeld:
		text += fmt.Sprintf(" by %q", c.Str(fieldAgent))
	}
	r.named[o] = append(r.named[o], text)
}

// error says that nothing in the stages can be claimed, and why.
func (r *refusals) error(stages []Stage) error {
	where := string(stages[0])
	if len(stages) > 1 {
		where += " or " + string(stages[1])
	}
	var why []string
	for _, kind := range []struct {
		obstacle
		name string
	}{
		{isBlocked, "blocked"},
		{isWaiting, "waiting"},
		{isHeld, "held"},
		{isMine, "yours already"},
		{isArchived, "archived"},
	} {
		if n := r.counts[kind.obstacle]; n > 0 {
			names := strings.Join(r.named[kind.obstacle], ", ")
			if n > maxNamed {
				names += ", ..."
			}
			why = append(why, fmt.Sprintf("%d %s (%s)", n, kind.name, names))
		}
	}
	if len(why) == 0 {
		return notNow("", "there is no story in %s", where)
	}
	return notNow("", "no story in %s can be claimed: %s", where, strings.Join(why, "; "))
}

// numberList writes up to maxNamed story numbers.
func numberList(numbers []uint32) string {
	names := make([]string, 0, maxNamed)
	for _, n := range numbers[:min(maxNamed, len(numbers))] {
		names = append(names, strconv.FormatUint(uint64(n), 10))
	}
	return someOf(names, len(numbers))
}
