package pipeline

import (
	"fmt"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// ExpectClaim makes sure that the story's claim is the one that the token names, as an
// answer showed it. Otherwise it returns an error of [CodeStale], so that an agent that
// slept through its lease does not overwrite its successor. With the right token the
// transaction writes in the name of the claim's agent.
func (tx *Tx) ExpectClaim(id, token string) error {
	if len(token) < 12 {
		return invalid("give the claim as claim_item answered it, or leave it out", "claim is %.64q, want at least 12 hex digits", token)
	}
	cur, err := tx.state.Story(id)
	if err != nil {
		return err
	}
	if cur.Claim != nil && strings.HasPrefix(cur.Claim.Token.String(), strings.ToLower(token)) {
		if CheckAgent(cur.Agent) == nil { // another replica's may be longer
			tx.WriteAs(cur.Agent)
		}
		return nil
	}
	e := &Error{Code: CodeStale, Current: &cur, Next: "stop working on it; read_item shows what happened, claim_item finds other work"}
	now := tx.state.hold(cur.Agent, cur.Claim)
	if cur.Agent == "" {
		now = "the story is in " + string(cur.Stage) + " and nobody has it"
	}
	if other := tx.state.claimedBy(token); other != nil {
		e.Message = fmt.Sprintf("claim %.64s is of story %q, not of %q; nothing was written", token, other.ID(), id)
		e.Next = fmt.Sprintf("give the claim that claim_item answered for this story, of which this is so: %s", now)
		return e
	}
	if tx.state.err != nil {
		return tx.state.err
	}
	e.Message = fmt.Sprintf("claim %.64s of story %q has ended, if it ever was one: now %s; nothing was written", token, id, now)
	return e
}

// claimedBy returns the story whose claim the token names, nil if there is none.
func (s *State) claimedBy(token string) *crdt.Story {
	token = strings.ToLower(token)
	if s.err != nil || len(token) > 2*len(crdt.OpID{}) || strings.Trim(token, "0123456789abcdef") != "" {
		return nil
	}
	c, err := s.src.ClaimedBy(token)
	return keep(s, c, err)
}

// mayMove refuses to move a story that another agent has. A caller that knows the claim
// (fenced) has the story, whatever name the caller gives.
func (tx *Tx) mayMove(cur Story, agent string, fenced bool) error {
	if fenced || cur.Agent == "" || cur.Agent == agent || cur.Claim != nil && !cur.Claim.Live(tx.state.now()) {
		return nil
	}
	next := fmt.Sprintf("if you are %q, give that as agent, or give claim; otherwise leave the story to that agent, or release_item in its name", cur.Agent)
	return tx.notYours(cur, next)
}

// mayReassign refuses to take a story from an agent whose lease lasts, unless the
// caller is that agent or knows what it does.
func (tx *Tx) mayReassign(cur Story, by string, informed bool) error {
	if informed || cur.Agent == by || !cur.Claim.Live(tx.state.now()) {
		return nil
	}
	return tx.notYours(cur, "leave agent out to write all else; give claim if you are that agent, or if_rev if the story must change hands")
}

func (tx *Tx) notYours(cur Story, next string) error {
	return &Error{Code: CodeHeld, Message: fmt.Sprintf("story %q is not yours: %s; nothing was written", cur.ID, tx.state.hold(cur.Agent, cur.Claim)), Next: next}
}

// Release gives the story back: it has no agent any more, and from 2_current it
// returns to 1_backlog. Fenced says that [Tx.ExpectClaim] found the claim to be
// the caller's. It returns the names of the fields that change.
func (tx *Tx) Release(id, agent string, fenced bool) (changed []string, err error) {
	cur, err := tx.begin(id)
	if err != nil {
		return nil, err
	}
	if err := tx.mayMove(cur, agent, fenced); err != nil {
		return nil, err
	}
	if cur.Agent == "" {
		return nil, nil // nobody has it; a repeated call
	}
	tx.endClaim(cur)
	tx.set(&changed, NameAgent, crdt.String(""))
	if cur.Stage == Current {
		tx.set(&changed, NameStage, crdt.String(string(Backlog)))
	}
	return changed, nil
}

// Advance moves the story to the stage to, or to the next one if to is nil, and
// ends the claim, so that the agent that does that stage's work can claim the story. A
// blocked story stays where it is. Fenced is as for [Tx.Release].
func (tx *Tx) Advance(id string, to *Stage, agent string, fenced bool) (changed []string, err error) {
	cur, err := tx.begin(id)
	if err != nil {
		return nil, err
	}
	want, err := cur.Stage.next(to)
	if err != nil {
		return nil, err
	}
	if err := tx.mayMove(cur, agent, fenced); err != nil {
		return nil, err
	}
	switch {
	case cur.Blocked:
		why := "no reason is given"
		if cur.BlockedReason != "" {
			why = cur.BlockedReason
		}
		return nil, notNow("unblock it with set_blocked when that is settled", "story %q is blocked and stays in %s: %s", id, cur.Stage, why)
	case want == cur.Stage && cur.Agent == "":
		return nil, nil // a repeated call
	case want == cur.Stage:
		return nil, invalid("leave to out for the next stage, or give the story back with release_item", "story %q is in %s already", id, want)
	}
	tx.set(&changed, NameStage, crdt.String(string(want)))
	if cur.Stage == Backlog && len(cur.WaitingOn) > 0 {
		tx.warnings = append(tx.warnings, "it was moved on although it waits on "+numberList(cur.WaitingOn))
	}
	if cur.Agent != "" {
		tx.endClaim(cur)
		tx.set(&changed, NameAgent, crdt.String(""))
	}
	return changed, nil
}

// next returns the stage to, or the one after s if to is nil.
func (s Stage) next(to *Stage) (Stage, error) {
	if to != nil {
		if _, ok := ParseStage(string(*to)); !ok {
			return "", InvalidStage(string(*to))
		}
		return *to, nil
	}
	rank := s.rank()
	if rank >= len(stages)-1 {
		return "", invalid("give to, the stage it should go to", "there is no stage after %s", s)
	}
	return stages[rank+1], nil
}
