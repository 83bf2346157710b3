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
		for c := range s.doc.Placed() {
			if Stage(c.Str(fieldStage)) != stage {
				continue
			}
			o, claim, err := s.obstacle(c, agent)
			if err != nil || o == isFree {
				return c.ID(), err
			}
			why.add(c, o, claim)
		}
	}
	return "", why.error(from)
}

// refusals counts why stories cannot be claimed, and describes some.
type refusals struct {
	state  *State
	counts map[obstacle]int
	named  map[obstacle][]string
}

func (r *refusals) add(c *crdt.Story, o obstacle, claim *Claim) {
	r.counts[o]++
	if len(r.named[o]) == maxNamed {
		return
	}
	text := c.ID()
	switch {
	case o == isWaiting:
		var on []string
		for _, n := range c.Dependencies() {
			if _, met := r.state.dependency(n); !met {
				on = append(on, strconv.FormatUint(uint64(n), 10))
			}
		}
		text += " on " + some(on)
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
	names := make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = strconv.FormatUint(uint64(n), 10)
	}
	return some(names)
}
