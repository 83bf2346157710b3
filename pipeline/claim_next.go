package pipeline

import (
	"cmp"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// ClaimNext claims the first story that the caller can claim: of the given stage, or, if that is
// nil, of all. What is assigned to the caller comes first, then what nobody has (any more) in
// 2_current, then 1_backlog, each in pipeline order. The story that the caller gave back last
// comes after all others. Stories that the caller holds are passed over. If there is none the
// error says why ([KindNotNow]).
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
			return "", refuse(Fact{Code: CodeBadStage, Given: string(*stage)})
		}
		mine, from = []Stage{*stage}, []Stage{*stage}
	}
	yes, me := true, by.Signature()
	last := "" // what the caller gave back, if it can be claimed
	why := refusals{state: s, counts: make(map[Obstacle]int), named: make(map[Obstacle][]KeptStory)}
	search := func(f Filter, refused func(*crdt.Story, Obstacle, *Claim)) string {
		for c := range s.each(f) {
			switch keeping, claim := s.keeping(c, by); {
			case keeping != IsFree:
				refused(c, keeping, claim)
			case slices.Contains(by.Elsewhere, c.ID()):
			case c.ID() == by.Released:
				last = c.ID()
			default:
				return c.ID()
			}
		}
		return ""
	}
	id := ""
	if mine = s.withRoom(mine); len(mine) > 0 && me != "" {
		id = search(Filter{Stages: mine, Agent: &me, Claimable: &yes}, func(*crdt.Story, Obstacle, *Claim) {})
	}
	for _, stage := range from {
		if crowd := s.crowdFor(stage); crowd != nil {
			why.addCrowded(stage, crowd)
		} else if id == "" {
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

// Kept says of how many stories the same keeps a caller from claiming them, and names some.
type Kept struct {
	Why     Obstacle
	Count   int
	Stories []KeptStory
}

// KeptStory is a story that a caller cannot claim.
type KeptStory struct {
	ID string
	// WaitingOn are the numbers that a story waits on, if that is what keeps it.
	WaitingOn []uint32
	// Hold is who has a story, if that is what keeps it.
	Hold *Hold
}

// refusals counts why stories cannot be claimed, and describes some.
type refusals struct {
	state  *State
	counts map[Obstacle]int
	named  map[Obstacle][]KeptStory
	crowd  *Crowd // what leaves no room in a stage; may be nil
}

// add counts a story and describes it if it is one of the first.
func (r *refusals) add(c *crdt.Story, o Obstacle, claim *Claim) {
	r.counts[o]++
	r.name(c, o, claim)
}

// addOthers counts the stories of the stage that nobody could claim even if no agent had
// them.
func (r *refusals) addOthers(stage Stage) {
	yes, no := true, false
	only := []Stage{stage}
	if stage.met() {
		r.addChosen(Filter{Stages: only}, IsFinished)
		return
	}
	r.addChosen(Filter{Stages: only, Blocked: &no, Waiting: &yes}, IsWaiting)
	r.addChosen(Filter{Stages: only, Blocked: &yes}, IsBlocked)
}

// addCrowded counts the stories of the stage that nobody has, and that could be claimed if the limit
// left room.
func (r *refusals) addCrowded(stage Stage, c *Crowd) {
	yes, nobody := true, ""
	r.addChosen(Filter{Stages: []Stage{stage}, Agent: &nobody, Claimable: &yes}, IsCrowded)
	r.crowd = c
}

// addChosen counts the stories that the filter chooses and describes the first ones.
func (r *refusals) addChosen(f Filter, o Obstacle) {
	counts, _ := r.state.counts(f)
	for _, c := range counts {
		r.counts[o] += c.Count
	}
	if len(counts) == 0 {
		return
	}
	stories, _, _ := r.state.page(f, nil, MaxNamed)
	for _, c := range stories {
		r.name(c, o, nil)
	}
}

// name describes a story, unless enough are described.
func (r *refusals) name(c *crdt.Story, o Obstacle, claim *Claim) {
	if len(r.named[o]) == MaxNamed {
		return
	}
	kept := KeptStory{ID: c.ID()}
	switch o {
	case IsWaiting:
		kept.WaitingOn = r.state.waitingOn(c)
	case IsHeld:
		kept.Hold = r.state.hold(c.Str(fieldAgent), claim)
	}
	r.named[o] = append(r.named[o], kept)
}

// error says that nothing in the stages can be claimed, and why.
func (r *refusals) error(stages []Stage) error {
	var kept []Kept
	for _, why := range []Obstacle{IsBlocked, IsWaiting, IsHeld, IsMine, IsFinished, IsCrowded} {
		if n := r.counts[why]; n > 0 {
			kept = append(kept, Kept{Why: why, Count: n, Stories: r.named[why]})
		}
	}
	return refuse(Fact{Code: CodeNoneFree, Stages: stages, Kept: kept, Crowd: r.crowd})
}
