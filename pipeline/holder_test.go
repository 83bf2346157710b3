package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// writing returns a change of a story's name.
func writing(id, name string) func(*pipeline.Tx) error {
	return func(tx *pipeline.Tx) error {
		_, _, err := tx.Write(id, pipeline.Changes{Name: &name})
		return err
	}
}

// advancing returns a move of a story to a stage, or to the next one.
func advancing(id string, to *pipeline.Stage) func(*pipeline.Tx) error {
	return func(tx *pipeline.Tx) error { _, err := tx.Advance(id, to); return err }
}

// claimBy claims a story, or with an empty ID the next one, for a caller.
func (c *claimer) claimBy(by pipeline.Caller, id string, seconds int64) (won pipeline.Claimed, err error) {
	c.t.Helper()
	o := pipeline.ClaimOptions{Agent: by.Signature(), Seconds: seconds, Session: by.Session, Grace: time.Minute}
	err = c.as(by, func(tx *pipeline.Tx) (err error) {
		if id == "" {
			won, err = tx.ClaimNext(nil, o)
		} else {
			won, err = tx.Claim(id, o)
		}
		return err
	})
	return won, err
}

// must fails the test for an error.
func (c *claimer) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// TestHolderIsTheSession: a claim is held by the session that made it while that session lives,
// then by whoever has its name, and always by whoever gives it.
func TestHolderIsTheSession(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	first, second, other := session("a"), session("a"), session("b")
	second.Session = "the second session of a"
	_, err := c.claimBy(first, "1_s", 0)
	c.must(err)
	token := c.story("1_s").Claim.Token

	c.must(c.as(first, writing("1_s", "by its session")))
	c.refused(c.as(second, writing("1_s", "x")), pipeline.KindHeld, "Hold:{Agent:a Claimed:true Ended:false Left:1m0s")
	_, err = c.claimBy(second, "1_s", 0)
	c.refused(err, pipeline.KindHeld, "Hold:{Agent:a Claimed:true Ended:false")
	c.refused(c.as(other, writing("1_s", "x")), pipeline.KindHeld)

	withClaim := other
	withClaim.Claim = pipeline.ClaimText(token)
	c.must(c.as(withClaim, writing("1_s", "by the claim")))
	if op := c.ops[len(c.ops)-1]; op.Agent != "a" {
		t.Errorf("a change with the claim is signed by %q", op.Agent)
	}

	c.dead[first.Session] = true
	c.must(c.as(second, writing("1_s", "by the name")))
	c.refused(c.as(other, writing("1_s", "x")), pipeline.KindHeld)
	if won, err := c.claimBy(second, "1_s", 0); err != nil || !won.Renewed {
		t.Errorf("after a restart: %+v, %v", won, err)
	}
	c.refused(c.as(first, writing("1_s", "x")), pipeline.KindHeld) // a stranger with its name now

	// lease_seconds outlasts the session, and the claim's name holds it at once
	c.write("2_s", stage(pipeline.Backlog))
	_, err = c.claimBy(second, "2_s", 600)
	c.must(err)
	c.refused(c.as(first, writing("2_s", "x")), pipeline.KindHeld)
	c.dead[second.Session] = true
	c.dead[first.Session] = false
	c.must(c.as(first, writing("2_s", "by the name")))
	c.now = c.now.Add(590 * time.Second)
	_, err = c.claimBy(other, "2_s", 0)
	c.refused(err, pipeline.KindHeld, "Left:10s")
	c.now = c.now.Add(11 * time.Second)
	c.must(c.as(other, writing("2_s", "nobody holds it any more")))
}

// TestClaimRenewsFromAnywhere: whoever gives the claim to claim_item renews it and is its session.
func TestClaimRenewsFromAnywhere(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	_, err := c.claimBy(session("a"), "1_s", 0)
	c.must(err)
	other := session("b")
	other.Claim = pipeline.ClaimText(c.story("1_s").Claim.Token)
	c.must(c.as(other, func(tx *pipeline.Tx) error {
		if id, err := tx.ClaimOf(); err != nil || id != "1_s" {
			t.Errorf("the claim is of %q (%v)", id, err)
		}
		return nil
	}))
	won, err := c.claimBy(other, "1_s", 0)
	if err != nil || !won.Renewed || c.story("1_s").Agent != "a" {
		t.Errorf("got %+v, %v", won, err)
	}
	c.must(c.as(session("b"), writing("1_s", "without the claim")))
	other.Claim = "c-0123456789ab"
	_, err = c.claimBy(other, "1_s", 0)
	c.refused(err, pipeline.KindStale)
	for _, bad := range []string{"c-", "abc", "c-0123456789zz"} {
		other.Claim = bad
		_, err = c.claimBy(other, "1_s", 0)
		c.refused(err, pipeline.KindInvalid, "bad_claim")
	}
}

