package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// Claim is an agent's hold on a story. It is one op, which writes the agent and
// the register "claim" together, and it counts as long as that op is the last
// writer of both: whatever gives the story to another agent ends it, also when it
// comes in from another replica. So of claims made apart one wins whole.
type Claim struct {
	// Token is the op that made the claim: a fencing token, since no two claims
	// have the same one (Kleppmann 2016, "How to do distributed locking").
	Token crdt.OpID
	Agent string
	// Since is when the claim was made, by its author's clock; zero if the op does
	// not say so.
	Since time.Time
	Lease Lease
}

// Lease says how long a claim keeps other agents away (Gray and Cheriton 1989,
// "Leases: an efficient fault-tolerant mechanism for distributed file cache
// consistency").
type Lease struct {
	// Ends is when others may take the story over.
	Ends time.Time
	// Seconds is how long the lease lasts each time it is asked for; 0: as long as
	// Session lives, and a grace.
	Seconds int64
	// Session is the process that renews the lease while it lives; may be empty.
	Session string
}

// Leases is what a replica knows of claims beyond their ops.
type Leases interface {
	// Now is the time by which leases end.
	Now() time.Time
	// Lease returns the lease of a claim, or false if the replica has none.
	Lease(claim crdt.OpID) (Lease, bool, error)
}

// Bounds of leases, with their reasons.
const (
	// MaxLease bounds the lease that may be asked for: a week offline.
	MaxLease = 7 * 24 * time.Hour

	// foreignLease is how long a claim from another replica counts when its op does
	// not say it. Whether that agent lives cannot be seen from here; a day is
	// longer than it works on one story, and no dead one holds a story for ever.
	foreignLease = 24 * time.Hour
)

// LeaseChange is what a change does to the replica's own leases.
type LeaseChange struct {
	// Claim is the op that made the claim; zero: the op that this change becomes.
	Claim crdt.OpID
	// Lease is the lease from now on; nil: the claim has ended.
	Lease *Lease
}

// Live reports whether the claim keeps other agents away at the given time.
func (c *Claim) Live(now time.Time) bool { return c != nil && now.Before(c.Lease.Ends) }

// interval writes when a claim was made, and ends if that is known, as ISO 8601
// writes a time interval; ".." is an open end (ISO 8601-2). The end is for
// replicas that cannot see the lease.
func interval(since time.Time, seconds int64) string {
	end := ".."
	if seconds > 0 {
		end = since.Add(time.Duration(seconds) * time.Second).UTC().Format(time.RFC3339)
	}
	return since.UTC().Format(time.RFC3339) + "/" + end
}

// parseInterval reads what interval wrote. What cannot be read is zero.
func parseInterval(s string) (since, ends time.Time) {
	from, to, _ := strings.Cut(s, "/")
	since, _ = time.Parse(time.RFC3339, from)
	ends, _ = time.Parse(time.RFC3339, to)
	return since, ends
}

// claim returns the claim on a story, or nil if there is none.
func (s *State) claim(c *crdt.Story) (*Claim, error) {
	if !hasClaim(c) {
		return nil, nil
	}
	token := c.Writer(fieldClaim)
	claim := &Claim{Token: token, Agent: c.Str(fieldAgent)}
	var ends time.Time
	claim.Since, ends = parseInterval(c.Str(fieldClaim))
	if s.leases != nil {
		lease, ok, err := s.leases.Lease(token)
		if err != nil {
			return nil, err
		}
		if ok {
			claim.Lease = lease
			return claim, nil
		}
	}
	since := claim.Since
	if since.IsZero() {
		since = time.UnixMilli(c.UpdatedAt())
	}
	claim.Lease = Lease{Ends: s.foreignEnd(since, ends)}
	return claim, nil
}

// hasClaim reports whether the op that wrote the story's agent last is a claim.
func hasClaim(c *crdt.Story) bool {
	token := c.Writer(fieldClaim)
	return c.Str(fieldAgent) != "" && !token.IsZero() && token == c.Writer(fieldAgent)
}

// indexClaim enters what an applied op made of its story's claim.
func (s *State) indexClaim(op *crdt.Op) {
	for i := range op.Edits {
		c := s.doc.Story(op.Story)
		if name := op.Edits[i].Field; name != NameAgent && name != NameClaim || c == nil {
			continue
		}
		if hasClaim(c) {
			s.claimed[c.ID()] = struct{}{}
		} else {
			delete(s.claimed, c.ID())
		}
		return
	}
}

