package pipeline

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// Caller says who reads or changes the pipeline, and what the call shows of its right to do so.
type Caller struct {
	// Session is the session that the call came in. An empty Session holds no claim.
	Session string
	// Name is the name of the session.
	Name string
	// Agent is the name that the call itself gives, such as that of a sub-agent. If Agent is
	// empty, the call is the session's own.
	Agent string
	// Claim is the claim that the call gives. Claim is empty if the call gives none.
	Claim string
	// Rev is the rev that the story must still have. An empty Rev accepts every rev.
	Rev string
	// Reason is the note of the call. Together with Rev it overrides another caller's claim.
	Reason string
	// Made holds the claims that the session made and did not end itself, by story.
	Made map[string]MadeClaim
	// Released is the story that the session gave back last. Released may be empty.
	Released string
	// Elsewhere are stories that other machines have, as a hub says, and that a claim passes over.
	Elsewhere []string
	// Ended are stories that machines claimed which the hub keeps for them no more: their claims hold nobody up.
	Ended []string
	// Shared says that a hub decides which machine has a story, so a new claim needs Reserved.
	Shared bool
	// Reserved is what a hub keeps for this machine. Reserved may be none.
	Reserved Reservation
}

// Reservation is a story that a hub keeps for this machine: a claim that came from another one has ended
// there. The zero Reservation is none.
type Reservation struct {
	Story string
	// Fence is greater than that of any reservation of the story before. It is zero if the hub was not asked.
	Fence crdt.Fence
	// Until is when the claim must have been made: later the hub may give the story to another machine. The zero time
	// is no bound.
	Until time.Time
}

// ends reports whether the reservation says that the claim of another machine on the story has ended.
func (r *Reservation) ends(story string) bool { return r.Story == story && !r.Fence.IsZero() }

// Fence returns the greatest fence that is known for the story.
func (s *State) Fence(story string) (f crdt.Fence) {
	if c := s.known(story); c != nil {
		f = c.Fence()
	}
	return f
}

// covers reports whether a claim on the story may follow the reservation. If a claim was made on a later
// reservation of the same run of the hub, this one is over.
func (r *Reservation) covers(c *crdt.Story, now time.Time) bool {
	known := c.Fence()
	overtaken := known.Epoch == r.Fence.Epoch && known.Revision >= r.Fence.Revision && !r.Fence.IsZero()
	return r.Story == c.ID() && !overtaken && (r.Until.IsZero() || now.Before(r.Until))
}

// MadeClaim is a claim that a session made for an agent.
type MadeClaim struct {
	Token crdt.OpID
	Agent string
}

// MadeBy returns the claim that the caller made on a story: a sub-agent's claim is not that of
// another one.
func (c *Caller) MadeBy(story string) (token crdt.OpID, ok bool) {
	made, ok := c.Made[story]
	return made.Token, ok && (c.Agent == "" || c.Agent == made.Agent)
}

// Signature returns the name that the caller's ops are signed with.
func (c *Caller) Signature() string { return cmp.Or(c.Agent, c.Name) }

// claimPrefix marks a claim in answers, so that no rev is taken for one.
const claimPrefix = "c-"

// ClaimText returns a claim as answers show it: [ParseClaim] reads it.
func ClaimText(token crdt.OpID) string { return claimPrefix + token.Short() }

// parseClaim returns the hex digits of a claim, with or without the mark of answers. It reports
// false if the text cannot be a claim.
func parseClaim(text string) (digits string, ok bool) {
	digits = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(text)), claimPrefix)
	return digits, len(digits) >= 12 && len(digits) <= 2*len(crdt.OpID{}) && strings.Trim(digits, "0123456789abcdef") == ""
}

// By makes the transaction one of the caller.
func (tx *Tx) By(c Caller) {
	tx.caller = c
	tx.agent = c.Signature()
}

// As returns the pipeline as the caller sees it: what is ready depends on who asks.
func (s *State) As(c Caller) *State {
	s.caller = c
	return s
}

// holds reports whether the claim is the caller's. The holder of a claim is the session that made
// it, while that session lives, in calls that name no other agent. Afterwards every caller with
// the claim's name is its holder. A claim of another replica has no holder here.
func (s *State) holds(claim *Claim, by *Caller) bool {
	lease := &claim.Lease
	switch {
	case claim.Foreign:
		return false
	case lease.Session != "" && lease.Session == by.Session:
		return by.Agent == "" || by.Agent == claim.Agent
	case by.Signature() != claim.Agent:
		return false
	}
	return !claim.Live(s.now()) || lease.Session == "" || !s.leases.Alive(lease.Session)
}

// access is what a caller may do with a story.
type access uint8

const (
	// accessFree is that of a story that nobody holds.
	accessFree access = iota
	// accessHolder is that of the holder of the story's claim.
	accessHolder
	// accessOther is that of a story that somebody else holds.
	accessOther
)

// accessTo returns what the transaction's caller may do with the story. A caller that gives the
// claim is its holder, which expectClaim has checked.
func (tx *Tx) accessTo(cur *Story) access {
	switch {
	case cur.Claim == nil:
		return accessFree
	case tx.caller.Claim != "" || tx.state.holds(cur.Claim, &tx.caller):
		return accessHolder
	case !cur.Claim.Live(tx.state.now()):
		return accessFree
	}
	return accessOther
}

// mayChange refuses to change a story that somebody else holds. Only a caller that gives the
// story's rev and a note that says why overrides the claim.
func (tx *Tx) mayChange(cur *Story) error {
	if err := tx.stillMine(cur); err != nil {
		return err
	}
	if tx.accessTo(cur) != accessOther {
		return nil
	}
	if tx.caller.Rev != "" && strings.TrimSpace(tx.caller.Reason) != "" {
		tx.overrides = true
		return nil
	}
	return refuse(Fact{Code: CodeNotYours, Story: cur.ID, Agent: tx.agent, Hold: tx.state.hold(cur.Agent, cur.Claim)})
}

// mayAdd warns of a block of a story that somebody else holds. A block and a note are allowed.
func (tx *Tx) mayAdd(cur *Story, blocks bool) error {
	var ended *Error
	if err := tx.stillMine(cur); errors.As(err, &ended) && ended.Kind() == KindStale {
		tx.warn(ended.Fact)
	} else if err != nil {
		return err
	}
	if blocks && tx.accessTo(cur) == accessOther {
		tx.warn(Fact{Code: CodeBlockedAnyway, Hold: tx.state.hold(cur.Agent, cur.Claim)})
	}
	return tx.state.err
}

// endOverridden ends the claim that the caller overrides, when a change of the stage would leave
// the story with its agent.
func (tx *Tx) endOverridden(changed *[]string, cur *Story) {
	if tx.overrides {
		tx.endClaim(*cur)
		tx.set(changed, NameAgent, crdt.String(""))
	}
}
