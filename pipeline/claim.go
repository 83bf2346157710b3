package pipeline

import (
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
	// Foreign reports that this replica has no lease of the claim: another replica made it.
	Foreign bool
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
	// Session is the session that made the claim or renewed it last. Session may be empty.
	Session string
}

// Leases is what a replica knows of claims beyond their ops.
type Leases interface {
	// Now is the time by which leases end.
	Now() time.Time
	// Lease returns the lease of a claim, or false if the replica has none.
	Lease(claim crdt.OpID) (Lease, bool, error)
	// Alive reports whether a session goes on, in whatever process.
	Alive(session string) bool
	// EndOf returns how a claim on the story ended, whose ID begins with the hex digits. It
	// returns nil if the story's history does not tell. See the function [EndOf].
	EndOf(story, digits string) (*ClaimEnd, error)
	// AgentOf returns the agent that asked for an op, "" if the op does not say so or is not here.
	AgentOf(op crdt.OpID) (string, error)
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

// ClaimEnds returns when the claim that an op makes ends unless it is renewed. It returns the zero time if
// the op makes no claim, or one that lasts as long as a session.
func ClaimEnds(op *crdt.Op) time.Time {
	text, _ := writes(op, NameClaim)
	_, ends := parseInterval(text)
	return ends
}

// claim returns the claim on a story, or nil if there is none.
func (s *State) claim(c *crdt.Story) *Claim {
	if s.err != nil || !hasClaim(c) {
		return nil
	}
	token := c.Writer(fieldClaim)
	claim := &Claim{Token: token, Agent: c.Str(fieldAgent)}
	var ends time.Time
	claim.Since, ends = parseInterval(c.Str(fieldClaim))
	if s.leases != nil {
		lease, ok, err := s.leases.Lease(token)
		if keep(s, ok, err) {
			claim.Lease = lease
			return claim
		}
	}
	since := claim.Since
	if since.IsZero() {
		since = time.UnixMilli(c.UpdatedAt())
	}
	claim.Foreign = true
	claim.Lease = Lease{Ends: s.foreignEnd(since, ends)}
	return claim
}

// hasClaim reports whether the op that wrote the story's agent last is a claim.
func hasClaim(c *crdt.Story) bool {
	token := c.Writer(fieldClaim)
	return c.Str(fieldAgent) != "" && !token.IsZero() && token == c.Writer(fieldAgent)
}

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

// Hold says who has a story.
type Hold struct {
	Agent string
	// Claimed is false for a story that is only assigned to the agent: no lease ends that.
	Claimed bool
	// Ended reports that the lease of the claim has ended.
	Ended bool
	// Left is how long the lease lasts, to the second.
	Left time.Duration
	// Renewed reports that the agent's session renews the lease while the session lives.
	Renewed bool
	// Gone reports that the session that claimed the story has ended.
	Gone bool
}

// HoldOf returns who has a story, nil if it has no agent.
func (s *State) HoldOf(st *Story) *Hold {
	if st.Agent == "" || s.leases == nil {
		return nil
	}
	return s.hold(st.Agent, st.Claim)
}

// hold returns who has a story, for an error.
func (s *State) hold(agent string, claim *Claim) *Hold {
	switch {
	case claim == nil:
		return &Hold{Agent: agent}
	case !claim.Live(s.now()):
		return &Hold{Agent: agent, Claimed: true, Ended: true}
	}
	return &Hold{
		Agent: agent, Claimed: true, Left: claim.Lease.Ends.Sub(s.now()).Round(time.Second),
		Renewed: claim.Lease.Session != "" && claim.Lease.Seconds == 0,
		Gone:    claim.Lease.Session != "" && !s.leases.Alive(claim.Lease.Session),
	}
}

// noNames are words that a caller sends when it has no name, or for itself. Two callers would share
// such a name.
var noNames = []string{"null", "undefined", "none", "nil", "me", "myself", "self"}

// CheckAgent refuses a name that an op cannot bear or that is one of noNames. An empty name
// is no error.
func CheckAgent(agent string) error {
	if slices.Contains(noNames, strings.ToLower(strings.TrimSpace(agent))) {
		return refuse(Fact{Code: CodeNobody, Given: agent})
	}
	return checkText(NameAgent, agent, crdt.MaxAgent)
}