// TestSubAgentsShareASession: a call that names another agent than the holder is refused in the
// holder's session, too.
func TestSubAgentsShareASession(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	main := session("host")
	one, two := main, main
	one.Agent, two.Agent = "one", "two"
	_, err := c.claimBy(one, "1_s", 0)
	c.must(err)
	if got := c.story("1_s"); got.Agent != "one" || got.Claim.Lease.Session != main.Session {
		t.Errorf("agent %q, session %q", got.Agent, got.Claim.Lease.Session)
	}
	c.refused(c.as(two, advancing("1_s", nil)), pipeline.KindHeld, "Hold:{Agent:one Claimed:true Ended:false")
	_, err = c.claimBy(two, "1_s", 0)
	c.refused(err, pipeline.KindHeld)
	c.must(c.as(main, writing("1_s", "in a call that names nobody")))
	if op := c.ops[len(c.ops)-1]; op.Agent != "host" {
		t.Errorf("signed by %q", op.Agent)
	}
	c.must(c.as(one, advancing("1_s", nil)))
	if op := c.ops[len(c.ops)-1]; op.Agent != "one" {
		t.Errorf("signed by %q", op.Agent)
	}
}

// TestHeldStory: while a claim is held others may add notes and block, and nothing else, even
// where nothing would change.
func TestHeldStory(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: ptr("n")})
	_, err := c.claimBy(session("a"), "1_s", 0)
	c.must(err)
	other := session("b")
	for _, change := range map[string]func(*pipeline.Tx) error{
		"stage": func(tx *pipeline.Tx) error { _, _, err := tx.Write("1_s", stage(pipeline.Current)); return err },
		"name":  writing("1_s", "n"), // as it is
		"description": func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("1_s", pipeline.Changes{Description: ptr("d")})
			return err
		},
		"agent": func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("1_s", pipeline.Changes{Agent: ptr("b")})
			return err
		},
		"retry_count": func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("1_s", pipeline.Changes{RetryCount: ptr(int64(0))})
			return err
		},
		"with a note": func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("1_s", pipeline.Changes{Note: ptr("n"), Name: ptr("x")})
			return err
		},
		"bump":    func(tx *pipeline.Tx) error { _, err := tx.BumpRetry("1_s", 1, 0); return err },
		"unblock": func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("1_s", false, nil); return err },
		"delete":  func(tx *pipeline.Tx) error { _, err := tx.Delete("1_s"); return err },
		"advance": advancing("1_s", ptr(pipeline.Current)),
		"release": func(tx *pipeline.Tx) error { _, err := tx.Release("1_s"); return err },
	} {
		err := c.as(other, change)
		c.refused(err, pipeline.KindHeld, "Hold:{Agent:a Claimed:true Ended:false")
		other.Rev = c.story("1_s").Rev.Short() // which alone is a precondition
		c.refused(c.as(other, change), pipeline.KindHeld)
		other.Rev = ""
	}
	var warned []pipeline.Fact
	c.must(c.as(other, func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("1_s", pipeline.Changes{Note: ptr("look at this")})
		return err
	}))
	c.must(c.as(other, func(tx *pipeline.Tx) error {
		_, err := tx.SetBlocked("1_s", true, ptr("wait"))
		warned = tx.Warnings()
		return err
	}))
	if !strings.Contains(allShown(warned), "blocked_anyway Hold:{Agent:a Claimed:true Ended:false") {
		t.Errorf("blocking warns of %q", allShown(warned))
	}
	if got := c.story("1_s"); got.Claim == nil || !got.Blocked {
		t.Errorf("got %+v", got)
	}
}

