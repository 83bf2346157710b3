package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// ClaimOptions says who claims, and for how long.
type ClaimOptions struct {
	Agent string
	// Seconds is how long the lease lasts; 0: as long as Session lives, and Grace.
	Seconds int64
	Session string
	Grace   time.Duration
}

// Claimed says how a claim was won.
type Claimed struct {
	StoryID string
	// Renewed: the agent had the claim already.
	Renewed bool
	// TakenFrom is the agent whose lease had ended; may be empty.
	TakenFrom string
	// Beside are other stories that the agent holds by claims of this session,
	// Elsewhere those by claims of others, which may have its name by mistake: of a new
	// claim, in the order of IDs.
	Beside, Elsewhere []string
	// OtherSession: another session made the claim that was renewed, and its lease
	// had not ended: either the agent has come back, or two agents use one name.
	OtherSession bool
}

// Warning says in plain words what the agent may not know of the claims under its name;
// "" if there is nothing.
func (c *Claimed) Warning(agent string) string {
	switch {
	case c.OtherSession:
		return fmt.Sprintf("another session claimed it as %q and may still work on it: if that was not you before a restart, take a name of your own and another story", agent)
	case len(c.Elsewhere) > 0:
		return fmt.Sprintf("another session holds %s as %q: if that was you before a restart, claim_item with that story_id; otherwise leave it alone, and take a name of your own", some(c.Elsewhere), agent)
	case len(c.Beside) > 0:
		return fmt.Sprintf("you hold %s too: release_item gives back what you do not work on", some(c.Beside))
	}
	return ""
}

// check refuses options out of their bounds.
func (o *ClaimOptions) check() error {
	if err := checkAgent(o.Agent); err != nil {
		return err
	}
	if o.Seconds < 0 || o.Seconds > int64(MaxLease/time.Second) {
		return invalid("leave lease_seconds out for a lease that lasts while the session lives", "lease_seconds is %d, want 1 to %d", o.Seconds, int64(MaxLease/time.Second))
	}
	return nil
}

// checkAgent refuses an agent without a name.
func checkAgent(agent string) error {
	if strings.TrimSpace(agent) == "" {
		return invalid("give agent: a name that you keep and nobody else uses, e.g. coder-1", "no agent is given, and the server was started without one")
	}
	return checkText(NameAgent, agent, crdt.MaxAgent)
}

func (o *ClaimOptions) lease(now time.Time) *Lease {
	if o.Seconds > 0 {
		return &Lease{Ends: now.Add(time.Duration(o.Seconds) * time.Second), Seconds: o.Seconds}
	}
	return &Lease{Ends: now.Add(o.Grace), Session: o.Session}
}

// Claim takes the story for the agent, who keeps it until the lease ends. From
// 1_backlog the story moves to 2_current; elsewhere its stage stays. A claim that
// the agent has already is renewed; one of another agent whose lease has ended is
// taken over. Otherwise the error says who has the story ([CodeHeld]) or why
// nobody can take it ([CodeNotNow]).
func (tx *Tx) Claim(id string, o ClaimOptions) (Claimed, error) {
	if err := o.check(); err != nil {
		return Claimed{}, err
	}
	cur, err := tx.begin(id)
	if err != nil {
		return Claimed{}, err
	}
	if err := tx.state.unclaimable(cur, o.Agent); err != nil {
		return Claimed{}, err
	}
	return tx.take(cur, o)
}

// take records a claim that may be made.
func (tx *Tx) take(cur Story, o ClaimOptions) (won Claimed, err error) {
	won.StoryID = cur.ID
	lease := o.lease(tx.state.now())
	if cur.Claim != nil && cur.Agent == o.Agent {
		won.Renewed = true
		won.OtherSession = cur.Claim.Lease.Session != "" && cur.Claim.Lease.Session != o.Session && cur.Claim.Live(tx.state.now())
		tx.leases = append(tx.leases, LeaseChange{Claim: cur.Claim.Token, Lease: lease})
	} else {
		tx.state.lookBeside(&won, o)
		tx.endClaim(cur)
		if cur.Claim != nil {
			won.TakenFrom = cur.Agent
		}
		tx.edits = append(tx.edits,
			crdt.Set(NameAgent, crdt.String(o.Agent)),
			crdt.Set(NameClaim, crdt.String(interval(tx.state.now(), o.Seconds))))
		tx.leases = append(tx.leases, LeaseChange{Lease: lease})
	}
	if cur.Stage == Backlog && !cur.Blocked && len(cur.WaitingOn) == 0 { // one that is renewed may have to wait
		tx.set(nil, NameStage, crdt.String(string(Current)))
	}
	return won, tx.state.err
}

