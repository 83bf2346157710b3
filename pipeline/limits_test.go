package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// claimIn claims the next story of a stage.
func (c *claimer) claimIn(stage pipeline.Stage, agent string) (won pipeline.Claimed, err error) {
	c.t.Helper()
	err = c.change(func(tx *pipeline.Tx) (err error) {
		won, err = tx.ClaimNext(&stage, c.options(agent, 0))
		return err
	})
	return won, err
}

// TestLimitMakesMergingSerial: with a limit of 1 a second story of the stage waits for room. It says
// why, is not ready, and can be claimed as soon as the first has moved on or its lease has ended.
func TestLimitMakesMergingSerial(t *testing.T) {
	c := newClaimer(t)
	c.set("limit.4_merge", "1")
	for _, id := range []string{"1_a", "2_b", "3_c"} {
		c.write(id, stage(pipeline.Merge))
	}
	c.write("4_d", stage(pipeline.QA))
	ready := func() string {
		t.Helper()
		page := c.list(pipeline.Filter{Ready: ptr(true)}, nil, 50)
		var ids []string
		for _, st := range page.Stories {
			ids = append(ids, st.ID)
		}
		if page.Total != len(ids) {
			t.Errorf("%d ready stories counted, %v listed", page.Total, ids)
		}
		return strings.Join(ids, " ")
	}
	if got := ready(); got != "4_d 1_a 2_b 3_c" {
		t.Errorf("ready are %s", got)
	}
	c.mustClaim("1_a", "m1", 0)
	if got := ready(); got != "4_d" || c.story("2_b").Ready {
		t.Errorf("with the stage full ready are %s", got)
	}
	const why = "Crowd:1 of 1 in 4_merge 1_a by m1"
	_, err := c.claim("2_b", "m2", 0)
	c.refused(err, pipeline.KindNotNow, "crowded Story:2_b "+why)
	_, err = c.claimIn(pipeline.Merge, "m2")
	c.refused(err, pipeline.KindNotNow, "2 crowded: 2_b 3_c", why)
	if can, err := c.state().As(session("m2")).CanClaim("2_b", nil); can || err != nil {
		t.Errorf("can claim: %v, %v", can, err)
	}
	if won := c.mustClaim("1_a", "m1", 0); !won.Renewed {
		t.Error("the holder's own claim was not renewed")
	}
	c.mustClaim("4_d", "q", 0) // another stage has no limit

	// assigned to the caller: it waits all the same
	c.write("3_c", pipeline.Changes{Agent: ptr("m2")})
	if won, err := c.claim("", "m2", 0); err == nil {
		t.Errorf("claimed %s", won.StoryID)
	}

	c.must(c.as(session("m1"), advancing("1_a", nil)))
	c.mustClaim("2_b", "m2", 0)
	c.now = c.now.Add(2 * time.Minute) // the lease has ended
	if won := c.mustClaim("3_c", "m2", 0); won.Renewed {
		t.Error("renewed")
	}
	_, err = c.claim("2_b", "m3", 0)
	c.refused(err, pipeline.KindNotNow)
	c.set("limit.4_merge", "2")
	c.mustClaim("2_b", "m3", 0)
}

// TestLimitOfCurrentKeepsTheBacklog: a claim from 1_backlog counts in 2_current.
func TestLimitOfCurrentKeepsTheBacklog(t *testing.T) {
	c := newClaimer(t)
	c.set("limit.2_current", "2")
	for _, id := range []string{"1_a", "2_b", "3_c"} {
		c.write(id, stage(pipeline.Backlog))
	}
	c.mustClaim("", "a", 0)
	c.mustClaim("", "b", 0)
	_, err := c.claim("", "c", 0)
	c.refused(err, pipeline.KindNotNow, "1 crowded: 3_c", "Crowd:2 of 2 in 2_current 1_a by a 2_b by b")
	c.must(c.as(session("b"), advancing("2_b", nil)))
	if won := c.mustClaim("", "c", 0); won.StoryID != "3_c" {
		t.Errorf("claimed %s", won.StoryID)
	}
}