// TestOverride: the rev and a note that says why override a claim, under the caller's own name,
// and end it when the stage or the agent changes.
func TestOverride(t *testing.T) {
	c := newClaimer(t)
	boss := session("boss")
	override := func(id string) pipeline.Caller {
		by := boss
		by.Rev, by.Reason = c.story(id).Rev.Short(), "cancelled by the customer"
		return by
	}
	for id, step := range map[string]struct {
		change func(*pipeline.Tx) error
		ends   bool
	}{
		"1_s": {writing("1_s", "renamed"), false},
		"2_s": {func(tx *pipeline.Tx) error { _, _, err := tx.Write("2_s", stage(pipeline.Archived)); return err }, true},
		"3_s": {func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("3_s", pipeline.Changes{Agent: ptr("c")})
			return err
		}, true},
		"4_s": {advancing("4_s", ptr(pipeline.Archived)), true},
		"5_s": {func(tx *pipeline.Tx) error { _, err := tx.Release("5_s"); return err }, true},
	} {
		c.write(id, stage(pipeline.Backlog))
		_, err := c.claimBy(session("a"), id, 0)
		c.must(err)
		c.must(c.as(override(id), step.change))
		if got := c.story(id); (got.Claim == nil) != step.ends || step.ends && got.Agent == "a" {
			t.Errorf("%s: agent %q, claim %v", id, got.Agent, got.Claim)
		}
		if op := c.ops[len(c.ops)-1]; op.Agent != "boss" {
			t.Errorf("%s: signed by %q", id, op.Agent)
		}
	}
	c.write("6_s", stage(pipeline.Backlog))
	_, err := c.claimBy(session("a"), "6_s", 0)
	c.must(err)
	by := override("6_s")
	by.Rev = "000000000000"
	c.refused(c.as(by, writing("6_s", "x")), pipeline.KindConflict)
}

// TestHolderHearsOfTheEnd: the holder is told by whom its claim ended and how, in the refusal of
// its next write, whether that gives the claim or not, and its next write passes as anybody's.
func TestHolderHearsOfTheEnd(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	holder := session("a")
	_, err := c.claimBy(holder, "1_s", 0)
	c.must(err)
	token := c.story("1_s").Claim.Token
	boss := session("boss")
	boss.Rev, boss.Reason = c.story("1_s").Rev.Short(), "cancelled"
	c.must(c.as(boss, func(tx *pipeline.Tx) error {
		if _, err := tx.Advance("1_s", ptr(pipeline.Archived)); err != nil {
			return err
		}
		return tx.AddNote("1_s", nil, "cancelled by the customer")
	}))

	told := []string{"End:a by boss", "Stage:6_archived"}
	late := holder
	late.Claim = pipeline.ClaimText(token)
	c.refused(c.as(late, advancing("1_s", ptr(pipeline.Done))), pipeline.KindStale, told...)
	late.Claim, late.Made = "", map[string]pipeline.MadeClaim{"1_s": {Token: token, Agent: "a"}}
	c.refused(c.as(late, advancing("1_s", ptr(pipeline.Done))), pipeline.KindStale, told...)
	if stories, ended := c.state().As(late).Lost(); !cmp.Equal(stories, []string{"1_s"}) || !strings.Contains(allShown(ended), told[0]) {
		t.Errorf("lost: %v %q", stories, allShown(ended))
	}
	sub := late
	sub.Agent = "a sub-agent, which never had it"
	c.must(c.as(sub, advancing("1_s", ptr(pipeline.Merge))))
	if _, ended := c.state().As(sub).Lost(); ended != nil {
		t.Errorf("a sub-agent is told %q", allShown(ended))
	}
	c.must(c.as(holder, advancing("1_s", ptr(pipeline.Backlog)))) // it knows now

	// what its own agent did in a call whose answer is still on its way is no news
	_, err = c.claimBy(holder, "1_s", 0)
	c.must(err)
	late.Made["1_s"] = pipeline.MadeClaim{Token: c.story("1_s").Claim.Token, Agent: "a"}
	c.must(c.as(holder, advancing("1_s", ptr(pipeline.QA))))
	if stories, ended := c.state().As(late).Lost(); len(stories) != 1 || ended != nil {
		t.Errorf("its own end of the claim: %v %q", stories, allShown(ended))
	}
	c.must(c.as(late, writing("1_s", "after its own advance")))

	// of a deleted story, too
	_, err = c.claimBy(holder, "1_s", 0)
	c.must(err)
	late.Made["1_s"] = pipeline.MadeClaim{Token: c.story("1_s").Claim.Token, Agent: "a"}
	boss.Rev = c.story("1_s").Rev.Short()
	c.must(c.as(boss, func(tx *pipeline.Tx) error { _, err := tx.Delete("1_s"); return err }))
	c.refused(c.as(late, writing("1_s", "x")), pipeline.KindDeleted, "End:a by boss")
}