// endClaim forgets the lease of the story's claim, which ends with this change.
func (tx *Tx) endClaim(cur Story) {
	if cur.Claim != nil {
		tx.leases = append(tx.leases, LeaseChange{Claim: cur.Claim.Token})
	}
}

// obstacle is what keeps an agent from claiming a story.
type obstacle uint8

const (
	isFree     obstacle = iota
	isMine              // the agent has the claim, and its lease lasts
	isHeld              // another agent has the story
	isBlocked           // somebody blocked it
	isWaiting           // a dependency is not met
	isArchived          // nothing is left to do
)

// obstacle returns what keeps the agent from claiming the story, and the claim on
// it.
func (s *State) obstacle(c *crdt.Story, agent string) (obstacle, *Claim) {
	var claim *Claim
	owner := c.Str(fieldAgent)
	if owner != "" {
		claim = s.claim(c)
		if owner == agent && claim != nil && claim.Live(s.now()) {
			return isMine, claim
		}
	}
	stage := Stage(c.Str(fieldStage))
	switch {
	case stage == Archived:
		return isArchived, claim
	case owner != "" && owner != agent && (claim == nil || claim.Live(s.now())):
		return isHeld, claim
	case c.Bool(fieldBlocked):
		return isBlocked, claim
	case stage == Backlog && len(s.waitingOn(c)) > 0:
		return isWaiting, claim
	}
	return isFree, claim
}

// unclaimable returns why the agent cannot claim the story, nil if it can.
func (s *State) unclaimable(st Story, agent string) error {
	c := s.visible(st.ID)
	if c == nil {
		return s.notFound(st.ID).orErr(s)
	}
	o, claim := s.obstacle(c, agent)
	if claim != nil && st.Agent == agent { // to renew is always possible
		return nil
	}
	switch o {
	case isHeld:
		return &Error{
			Code:    CodeHeld,
			Message: fmt.Sprintf("story %q is not free: %s", st.ID, s.hold(st.Agent, claim)),
			Next:    "find another: claim_item without story_id takes the next one",
		}
	case isBlocked:
		why := ""
		if st.BlockedReason != "" {
			why = ": " + st.BlockedReason
		}
		return notNow("unblock it with set_blocked when that is settled, or claim another story", "story %q is blocked%s", st.ID, why)
	case isWaiting:
		return notNow("claim it when that is done, or claim another story", "story %q waits on %s", st.ID, numberList(st.WaitingOn))
	case isArchived:
		return notNow("advance_item with to brings it back", "story %q is in %s: nothing is left to do", st.ID, Archived)
	}
	return s.err
}

func notNow(next, format string, args ...any) error {
	return &Error{Code: CodeNotNow, Message: fmt.Sprintf(format, args...), Next: next}
}

// lookBeside finds the other stories that the agent of a new claim holds by claims.
func (s *State) lookBeside(won *Claimed, o ClaimOptions) {
	if s.err != nil {
		return
	}
	claims, err := s.src.Claims(o.Agent, maxClaimsLooked)
	for _, c := range keep(s, claims, err) {
		if c.ID() == won.StoryID {
			continue
		}
		switch claim := s.claim(c); {
		case !claim.Live(s.now()):
		case claim.Lease.Session == o.Session:
			won.Beside = append(won.Beside, c.ID())
		case claim.Lease.Session != "":
			won.Elsewhere = append(won.Elsewhere, c.ID())
		}
	}
}

// maxClaimsLooked bounds the claims of an agent among which a new claim looks for those
// that last: an agent works on few stories.
const maxClaimsLooked = 100

// CanClaim reports whether [Tx.Claim], or with an empty ID [Tx.ClaimNext], would
// find a story to claim.
func (s *State) CanClaim(id string, stage *Stage, agent string) (bool, error) {
	if id == "" {
		_, err := s.firstClaimable(stage, agent)
		return err == nil, IgnoreNotNow(err)
	}
	st, err := s.Story(id)
	if err == nil {
		err = s.unclaimable(st, agent)
	}
	return err == nil, IgnoreNotNow(err)
}

// IgnoreNotNow returns err unless it says that a claim may succeed later.
func IgnoreNotNow(err error) error {
	var e *Error
	if errors.As(err, &e) && (e.Code == CodeHeld || e.Code == CodeNotNow) {
		return nil
	}
	return err
}
