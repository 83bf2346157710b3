package pipeline

import "github.com/huskies/huskies-mcp/crdt"

// claimedBy returns the story whose claim begins with the hex digits, nil if there is none.
func (s *State) claimedBy(digits string) *crdt.Story {
	if s.err != nil {
		return nil
	}
	c, err := s.src.ClaimedBy(digits)
	return keep(s, c, err)
}

// Release gives the story back: it has no agent any more, and from 2_current it
// returns to 1_backlog. It returns the names of the fields that change.
func (tx *Tx) Release(id string) (changed []string, err error) {
	cur, err := tx.open(id)
	if err != nil {
		return nil, err
	}
	if err := tx.expectClaim(&cur); err != nil {
		if to, ok := tx.endedByHolder(id); ok && (to == "" || to == Backlog) {
			tx.repeated = true
			return nil, nil
		}
		return nil, err
	}
	if err := tx.mayChange(&cur); err != nil {
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

// endedByHolder reports whether the claim that the caller gives was ended by its own agent, and to
// which stage that brought the story.
func (tx *Tx) endedByHolder(id string) (to Stage, ok bool) {
	digits, ok := parseClaim(tx.caller.Claim)
	if !ok {
		return "", false
	}
	return tx.state.endOf(id, digits).byHolder()
}

// Advance moves the story to the stage to, or to the next one if to is nil. It ends the
// claim, so that the agent that does that stage's work can claim the story. A blocked story
// stays where it is. Without a claim of the caller the stage is needed: else a repeated call
// would move the story twice.
func (tx *Tx) Advance(id string, to *Stage) (changed []string, err error) {
	cur, err := tx.open(id)
	if err != nil {
		return nil, err
	}
	if err := tx.expectClaim(&cur); err != nil {
		if tx.repeatsAdvance(&cur, to) {
			tx.repeated = true
			return nil, nil
		}
		return nil, err
	}
	if err := tx.mayChange(&cur); err != nil {
		return nil, err
	}
	if to == nil && (cur.Claim == nil || tx.accessTo(&cur) == accessFree) {
		return nil, refuse(Fact{Code: CodeNoClaim, Story: cur.ID, Stage: cur.Stage})
	}
	want, err := cur.Stage.next(to)
	if err != nil {
		return nil, err
	}
	switch {
	case cur.Blocked:
		return nil, refuse(Fact{Code: CodeStaysBlocked, Story: id, Stage: cur.Stage, Text: cur.BlockedReason})
	case want == cur.Stage && cur.Agent == "":
		return nil, nil // a repeated call
	case want == cur.Stage:
		return nil, refuse(Fact{Code: CodeInStage, Story: id, Stage: want})
	}
	tx.set(&changed, NameStage, crdt.String(string(want)))
	if cur.Stage == Backlog && len(cur.WaitingOn) > 0 {
		tx.warn(Fact{Code: CodeMovedWaiting, Numbers: cur.WaitingOn})
	}
	if cur.Agent != "" {
		tx.endClaim(cur)
		tx.set(&changed, NameAgent, crdt.String(""))
	}
	return changed, nil
}

// repeatsAdvance reports whether the caller's claim was ended by the same call before, and the
// story still is where that call brought it.
func (tx *Tx) repeatsAdvance(cur *Story, to *Stage) bool {
	at, ok := tx.endedByHolder(cur.ID)
	if !ok || at == "" || at != cur.Stage {
		return false
	}
	if to == nil {
		return at != Backlog // which is where Release brings it
	}
	return at == *to
}

// next returns the stage to, or the one after s if to is nil.
func (s Stage) next(to *Stage) (Stage, error) {
	if to != nil {
		if _, ok := ParseStage(string(*to)); !ok {
			return "", refuse(Fact{Code: CodeBadStage, Given: string(*to)})
		}
		return *to, nil
	}
	rank := s.rank()
	if rank >= len(stages)-1 {
		return "", refuse(Fact{Code: CodeLastStage, Stage: s})
	}
	return stages[rank+1], nil
}