// TestAdvanceNeedsAClaimOrAStage: a repeated call does not walk a story through the pipeline.
func TestAdvanceNeedsAClaimOrAStage(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	c.refused(c.as(session("a"), advancing("1_s", nil)), pipeline.KindInvalid, "no_claim")
	_, err := c.claimBy(session("a"), "1_s", 0)
	c.must(err)
	withClaim := session("a")
	withClaim.Claim = pipeline.ClaimText(c.story("1_s").Claim.Token)
	c.must(c.as(withClaim, advancing("1_s", nil)))

	before := len(c.ops)
	for _, to := range []*pipeline.Stage{nil, ptr(pipeline.QA)} {
		if err := c.as(withClaim, advancing("1_s", to)); err != nil || len(c.ops) != before {
			t.Errorf("repeated to %v: %v, %d ops more", to, err, len(c.ops)-before)
		}
	}
	c.refused(c.as(withClaim, advancing("1_s", ptr(pipeline.Merge))), pipeline.KindStale)
	c.refused(c.as(session("a"), advancing("1_s", nil)), pipeline.KindInvalid, "no_claim", "Stage:3_qa")
	_, err = c.claimBy(session("q"), "1_s", 0)
	c.must(err)
	if err := c.as(withClaim, advancing("1_s", nil)); err != nil {
		t.Errorf("repeated while QA works on it: %v", err)
	}
	c.must(c.as(session("q"), advancing("1_s", ptr(pipeline.Current))))
	c.refused(c.as(withClaim, advancing("1_s", nil)), pipeline.KindStale, "Stage:2_current")

	// a release that is repeated, and one that is repeated as an advance
	_, err = c.claimBy(session("a"), "1_s", 0)
	c.must(err)
	withClaim.Claim = pipeline.ClaimText(c.story("1_s").Claim.Token)
	release := func(tx *pipeline.Tx) error { _, err := tx.Release("1_s"); return err }
	c.must(c.as(withClaim, release))
	c.must(c.as(withClaim, release))
	c.refused(c.as(withClaim, advancing("1_s", nil)), pipeline.KindStale)
}

// TestSigningIsNotAssigning: to assign a story signs nothing, warns, and holds nothing.
func TestSigningIsNotAssigning(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	var warned []pipeline.Fact
	c.must(c.as(session("planner"), func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("1_s", pipeline.Changes{Agent: ptr("coder")})
		warned = tx.Warnings()
		return err
	}))
	if op := c.ops[len(c.ops)-1]; op.Agent != "planner" || allShown(warned) != "assigned Agent:coder" {
		t.Errorf("signed by %q, warnings %q", op.Agent, allShown(warned))
	}
	c.must(c.as(session("b"), writing("1_s", "anybody may")))
	_, err := c.claimBy(session("b"), "1_s", 0)
	c.refused(err, pipeline.KindHeld, "Hold:{Agent:coder Claimed:false")
	_, err = c.claimBy(session("coder"), "1_s", 0)
	c.must(err)
}

// TestNamesOfNobody: words for nobody are no names.
func TestNamesOfNobody(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	for _, name := range []string{"null", "undefined", "None", " NIL "} {
		_, err := c.claimBy(session(name), "1_s", 0)
		c.refused(err, pipeline.KindInvalid, "nobody")
		c.refused(c.as(session("a"), func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("1_s", pipeline.Changes{Agent: &name})
			return err
		}), pipeline.KindInvalid, "nobody")
	}
}

// TestForeignClaimHasNoHolderHere: a claim of another replica is nobody's here, also under its
// agent's name. The claim itself and an override work.
func TestForeignClaimHasNoHolderHere(t *testing.T) {
	c := newClaimer(t)
	for _, id := range []string{"1_s", "2_s"} {
		c.apply(id, crdt.Set("stage", crdt.String("2_current")), crdt.Set("agent", crdt.String("far")), crdt.Set("claim", crdt.String("2023-11-14T22:13:20Z/..")))
	}
	far := session("far")
	c.refused(c.as(far, writing("1_s", "x")), pipeline.KindHeld, "Hold:{Agent:far Claimed:true Ended:false")
	_, err := c.claimBy(far, "1_s", 0)
	c.refused(err, pipeline.KindHeld)
	far.Claim = pipeline.ClaimText(c.story("1_s").Claim.Token)
	if won, err := c.claimBy(far, "1_s", 0); err != nil || !won.Renewed {
		t.Errorf("with the claim: %+v, %v", won, err)
	}
	c.must(c.as(session("far"), writing("1_s", "its session is here now")))

	boss := session("boss")
	boss.Rev, boss.Reason = c.story("2_s").Rev.Short(), "that machine is gone"
	c.must(c.as(boss, func(tx *pipeline.Tx) error { _, err := tx.Release("2_s"); return err }))
	if got := c.story("2_s"); got.Agent != "" || got.Stage != pipeline.Backlog {
		t.Errorf("after the override: %+v", got)
	}
}
