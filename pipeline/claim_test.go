package pipeline_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// claimer is a writer that keeps leases as a replica does. Its sessions live unless they are in
// dead.
type claimer struct {
	*writer
	now    time.Time
	leases map[crdt.OpID]pipeline.Lease
	dead   map[string]bool
}

func newClaimer(t *testing.T) *claimer {
	c := &claimer{writer: newWriter(t), now: time.Unix(1_700_000_000, 0).UTC(), leases: make(map[crdt.OpID]pipeline.Lease), dead: make(map[string]bool)}
	c.known = c
	return c
}

func (c *claimer) Now() time.Time { return c.now }

func (c *claimer) Lease(claim crdt.OpID) (pipeline.Lease, bool, error) {
	lease, ok := c.leases[claim]
	return lease, ok, nil
}

func (c *claimer) Alive(session string) bool { return !c.dead[session] }

func (c *claimer) EndOf(story, digits string) (*pipeline.ClaimEnd, error) {
	return pipeline.EndOf(func(yield func(*crdt.Op) bool) {
		for _, op := range slices.Backward(c.ops) {
			if op.Story == story && !yield(op) {
				return
			}
		}
	}, digits), nil
}

func (c *claimer) AgentOf(id crdt.OpID) (string, error) {
	for _, op := range c.ops {
		if op.ID == id {
			return op.Agent, nil
		}
	}
	return "", nil
}

// session returns a caller whose session has the name, and no agent in its calls.
func session(name string) pipeline.Caller {
	return pipeline.Caller{Session: "session of " + name, Name: name}
}

// as runs one transaction of a caller.
func (c *claimer) as(by pipeline.Caller, fn func(*pipeline.Tx) error) error {
	c.t.Helper()
	return c.change(func(tx *pipeline.Tx) error {
		tx.By(by)
		return fn(tx)
	})
}

// change runs one transaction and keeps what it does to leases.
func (c *claimer) change(fn func(*pipeline.Tx) error) error {
	c.t.Helper()
	tx := c.state().NewTx()
	if err := fn(tx); err != nil {
		return err
	}
	var op crdt.OpID
	if len(tx.Edits()) > 0 {
		op = c.applyAs(tx.Agent(), tx.Story(), tx.Edits()...).ID
	}
	for _, change := range tx.Leases() {
		claim := change.Claim
		if claim.IsZero() {
			claim = op
		}
		if change.Lease == nil {
			delete(c.leases, claim)
		} else {
			c.leases[claim] = *change.Lease
		}
	}
	return nil
}

func (c *claimer) options(agent string, seconds int64) pipeline.ClaimOptions {
	return pipeline.ClaimOptions{Agent: agent, Seconds: seconds, Session: "session of " + agent, Grace: time.Minute}
}

// claim claims a story, or with an empty ID the next one.
func (c *claimer) claim(id, agent string, seconds int64) (won pipeline.Claimed, err error) {
	c.t.Helper()
	err = c.change(func(tx *pipeline.Tx) (err error) {
		if id == "" {
			won, err = tx.ClaimNext(nil, c.options(agent, seconds))
		} else {
			won, err = tx.Claim(id, c.options(agent, seconds))
		}
		return err
	})
	return won, err
}

func (c *claimer) mustClaim(id, agent string, seconds int64) pipeline.Claimed {
	c.t.Helper()
	won, err := c.claim(id, agent, seconds)
	if err != nil {
		c.t.Fatalf("claim %q as %s: %v", id, agent, err)
	}
	return won
}

func (c *claimer) refused(err error, want pipeline.Kind, values ...string) {
	c.t.Helper()
	if kind(err) != want {
		c.t.Errorf("got %v, want an error of kind %s", err, want)
		return
	}
	for _, v := range values {
		if got := refusal(err); !strings.Contains(got, v) {
			c.t.Errorf("got %q, want it to have %q", got, v)
		}
	}
}

