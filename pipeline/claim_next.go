package pipeline

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// ClaimNext claims the first story that the caller can claim: of the given stage, or, if that is
// nil, of all. What is assigned to the caller comes first, then what nobody has (any more) in
// 2_current, then 1_backlog, each in pipeline order. The story that the caller gave back last
// comes after all others. Stories that the caller holds are passed over. If there is none the
// error says why ([CodeNotNow]).
func (tx *Tx) ClaimNext(stage *Stage, o ClaimOptions) (Claimed, error) {
	if err := o.check(); err != nil {
		return Claimed{}, err
	}
	tx.claimAs(&o)
	id, err := tx.state.firstClaimable(stage, &tx.caller)
	if err != nil {
		return Claimed{}, err
	}
	cur, err := tx.begin(id)
	if err != nil {
		return Claimed{}, err
	}
	return tx.take(cur, o)
}

// assignedStages are the stages in which a story that is assigned to an agent is looked for.
var assignedStages = []Stage{Current, QA, Merge, Backlog}

// firstClaimable finds the story that ClaimNext takes.
func (s *State) firstClaimable(stage *Stage, by *Caller) (string, error) {
	mine, from := assignedStages, []Stage{Current, Backlog}
	if stage != nil {
		if _, ok := ParseStage(string(*stage)); !ok {
			return "", InvalidStage(string(*stage))
		}
		mine, from = []Stage{*stage}, []Stage{*stage}
	}
	yes, me := true, by.Signature()
	last := "" // what the caller gave back, if it can be claimed
	why := refusals{state: s, counts: make(map[obstacle]int), named: make(map[obstacle][]string)}
	search := func(f Filter, refused func(*crdt.Story, obstacle, *Claim)) string {
		for c := range s.each(f) {
			switch keeping, claim := s.keeping(c, by); {
			case keeping != isFree:
				refused(c, keeping, claim)
			case c.ID() == by.Released:
				last = c.ID()
			default:
				return c.ID()
			}
		}
		return ""
	}
	id := search(Filter{Stages: mine, Agent: &me, Claimable: &yes}, func(*crdt.Story, obstacle, *Claim) {})
	for _, stage := range from {
		if id == "" {
			id = search(Filter{Stages: []Stage{stage}, Claimable: &yes}, why.add)
		}
		if id == "" {
			why.addOthers(stage)
		}
	}
	id = cmp.Or(id, last)
	if s.err != nil {
		return "", s.err
	}
	if id == "" {
		return "", why.error(from)
	}
	return id, nil
}

// claimPage is how many stories a search for one to claim reads at once.
const claimPage = 32

// each yields the stories that the filter chooses, in its order.
func (s *State) each(f Filter) func(yield func(*crdt.Story) bool) {
	return func(yield func(*crdt.Story) bool) {
		var after *Position
		for more := true; more; {
			var stories []*crdt.Story
			stories, more, _ = s.page(f, after, claimPage)
			for _, c := range stories {
				if !yield(c) {
					return
				}
				after = &Position{Stage: VisibleStage(c), Place: c.Anchor()}
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
	if stage.met() {
		r.addChosen(Filter{Stages: only}, isFinished)
		return
	}
	r.addChosen(Filter{Stages: only, Blocked: &no, Waiting: &yes}, isWaiting)
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
		{isFinished, "finished"},
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
