package pipeline

import (
	"iter"

	"github.com/huskies/huskies-mcp/crdt"
)

// This file has the limits of stages: how many live claims there may be in one. A claim is made, and
// carried into another stage, only where the limit leaves room. Replicas that claim apart can pass a
// limit together: then nobody here claims in the stage until enough of these claims have ended.

// maxHoldingLooked bounds the stories of a stage among which a limit looks for live claims. Claims whose
// leases have ended are among them, as long as nobody else claims the stories.
const maxHoldingLooked = 10_000

// Crowd are the live claims in a stage whose limit leaves no room for another.
type Crowd struct {
	Stage Stage
	// Limit is how many there may be, and Count how many there are.
	Limit, Count int
	// Stories are the first of the stories.
	Stories []KeptStory
}

// crowdIn returns the live claims in the stage, nil if the stage has no limit or the limit leaves room.
func (s *State) crowdIn(stage Stage) *Crowd {
	limit := s.Settings().limits[stage]
	if limit == 0 || s.err != nil {
		return nil
	}
	if known, ok := s.crowds[stage]; ok {
		return known
	}
	c := &Crowd{Stage: stage, Limit: limit}
	for story, claim := range s.liveClaims(stage) {
		if c.Count++; len(c.Stories) < MaxNamed {
			c.Stories = append(c.Stories, KeptStory{ID: story.ID(), Hold: s.hold(claim.Agent, claim)})
		}
	}
	if c.Count < limit {
		c = nil
	}
	if s.crowds == nil {
		s.crowds = make(map[Stage]*Crowd)
	}
	s.crowds[stage] = c
	return c
}

// liveClaims returns the stories in the stage that are held, with their claims.
func (s *State) liveClaims(stage Stage) iter.Seq2[*crdt.Story, *Claim] {
	return func(yield func(*crdt.Story, *Claim) bool) {
		if s.err != nil {
			return
		}
		stories, err := s.src.Holding(stage, maxHoldingLooked)
		for _, story := range keep(s, stories, err) {
			if claim := s.claim(story); claim.Live(s.now()) && !yield(story, claim) {
				return
			}
		}
	}
}

// Room returns how many live claims there may be in the stage, 0 without a limit, and how many there are
// if it has one.
func (s *State) Room(stage Stage) (limit, claims int) {
	if limit = s.Settings().limits[stage]; limit > 0 {
		for range s.liveClaims(stage) {
			claims++
		}
	}
	return limit, claims
}

// LiveClaims returns the claims that last in the stages of open work, by story.
func (s *State) LiveClaims() iter.Seq2[string, *Claim] {
	return func(yield func(string, *Claim) bool) {
		for _, stage := range []Stage{Backlog, Current, QA, Merge} {
			for story, claim := range s.liveClaims(stage) {
				if !yield(story.ID(), claim) {
					return
				}
			}
		}
	}
}

// claimedInto returns the stage in which a story stands once it is claimed.
func claimedInto(stage Stage) Stage {
	if stage == Backlog {
		return Current
	}
	return stage
}

// crowdFor returns the live claims that leave no room for a new claim on a story of the stage, nil if
// there is room.
func (s *State) crowdFor(stage Stage) *Crowd { return s.crowdIn(claimedInto(stage)) }

// withRoom returns the stages in which a new claim finds room.
func (s *State) withRoom(stages []Stage) (roomy []Stage) {
	for _, stage := range stages {
		if s.crowdFor(stage) == nil {
			roomy = append(roomy, stage)
		}
	}
	return roomy
}

// mayCarry refuses to carry a live claim into a stage that has no room for it. A change that ends the
// claim carries none.
func (tx *Tx) mayCarry(cur *Story, c *Changes) error {
	if c.Stage == nil || *c.Stage == cur.Stage || tx.overrides || c.Agent != nil && *c.Agent != cur.Agent || !cur.Claim.Live(tx.state.now()) {
		return tx.state.err
	}
	if crowd := tx.state.crowdIn(*c.Stage); crowd != nil {
		return refuse(Fact{Code: CodeCarried, Story: cur.ID, Crowd: crowd})
	}
	return tx.state.err
}

// warnRestored warns of a restored story whose claim lasts and passes the limit of its stage.
func (tx *Tx) warnRestored(c *crdt.Story) {
	if claim := tx.state.claim(c); !claim.Live(tx.state.now()) {
		return
	}
	if crowd := tx.state.crowdIn(Stage(c.Str(fieldStage))); crowd != nil {
		tx.warn(Fact{Code: CodeBackBeyond, Agent: c.Str(fieldAgent), Crowd: crowd})
	}
}