// lookBeside finds the stories that who claims one holds besides. Where so many have a
// claim that to look costs more than it helps, it finds none.
func (s *State) lookBeside(won *Claimed, o ClaimOptions) error {
	if len(s.claimed) > maxClaimsLooked {
		return nil
	}
	for other := range s.claimed {
		c := s.visible(other)
		if c == nil || other == won.StoryID || c.Str(fieldAgent) != o.Agent {
			continue
		}
		claim, err := s.claim(c)
		switch {
		case err != nil:
			return err
		case !claim.Live(s.now()):
		case claim.Lease.Session == o.Session:
			won.Beside = append(won.Beside, other)
		case claim.Lease.Session != "":
			won.Elsewhere = append(won.Elsewhere, other)
		}
	}
	slices.SortFunc(won.Beside, crdt.CompareStoryIDs)
	slices.SortFunc(won.Elsewhere, crdt.CompareStoryIDs)
	return nil
}

// claimedBy returns the story whose claim the token names, "" if there is none.
func (s *State) claimedBy(token string) string {
	for id := range s.claimed {
		if c := s.visible(id); c != nil && strings.HasPrefix(c.Writer(fieldClaim).String(), strings.ToLower(token)) {
			return id
		}
	}
	return ""
}

// maxClaimsLooked bounds the stories that a claim looks at for others that its agent has.
const maxClaimsLooked = 1 << 10

// foreignEnd returns when a claim of another replica ends, which says that it was made
// at since and, if that is not zero, ends at ends. By a clock that is a day ahead it
// has ended: otherwise nobody here could have the story before that day comes.
func (s *State) foreignEnd(since, ends time.Time) time.Time {
	if now := s.now(); !now.IsZero() && since.After(now.Add(foreignLease)) {
		return time.Time{}
	}
	if ends.IsZero() {
		return since.Add(foreignLease)
	}
	if latest := since.Add(MaxLease); ends.After(latest) {
		return latest
	}
	return ends
}

// now is the time by which leases end; the zero time while none are known, at
// which every lease lasts.
func (s *State) now() time.Time {
	if s.leases == nil {
		return time.Time{}
	}
	return s.leases.Now()
}

// hold describes who has a story, for an error.
func (s *State) hold(agent string, claim *Claim) string {
	if claim == nil {
		return fmt.Sprintf("agent %q has it, without a claim that would end by itself", agent)
	}
	if !claim.Live(s.now()) {
		return fmt.Sprintf("agent %q has it, but its lease has ended", agent)
	}
	left := claim.Lease.Ends.Sub(s.now()).Round(time.Second)
	text := fmt.Sprintf("agent %q holds it and the lease ends in %d s", agent, left/time.Second)
	if claim.Lease.Session != "" {
		text += ", unless that agent's session lives and renews it"
	}
	return text
}

// CheckAgent refuses a name that an op cannot bear; none is no error.
func CheckAgent(agent string) error { return checkText(NameAgent, agent, crdt.MaxAgent) }

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
		if err := tx.state.lookBeside(&won, o); err != nil {
			return won, err
		}
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
	return won, nil
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
func (s *State) obstacle(c *crdt.Story, agent string) (obstacle, *Claim, error) {
	var claim *Claim
	owner := c.Str(fieldAgent)
	if owner != "" {
		var err error
		if claim, err = s.claim(c); err != nil {
			return 0, nil, err
		}
		if owner == agent && claim != nil && claim.Live(s.now()) {
			return isMine, claim, nil
		}
	}
	stage := Stage(c.Str(fieldStage))
	switch {
	case stage == Archived:
		return isArchived, claim, nil
	case owner != "" && owner != agent && (claim == nil || claim.Live(s.now())):
		return isHeld, claim, nil
	case c.Bool(fieldBlocked):
		return isBlocked, claim, nil
	case stage == Backlog && !s.met(c):
		return isWaiting, claim, nil
	}
	return isFree, claim, nil
}

// unclaimable returns why the agent cannot claim the story, nil if it can.
func (s *State) unclaimable(st Story, agent string) error {
	o, claim, err := s.obstacle(s.doc.Story(st.ID), agent)
	if err != nil {
		return err
	}
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
	return nil
}

func notNow(next, format string, args ...any) error {
	return &Error{Code: CodeNotNow, Message: fmt.Sprintf(format, args...), Next: next}
}

// ExpectClaim makes sure that the story's claim is the one that the token names,
// as an answer showed it; otherwise it returns an error of [CodeStale], so that
// who slept through its lease does not overwrite its successor. Who knows the claim
// writes in the name of its agent.
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
	if other := tx.state.claimedBy(token); other != "" {
		e.Message = fmt.Sprintf("claim %.64s is of story %q, not of %q; nothing was written", token, other, id)
		e.Next = fmt.Sprintf("give the claim that claim_item answered for this story, of which this is so: %s", now)
		return e
	}
	e.Message = fmt.Sprintf("claim %.64s of story %q has ended, if it ever was one: now %s; nothing was written", token, id, now)
	return e
}

// mayMove refuses to move a story that another agent has. Who knows the claim
// (fenced) has it, whatever name it gives.
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
// ends the claim, so that who does that stage's work can claim the story. A
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