// TestLimitHoldsForCarriedClaims: no claim comes into a full stage with its story. A move that ends the
// claim is free.
func TestLimitHoldsForCarriedClaims(t *testing.T) {
	c := newClaimer(t)
	c.set("limit.4_merge", "1")
	c.set("limit.2_current", "1")
	c.write("1_a", stage(pipeline.Merge))
	c.write("2_b", stage(pipeline.QA))
	c.mustClaim("1_a", "m", 0)
	c.mustClaim("2_b", "q", 0)
	carry := func(to pipeline.Stage) error {
		return c.as(session("q"), func(tx *pipeline.Tx) error { _, _, err := tx.Write("2_b", stage(to)); return err })
	}
	err := carry(pipeline.Merge)
	c.refused(err, pipeline.KindNotNow, "carried Story:2_b Crowd:1 of 1 in 4_merge")
	c.must(carry(pipeline.Backlog)) // no limit there
	c.write("3_c", stage(pipeline.Backlog))
	c.mustClaim("3_c", "a", 0) // takes the only place in 2_current
	won := c.mustClaim("2_b", "q", 0)
	if st := c.story("2_b"); !won.Renewed || st.Stage != pipeline.Backlog || won.Stays == nil || shown(won.Stays) != "stays_back Stage:1_backlog Crowd:1 of 1 in 2_current 3_c by a" {
		t.Errorf("a renewed claim was carried into %s: %+v", st.Stage, won)
	}
	c.must(c.as(session("q"), advancing("2_b", ptr(pipeline.Merge))))
	if st := c.story("2_b"); st.Stage != pipeline.Merge || st.Agent != "" {
		t.Errorf("advanced to %s with agent %q", st.Stage, st.Agent)
	}

	// a claim that a restored story brings along is told of
	c.must(c.as(session("m"), func(tx *pipeline.Tx) error { _, err := tx.Delete("1_a"); return err }))
	c.mustClaim("2_b", "m2", 0)
	var warnings []pipeline.Fact
	c.must(c.as(session("m"), func(tx *pipeline.Tx) error {
		_, err := tx.Restore("1_a")
		warnings = tx.Warnings()
		return err
	}))
	if got := allShown(warnings); got != "back_beyond Agent:m Crowd:1 of 1 in 4_merge 2_b by m2" {
		t.Errorf("warnings: %s", got)
	}
	c.write("5_e", stage(pipeline.Merge))
	_, err = c.claim("5_e", "m3", 0)
	c.refused(err, pipeline.KindNotNow)
}

// TestLimitHoldsForEndedClaims: a claim that has ended needs room to be renewed, as others may have taken the
// place.
func TestLimitHoldsForEndedClaims(t *testing.T) {
	c := newClaimer(t)
	c.set("limit.4_merge", "1")
	c.write("1_a", stage(pipeline.Merge))
	c.write("2_b", stage(pipeline.Merge))
	c.mustClaim("1_a", "m1", 0)
	c.now = c.now.Add(2 * time.Minute)
	c.mustClaim("2_b", "m2", 0)
	_, err := c.claim("1_a", "m1", 0)
	c.refused(err, pipeline.KindNotNow, "crowded Story:1_a Crowd:1 of 1 in 4_merge 2_b by m2")
	c.must(c.as(session("m2"), advancing("2_b", nil)))
	if won := c.mustClaim("1_a", "m1", 0); !won.Renewed {
		t.Errorf("got %+v", won)
	}
}

// TestLimitCountsForeignClaims: claims of other replicas count, and may pass the limit together.
func TestLimitCountsForeignClaims(t *testing.T) {
	c := newClaimer(t)
	c.set("limit.4_merge", "1")
	for _, id := range []string{"1_a", "2_b", "3_c"} {
		c.write(id, stage(pipeline.Merge))
	}
	for _, id := range []string{"1_a", "2_b"} {
		c.apply(id, crdt.Set("agent", crdt.String("far")), crdt.Set("claim", crdt.String(c.now.Format(time.RFC3339)+"/..")))
	}
	_, err := c.claim("3_c", "m", 0)
	c.refused(err, pipeline.KindNotNow, "Crowd:2 of 1 in 4_merge 1_a by far 2_b by far")
	c.now = c.now.Add(25 * time.Hour)
	c.mustClaim("3_c", "m", 0)
}

// TestClaimLastsAsSet: without a grace of its own a claim lasts as the settings say.
func TestClaimLastsAsSet(t *testing.T) {
	c := newClaimer(t)
	c.write("1_a", stage(pipeline.Backlog))
	c.set("lease_grace", "5m")
	c.must(c.change(func(tx *pipeline.Tx) error {
		_, err := tx.Claim("1_a", pipeline.ClaimOptions{Agent: "a", Session: "s"})
		return err
	}))
	if left := c.story("1_a").Claim.Lease.Ends.Sub(c.now); left != 5*time.Minute {
		t.Errorf("the lease lasts %v, want 5 minutes", left)
	}
}
