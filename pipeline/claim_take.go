package pipeline

import (
	"cmp"
	"errors"
	"slices"
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
	// Grace is how long the claim outlives Session; 0: as long as the pipeline's settings say.
	Grace time.Duration
	// Stage is where the story of a new claim must be. A nil Stage means any stage.
	Stage *Stage
}

// Claimed says how a claim was won.
type Claimed struct {
	StoryID string
	// Renewed: the caller had the claim already.
	Renewed bool
	// TakenFrom is the agent whose lease had ended; may be empty.
	TakenFrom string
	// Beside are other stories that the caller holds, Elsewhere those that another session
	// holds under the same name: of a new claim, in the order of IDs.
	Beside, Elsewhere []string
	// Stays says why a story that is renewed does not move on from 1_backlog. Stays may be nil.
	Stays *Fact
}

// check refuses options out of their bounds.
func (o *ClaimOptions) check() error {
	if err := checkAgent(o.Agent); err != nil {
		return err
	}
	if o.Seconds < 0 || o.Seconds > int64(MaxLease/time.Second) {
		return refuse(Fact{Code: CodeRange, Field: "lease_seconds", Have: o.Seconds, Least: 1, Most: int64(MaxLease / time.Second)})
	}
	return nil
}

// checkAgent refuses an agent without a name.
func checkAgent(agent string) error {
	if strings.TrimSpace(agent) == "" {
		return refuse(Fact{Code: CodeNoAgent})
	}
	return CheckAgent(agent)
}

// lease returns the lease of a claim. Without a grace of its own it gets that of the settings.
func (o *ClaimOptions) lease(now time.Time, settings *Settings) *Lease {
	if o.Seconds > 0 {
		return &Lease{Ends: now.Add(time.Duration(o.Seconds) * time.Second), Seconds: o.Seconds, Session: o.Session}
	}
	return &Lease{Ends: now.Add(cmp.Or(o.Grace, settings.LeaseGrace)), Session: o.Session}
}

// claimAs makes the transaction one of who claims, if nobody has said who that is.
func (tx *Tx) claimAs(o *ClaimOptions) {
	if tx.caller.Session == "" {
		tx.By(Caller{Session: o.Session, Name: o.Agent, Agent: o.Agent})
	}
}

// Claim takes the story for the agent, who keeps it until the lease ends. From
// 1_backlog the story moves to 2_current; elsewhere its stage stays. A claim that
// the caller holds is renewed; one of another agent whose lease has ended is
// taken over. Otherwise the error says who has the story ([KindHeld]) or why
// nobody can take it ([KindNotNow]).
func (tx *Tx) Claim(id string, o ClaimOptions) (Claimed, error) {
	if err := o.check(); err != nil {
		return Claimed{}, err
	}
	tx.claimAs(&o)
	cur, err := tx.begin(id)
	if err != nil {
		return Claimed{}, err
	}
	if err := tx.state.unclaimable(cur, &tx.caller); err != nil {
		return Claimed{}, err
	}
	if o.Stage != nil && *o.Stage != cur.Stage && tx.accessTo(&cur) != accessHolder {
		return Claimed{}, refuse(Fact{Code: CodeOtherStage, Story: cur.ID, Stage: cur.Stage, Given: string(*o.Stage)})
	}
	return tx.take(cur, o)
}

// ClaimOf returns the story whose claim the caller gives. The error says that the claim has ended
// ([KindStale]).
func (tx *Tx) ClaimOf() (story string, err error) { return tx.state.claimOf(&tx.caller) }

// ClaimOf is [Tx.ClaimOf] for the reader.
func (s *State) ClaimOf() (story string, err error) { return s.claimOf(&s.caller) }

func (s *State) claimOf(by *Caller) (story string, err error) {
	digits, ok := parseClaim(by.Claim)
	if ok {
		if c := s.claimedBy(digits); c != nil {
			return c.ID(), nil
		}
	}
	return "", refuse(Fact{Code: CodeNoSuchClaim, Given: by.Claim}).orErr(s)
}

// take records a claim that may be made.
func (tx *Tx) take(cur Story, o ClaimOptions) (won Claimed, err error) {
	won.StoryID = cur.ID
	lease := o.lease(tx.state.now(), tx.Settings())
	won.Renewed = cur.Claim != nil && tx.accessTo(&cur) == accessHolder
	lasts := won.Renewed && cur.Claim.Live(tx.state.now())
	if tx.caller.Shared && !lasts && !tx.state.isReserved(cur.ID, &tx.caller) {
		return Claimed{}, Unreachable(cur.ID)
	}
	if won.Renewed {
		tx.leases = append(tx.leases, LeaseChange{Claim: cur.Claim.Token, Lease: lease})
	} else {
		tx.state.lookBeside(&won, &tx.caller)
		tx.endClaim(cur)
		if cur.Claim != nil {
			won.TakenFrom = cur.Agent
		}
		tx.edits = append(tx.edits,
			crdt.Set(NameAgent, crdt.String(o.Agent)),
			crdt.Set(NameClaim, crdt.String(interval(tx.state.now(), o.Seconds))))
		tx.leases = append(tx.leases, LeaseChange{Lease: lease})
	}
	stage := cur.Stage
	if stage == Backlog && !cur.Blocked && len(cur.WaitingOn) == 0 { // one that is renewed may have to wait
		if crowd := tx.state.crowdFor(Backlog); crowd != nil {
			won.Stays = &Fact{Code: CodeStaysBack, Stage: Backlog, Crowd: crowd}
		} else {
			stage = Current
		}
	}
	// With a reservation the stage is written, too, so that its fence keeps out what an earlier holder, who is cut off,
	// says of the stage.
	if stage != cur.Stage || !won.Renewed && tx.caller.Reserved.Story == cur.ID {
		tx.set(nil, NameStage, crdt.String(string(stage)))
	}
	return won, tx.state.err
}

