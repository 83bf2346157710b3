package pipeline_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/pipeline"
)

// TestAdvanceAndRelease walks a story through the pipeline, to and fro.
func TestAdvanceAndRelease(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	advance := func(agent string, to *pipeline.Stage) (changed []string, err error) {
		err = c.as(session(agent), func(tx *pipeline.Tx) (err error) { changed, err = tx.Advance("1_s", to); return err })
		return changed, err
	}
	release := func(agent string) (changed []string, err error) {
		err = c.as(session(agent), func(tx *pipeline.Tx) (err error) { changed, err = tx.Release("1_s"); return err })
		return changed, err
	}
	expect := func(what string, changed []string, err error, want []string, st pipeline.Stage) {
		t.Helper()
		got := c.story("1_s")
		if diff := cmp.Diff(want, changed); diff != "" || err != nil || got.Stage != st || got.Agent != "" || got.Claim != nil || len(c.leases) > 0 {
			t.Errorf("%s: %v; changed (-want +got): %s; stage %s, agent %q, leases %v", what, err, diff, got.Stage, got.Agent, c.leases)
		}
	}

	c.mustClaim("1_s", "a", 0)
	_, err := advance("b", nil)
	c.refused(err, pipeline.KindHeld, "not_yours", "Claimed:true Ended:false")
	_, err = release("b")
	c.refused(err, pipeline.KindHeld, "not_yours")
	_, err = advance("a", ptr(pipeline.Current))
	c.refused(err, pipeline.KindInvalid, "in_stage")
	changed, err := release("a")
	expect("release", changed, err, []string{"agent", "stage"}, pipeline.Backlog)
	changed, err = release("a")
	expect("release again", changed, err, nil, pipeline.Backlog)

	c.mustClaim("1_s", "a", 0)
	changed, err = advance("a", nil)
	expect("advance", changed, err, []string{"stage", "agent"}, pipeline.QA)
	changed, err = advance("a", ptr(pipeline.QA))
	expect("advance again", changed, err, nil, pipeline.QA)
	c.mustClaim("1_s", "q", 0)
	changed, err = advance("q", ptr(pipeline.Current))
	expect("reject", changed, err, []string{"stage", "agent"}, pipeline.Current)
	c.mustClaim("1_s", "q", 0)
	changed, err = release("q")
	expect("release from 2_current", changed, err, []string{"agent", "stage"}, pipeline.Backlog)
	changed, err = advance("q", ptr(pipeline.QA))
	expect("to a stage without a claim", changed, err, []string{"stage"}, pipeline.QA)
	c.mustClaim("1_s", "q", 0)
	changed, err = release("q")
	expect("release in 3_qa", changed, err, []string{"agent"}, pipeline.QA)

	// a lease that has ended keeps nobody away, and its own agent may still go on
	c.mustClaim("1_s", "q", 0)
	c.now = c.now.Add(time.Hour)
	changed, err = advance("b", ptr(pipeline.Merge))
	expect("after the lease", changed, err, []string{"stage", "agent"}, pipeline.Merge)
	c.mustClaim("1_s", "m", 0)
	c.now = c.now.Add(time.Hour)
	changed, err = advance("m", nil)
	expect("late", changed, err, []string{"stage", "agent"}, pipeline.Done)

	c.must(c.as(session("b"), func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("1_s", true, ptr("red")); return err }))
	_, err = advance("b", ptr(pipeline.Archived))
	c.refused(err, pipeline.KindNotNow, "stays_blocked", "Stage:5_done Text:red")
	c.must(c.as(session("b"), func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("1_s", false, nil); return err }))
	changed, err = advance("b", ptr(pipeline.Archived))
	expect("on", changed, err, []string{"stage"}, pipeline.Archived)
	_, err = advance("b", ptr(pipeline.Stage("7_x")))
	c.refused(err, pipeline.KindInvalid, "bad_stage")
}

// TestReassign: the holder may give its story to somebody else, or to nobody, which ends its claim.
func TestReassign(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	assign := func(by, agent string) error {
		return c.as(session(by), func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("1_s", pipeline.Changes{Agent: &agent})
			return err
		})
	}
	for _, to := range []string{"b", ""} {
		c.must(assign("x", ""))
		c.mustClaim("1_s", "a", 0)
		c.refused(assign("b", "b"), pipeline.KindHeld, "not_yours")
		c.must(assign("a", "a")) // as it is
		if c.story("1_s").Claim == nil {
			t.Error("the same agent again ended the claim")
		}
		c.must(assign("a", to))
		if got := c.story("1_s"); got.Agent != to || got.Claim != nil || len(c.leases) > 0 {
			t.Errorf("given to %q: agent %q, claim %v, leases %v", to, got.Agent, got.Claim, c.leases)
		}
	}
}