// TestReservedClaimWritesTheStage: what is claimed with a reservation has all that its fence guards in one op, wherever the
// story stands, so that no earlier holder's word of the stage outlives it.
func TestReservedClaimWritesTheStage(t *testing.T) {
	for _, is := range pipeline.Stages()[:4] {
		for _, reserved := range []bool{true, false} {
			c := newClaimer(t)
			c.write("1_a", stage(is))
			by := session("ann")
			if reserved {
				by.Reserved = pipeline.Reservation{Story: "1_a", Fence: crdt.Fence{Epoch: 1, Revision: 2}}
			}
			var edits []crdt.Edit
			err := c.as(by, func(tx *pipeline.Tx) error {
				_, err := tx.Claim("1_a", c.options("ann", 60))
				edits = tx.Edits()
				return err
			})
			want := is
			if is == pipeline.Backlog {
				want = pipeline.Current
			}
			written := slices.ContainsFunc(edits, func(e crdt.Edit) bool { return e.Field == pipeline.NameStage })
			if got := c.story("1_a").Stage; err != nil || got != want || written != (reserved || want != is) {
				t.Errorf("claimed in %s, reserved %v: the stage is %s, written %v, error %v", is, reserved, got, written, err)
			}
		}
	}
}

func TestClaimTakesAndKeeps(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	if diff := cmp.Diff(pipeline.Claimed{StoryID: "1_s"}, c.mustClaim("1_s", "a", 0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got := c.story("1_s")
	want := &pipeline.Claim{
		Token: c.ops[1].ID, Agent: "a", Since: c.now,
		Lease: pipeline.Lease{Ends: c.now.Add(time.Minute), Session: "session of a"},
	}
	if diff := cmp.Diff(want, got.Claim); diff != "" || got.Stage != pipeline.Current || got.Agent != "a" {
		t.Errorf("stage %s, agent %s, claim (-want +got):\n%s", got.Stage, got.Agent, diff)
	}
	_, err := c.claim("1_s", "b", 0)
	c.refused(err, pipeline.KindHeld, "Hold:{Agent:a Claimed:true Ended:false Left:1m0s")

	// one's own claim is renewed, without an op
	c.now = c.now.Add(30 * time.Second)
	if won := c.mustClaim("1_s", "a", 600); !won.Renewed || len(c.ops) != 2 {
		t.Errorf("got %+v and %d ops, want a renewal without an op", won, len(c.ops))
	}
	if left := c.story("1_s").Claim.Lease.Ends.Sub(c.now); left != 10*time.Minute {
		t.Errorf("after a renewal for 600 s the lease has %v left", left)
	}

	// a lease that has ended is taken over, and the old claim is stale
	c.now = c.now.Add(11 * time.Minute)
	if won := c.mustClaim("1_s", "b", 0); won.TakenFrom != "a" || won.Renewed {
		t.Errorf("got %+v, want it taken from a", won)
	}
	late := session("a")
	late.Claim = want.Token.Short()
	err = c.as(late, func(tx *pipeline.Tx) error { _, err := tx.Advance("1_s", nil); return err })
	c.refused(err, pipeline.KindStale, "claim_ended", "Hold:{Agent:b Claimed:true Ended:false", "End:a by b")
	if len(c.leases) != 1 {
		t.Errorf("%d leases are kept of one claim", len(c.leases))
	}
}

// TestRenewalStartsNoWaitingStory: to renew a claim on a story that went back to
// wait for another keeps it in 1_backlog.
func TestRenewalStartsNoWaitingStory(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	c.write("2_s", stage(pipeline.Backlog))
	c.mustClaim("2_s", "a", 0)
	back := stage(pipeline.Backlog)
	back.DependsOn = &[]uint32{1}
	if err := c.as(session("a"), func(tx *pipeline.Tx) error { _, _, err := tx.Write("2_s", back); return err }); err != nil {
		t.Fatal(err)
	}
	if won := c.mustClaim("2_s", "a", 0); !won.Renewed || c.story("2_s").Stage != pipeline.Backlog {
		t.Errorf("waiting: got %+v in %s, want a renewal in 1_backlog", won, c.story("2_s").Stage)
	}
	c.write("1_s", stage(pipeline.Done))
	if won := c.mustClaim("2_s", "a", 0); !won.Renewed || c.story("2_s").Stage != pipeline.Current {
		t.Errorf("ready: got %+v in %s, want a renewal in 2_current", won, c.story("2_s").Stage)
	}
}

// TestC28_ClaimKeepsTheStage: outside of 1_backlog a claim does not move a story.
func TestC28_ClaimKeepsTheStage(t *testing.T) {
	c := newClaimer(t)
	for _, st := range []pipeline.Stage{pipeline.Current, pipeline.QA, pipeline.Merge, pipeline.Done} {
		id := "1_" + string(st)
		c.write(id, stage(st))
		c.mustClaim(id, "a", 0)
		if got := c.story(id); got.Stage != st || got.Agent != "a" {
			t.Errorf("claimed in %s: it is in %s with agent %q", st, got.Stage, got.Agent)
		}
	}
}

// TestClaimBesideOthers: a new claim tells which stories its agent has besides, by claims of
// its session and of others: those that count now, and are neither given back, deleted nor
// expired.
func TestClaimBesideOthers(t *testing.T) {
	c := newClaimer(t)
	for _, id := range []string{"1_s", "2_s", "3_s", "4_s", "5_s", "6_s", "7_s", "8_s", "9_s", "10_s"} {
		c.write(id, stage(pipeline.Backlog))
	}
	c.mustClaim("6_s", "a", 0)
	c.now = c.now.Add(time.Hour) // its lease has ended
	for _, id := range []string{"10_s", "3_s", "2_s", "1_s", "4_s"} {
		c.mustClaim(id, "a", 0)
	}
	c.mustClaim("5_s", "b", 0)
	c.mustClaim("8_s", "a", 3600) // for whoever asked for the time
	elsewhere := c.options("a", 0)
	elsewhere.Session = "another"
	_ = c.change(func(tx *pipeline.Tx) error { _, err := tx.Claim("9_s", elsewhere); return err })
	_ = c.as(session("a"), func(tx *pipeline.Tx) error { _, err := tx.Release("1_s"); return err })
	_ = c.as(session("a"), func(tx *pipeline.Tx) error { _, err := tx.Delete("2_s"); return err })
	c.apply("4_s", crdt.Set("agent", crdt.String("a"))) // given it by somebody, no claim
	want := pipeline.Claimed{StoryID: "7_s", Beside: []string{"3_s", "8_s", "10_s"}, Elsewhere: []string{"9_s"}}
	if diff := cmp.Diff(want, c.mustClaim("7_s", "a", 0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if won := c.mustClaim("7_s", "a", 0); !won.Renewed || won.Beside != nil || won.Elsewhere != nil {
		t.Errorf("renewed: %+v", won)
	}
}

func TestClaimIsRefused(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Archived))
	c.write("2_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), Agent: ptr("b")})
	c.write("3_s", stage(pipeline.Backlog))
	if err := c.change(func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("3_s", true, ptr("no key")); return err }); err != nil {
		t.Fatal(err)
	}
	c.write("4_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: ptr([]uint32{3, 77})})
	before := len(c.ops)
	for id, want := range map[string]struct {
		kind pipeline.Kind
		has  string
	}{
		"1_s": {pipeline.KindNotNow, "finished Story:1_s"},
		"2_s": {pipeline.KindHeld, "not_free Story:2_s Agent:a Hold:{Agent:b Claimed:false"},
		"3_s": {pipeline.KindNotNow, "blocked Story:3_s Text:no key"},
		"4_s": {pipeline.KindNotNow, "waiting Story:4_s Numbers:[3 77]"},
		"5_s": {pipeline.KindNotFound, "no_story Story:5_s"},
	} {
		_, err := c.claim(id, "a", 0)
		c.refused(err, want.kind, want.has)
		if can, err := c.state().As(session("a")).CanClaim(id, nil); can || (err == nil) != (want.kind != pipeline.KindNotFound) {
			t.Errorf("can claim %s: %v (%v)", id, can, err)
		}
	}
	_, err := c.claim("", "a", 0)
	c.refused(err, pipeline.KindNotNow, "none_free", "1 blocked: 3_s", "1 waiting: 4_s on [3 77]", "1 held: 2_s by b")
	_, err = c.claim("2_s", " ", 0)
	c.refused(err, pipeline.KindInvalid, "no_agent")
	_, err = c.claim("2_s", "b", 8*24*3600)
	c.refused(err, pipeline.KindInvalid, "range Field:lease_seconds Have:691200 Least:1 Most:604800")
	if len(c.ops) != before || len(c.leases) > 0 {
		t.Error("a refusal wrote something")
	}
	c.mustClaim("2_s", "b", 0) // it was given to b, who now claims it
	if got := c.story("2_s"); got.Claim == nil || got.Stage != pipeline.Current {
		t.Errorf("got %+v", got)
	}
}

func TestClaimNextFollowsTheOrder(t *testing.T) {
	c := newClaimer(t)
	for n := range 4 {
		c.write(fmt.Sprintf("%d_s", n+1), stage(pipeline.Backlog))
	}
	c.write("4_s", pipeline.Changes{Before: ptr("1_s")})
	c.write("5_s", stage(pipeline.Current)) // nobody has it
	c.write("6_s", pipeline.Changes{Stage: ptr(pipeline.QA), Agent: ptr("a")})
	for _, want := range []string{"6_s", "5_s", "4_s", "1_s", "2_s", "3_s"} {
		if got := c.mustClaim("", "a", 0).StoryID; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	_, err := c.claim("", "a", 0)
	c.refused(err, pipeline.KindNotNow, "5 mine: ")
	_, err = c.claim("", "b", 0)
	c.refused(err, pipeline.KindNotNow, "5 held: 4_s by a")

	// what an agent has lost sight of is offered to it again, and what a dead agent
	// left to others
	c.now = c.now.Add(2 * time.Minute)
	if won := c.mustClaim("", "a", 0); won.StoryID != "4_s" || !won.Renewed {
		t.Errorf("got %+v, want its own story again", won)
	}
	c.now = c.now.Add(2 * time.Minute)
	if won := c.mustClaim("", "b", 0); won.StoryID != "4_s" || won.TakenFrom != "a" {
		t.Errorf("got %+v", won)
	}
	// and of another stage only when asked
	c.write("7_s", stage(pipeline.Merge))
	var won pipeline.Claimed
	if err := c.change(func(tx *pipeline.Tx) (err error) {
		won, err = tx.ClaimNext(ptr(pipeline.Merge), c.options("q", 0))
		return err
	}); err != nil || won.StoryID != "7_s" {
		t.Errorf("got %+v (%v)", won, err)
	}
}

// TestClaimsOfOtherReplicas: a claim without a lease here counts for as long as
// its op says, or a day.
func TestClaimsOfOtherReplicas(t *testing.T) {
	c := newClaimer(t)
	for text, lasts := range map[string]time.Duration{
		"2023-11-14T22:13:20Z/..":                   24 * time.Hour,
		"2023-11-14T22:13:20Z/2023-11-14T23:13:20Z": time.Hour,
		"2023-11-14T22:13:20Z/9999-12-31T23:59:59Z": 7 * 24 * time.Hour, // no lease is longer
		"whatever a later build writes":             24 * time.Hour,     // since the op was written
	} {
		c.now = time.Unix(1_700_000_000, 0).UTC()
		id := fmt.Sprintf("%d_s", len(c.ops)+1)
		c.apply(id, crdt.Set("stage", crdt.String("2_current")), crdt.Set("agent", crdt.String("far")), crdt.Set("claim", crdt.String(text)))
		c.now = c.now.Add(lasts - 10*time.Second)
		if _, err := c.claim(id, "a", 0); kind(err) != pipeline.KindHeld {
			t.Errorf("%q: within its time: %v", text, err)
		}
		c.now = c.now.Add(20 * time.Second)
		if won, err := c.claim(id, "a", 0); err != nil || won.TakenFrom != "far" {
			t.Errorf("%q: after its time: %+v, %v", text, won, err)
		}
	}
}

// TestClaimsFromTheFuture: who lives a day ahead keeps nobody from a story.
func TestClaimsFromTheFuture(t *testing.T) {
	c := newClaimer(t)
	for text, want := range map[string]pipeline.Kind{
		"2023-11-15T21:00:00Z/..":                   pipeline.KindHeld,
		"2023-11-15T23:00:00Z/..":                   "",
		"9999-12-01T00:00:00Z/9999-12-01T01:00:00Z": "",
	} {
		id := fmt.Sprintf("%d_s", len(c.ops)+1)
		c.apply(id, crdt.Set("stage", crdt.String("2_current")), crdt.Set("agent", crdt.String("far")), crdt.Set("claim", crdt.String(text)))
		if _, err := c.claim(id, "a", 0); kind(err) != want {
			t.Errorf("%q: got %v, want code %q", text, err, want)
		}
	}
}

// TestClaimNeedsOneWriter: an agent that was written by another op than the claim
// ends it, in whatever order the two came.
func TestClaimNeedsOneWriter(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	c.mustClaim("1_s", "a", 0)
	c.apply("1_s", crdt.Set("agent", crdt.String("z")))
	if got := c.story("1_s"); got.Agent != "z" || got.Claim != nil {
		t.Errorf("got agent %s, claim %+v", got.Agent, got.Claim)
	}
	late := session("a")
	late.Claim = c.ops[1].ID.String()
	err := c.as(late, func(tx *pipeline.Tx) error { _, err := tx.Release("1_s"); return err })
	c.refused(err, pipeline.KindStale)
	var stale *pipeline.Error
	if !errors.As(err, &stale) || stale.Current == nil || stale.Current.Agent != "z" {
		t.Errorf("got %v, want an error that shows the story", err)
	}
}