// isReserved reports whether the hub keeps the story for the caller.
func (s *State) isReserved(story string, by *Caller) bool {
	c := s.known(story)
	return c != nil && by.Reserved.covers(c, s.now())
}

// endClaim forgets the lease of the story's claim, which ends with this change.
func (tx *Tx) endClaim(cur Story) {
	if cur.Claim != nil {
		tx.leases = append(tx.leases, LeaseChange{Claim: cur.Claim.Token})
	}
}

// Obstacle is what keeps a caller from claiming a story.
type Obstacle uint8

// The obstacles, the first of which is none.
const (
	IsFree     Obstacle = iota
	IsMine              // the caller holds the claim, and its lease lasts
	IsHeld              // another agent has the story
	IsBlocked           // somebody blocked it
	IsWaiting           // a dependency is not met
	IsFinished          // nothing is left to do
	IsCrowded           // the limit of the stage leaves no room
)

// keeping returns what the story's agent means to the caller: IsFree, IsMine or IsHeld. It
// returns the claim on the story, too.
func (s *State) keeping(c *crdt.Story, by *Caller) (Obstacle, *Claim) {
	owner := c.Str(fieldAgent)
	if owner == "" {
		return IsFree, nil
	}
	claim := s.claim(c)
	switch {
	case claim == nil && owner == by.Signature():
		return IsFree, nil
	case claim == nil:
		return IsHeld, nil
	case !claim.Live(s.now()), claim.Foreign && (by.Reserved.ends(c.ID()) || slices.Contains(by.Ended, c.ID())):
		return IsFree, claim
	case s.holds(claim, by):
		return IsMine, claim
	}
	return IsHeld, claim
}

// unclaimable returns why the caller cannot claim the story, nil if it can.
func (s *State) unclaimable(st Story, by *Caller) error {
	c := s.visible(st.ID)
	if c == nil {
		return s.notFound(st.ID).orErr(s)
	}
	keeping, claim := s.keeping(c, by)
	switch renews := claim != nil && (by.Claim != "" || s.holds(claim, by)); {
	case renews && claim.Live(s.now()): // that is always possible
		return s.err
	case renews: // for a claim that has ended there may be no room any more
	case st.Stage == Archived:
		return refuse(Fact{Code: CodeFinished, Story: st.ID})
	case keeping == IsHeld:
		return refuse(Fact{Code: CodeNotFree, Story: st.ID, Agent: by.Signature(), Hold: s.hold(st.Agent, claim)})
	case st.Blocked:
		return refuse(Fact{Code: CodeBlocked, Story: st.ID, Text: st.BlockedReason})
	case len(st.WaitingOn) > 0 && !st.Stage.met():
		return refuse(Fact{Code: CodeWaiting, Story: st.ID, Numbers: st.WaitingOn})
	}
	if crowd := s.crowdFor(st.Stage); crowd != nil && s.err == nil {
		return refuse(Fact{Code: CodeCrowded, Story: st.ID, Crowd: crowd})
	}
	return s.err
}

// lookBeside finds the other stories that are held by the caller of a new claim, or under its
// name.
func (s *State) lookBeside(won *Claimed, by *Caller) {
	if s.err != nil {
		return
	}
	claims, err := s.src.Claims(by.Signature(), maxClaimsLooked)
	for _, c := range keep(s, claims, err) {
		if c.ID() == won.StoryID {
			continue
		}
		switch claim := s.claim(c); {
		case !claim.Live(s.now()) || claim.Foreign:
		case s.holds(claim, by):
			won.Beside = append(won.Beside, c.ID())
		default:
			won.Elsewhere = append(won.Elsewhere, c.ID())
		}
	}
}

// maxClaimsLooked bounds the claims of an agent among which a new claim looks for those
// that last: an agent works on few stories.
const maxClaimsLooked = 100

// CanClaim reports whether the reader would find a story to claim by [Tx.Claim], or with an empty
// ID by [Tx.ClaimNext].
func (s *State) CanClaim(id string, stage *Stage) (bool, error) {
	if id == "" {
		_, err := s.firstClaimable(stage, &s.caller)
		return err == nil, IgnoreNotNow(err)
	}
	st, err := s.Story(id)
	if err == nil {
		err = s.unclaimable(st, &s.caller)
	}
	return err == nil, IgnoreNotNow(err)
}

// NextToClaim returns the story that [Tx.ClaimNext] would take for the reader.
func (s *State) NextToClaim(stage *Stage) (id string, err error) {
	return s.firstClaimable(stage, &s.caller)
}

// Elsewhere returns the error that another machine has a story, on behalf of an agent.
func Elsewhere(story, agent string) error {
	return refuse(Fact{Code: CodeElsewhere, Story: story, Agent: agent})
}

// NoMember returns the error that what this replica writes does not count: it was removed from the members.
func NoMember() *Error { return refuse(Fact{Code: CodeNoMember}) }

// Unreachable returns the error that nobody can say whether another machine has a story.
func Unreachable(story string) error { return refuse(Fact{Code: CodeUnreachable, Story: story}) }

// NotLetIn returns the error that the hub does not let this machine in, so that it does not say whether another machine
// has a story.
func NotLetIn(story string) error { return refuse(Fact{Code: CodeNotLetIn, Story: story}) }

// IsUnreachable reports whether the error is that of [Unreachable].
func IsUnreachable(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == CodeUnreachable
}

// IgnoreNotNow returns err unless it says that a claim may succeed later.
func IgnoreNotNow(err error) error {
	var e *Error
	if errors.As(err, &e) && (e.Kind() == KindHeld || e.Kind() == KindNotNow) {
		return nil
	}
	return err
}
