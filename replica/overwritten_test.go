package replica_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// pair is two replicas that know each other, and meet when the test says so.
type pair struct {
	t    *testing.T
	a, b client
	now  clock
}

func newPair(t *testing.T) *pair {
	p := &pair{t: t}
	p.a = newClient(t, filepath.Join(t.TempDir(), "a.db"), "a", 0, &p.now)
	p.b = newClient(t, filepath.Join(t.TempDir(), "b.db"), "b", 0, &p.now)
	p.set(p.a, "ann", pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: ptr("x"), Description: ptr("as it was")})
	p.meet()
	p.set(p.b, "bob", pipeline.Changes{Name: ptr("y")})
	p.meet()
	return p
}

// meet exchanges all ops.
func (p *pair) meet() {
	p.t.Helper()
	for _, way := range [][2]client{{p.a, p.b}, {p.b, p.a}} {
		ops, _, err := way[0].OpsAfter(p.t.Context(), 0, 1000)
		if err != nil {
			p.t.Fatal(err)
		}
		if _, err := way[1].Admit(p.t.Context(), ops); err != nil {
			p.t.Fatal(err)
		}
	}
}

// do changes the story.
func (p *pair) do(c client, agent string, reserved crdt.Fence, fn func(*pipeline.Tx) error) {
	p.t.Helper()
	_, err := c.Update(p.t.Context(), agent, func(tx *pipeline.Tx) error {
		tx.By(pipeline.Caller{Session: c.session.ID(), Name: agent, Reserved: pipeline.Reservation{Story: "1_s", Fence: reserved}})
		return fn(tx)
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) set(c client, agent string, change pipeline.Changes) {
	p.t.Helper()
	p.do(c, agent, crdt.Fence{}, func(tx *pipeline.Tx) error { _, _, err := tx.Write("1_s", change); return err })
}

// lost returns what was lost apart, as a replica tells it, and what the story warns of.
func (p *pair) lost(r *replica.Replica) (lost, warned []string) {
	p.t.Helper()
	err := r.View(p.t.Context(), func(v *replica.View) error {
		lost, warned = nil, nil
		for _, o := range v.Overwritten("", time.Time{}, 100) {
			lost = append(lost, fmt.Sprintf("%s %s of %s against %s", o.Field, strings.TrimRight(o.Value, "0123456789-:TZ/."), o.Agent, o.By))
		}
		st, err := v.Story("1_s")
		for _, f := range st.Warnings {
			warned = append(warned, fmt.Sprint(f.Code, " ", f.Count))
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return lost, warned
}

// want compares what both replicas say was lost.
func (p *pair) want(lost ...string) {
	p.t.Helper()
	for _, r := range []client{p.a, p.b} {
		got, warned := p.lost(r.Replica)
		if diff := cmp.Diff(lost, got); diff != "" {
			p.t.Errorf("lost (-want +got):\n%s", diff)
		}
		if is := fmt.Sprintf("overwritten %d", len(lost)); len(lost) > 0 && (len(warned) != 1 || warned[0] != is) || len(lost) == 0 && len(warned) > 0 {
			p.t.Errorf("the story warns of %q", warned)
		}
	}
}

// TestOverwrittenApart: what two replicas wrote into one field, neither knowing of the other, is told on both. Only the
// last value of the side that lost is, and only if it is another.
func TestOverwrittenApart(t *testing.T) {
	p := newPair(t)
	p.want()
	for i := range 3 {
		p.set(p.a, "ann", pipeline.Changes{Description: ptr(fmt.Sprint("by ann ", i))})
	}
	p.set(p.a, "ann", pipeline.Changes{Name: ptr("the same")})
	p.set(p.b, "bob", pipeline.Changes{Description: ptr("by bob"), Name: ptr("the same")})
	p.meet()
	p.want("description by bob of bob against ann")
	p.set(p.b, "bob", pipeline.Changes{Description: ptr("of both")}) // knows both
	p.meet()
	p.want("description by bob of bob against ann")
	p.now.advance(25 * time.Hour)
	for _, r := range []client{p.a, p.b} {
		if lost, warned := p.lost(r.Replica); len(lost) != 1 || len(warned) != 0 {
			t.Errorf("after a day: got %q, warnings %q", lost, warned)
		}
	}
}

// TestSupersededClaim: a claim that was made or lasted while its machine was cut off is told as one.
func TestSupersededClaim(t *testing.T) {
	p := newPair(t)
	claiming := func(c client, agent string) func(*pipeline.Tx) error {
		return func(tx *pipeline.Tx) error {
			_, err := tx.Claim("1_s", c.session.ClaimOptions(agent, 3600))
			return err
		}
	}
	p.do(p.a, "ann", crdt.Fence{Epoch: 7, Revision: 1}, claiming(p.a, "ann"))
	p.do(p.b, "bob", crdt.Fence{Epoch: 7, Revision: 2}, claiming(p.b, "bob"))
	p.meet()
	p.want("claim  of ann against bob")
	p.do(p.b, "bob", crdt.Fence{}, func(tx *pipeline.Tx) error { _, err := tx.Advance("1_s", nil); return err })
	p.meet()
	p.want("claim  of ann against bob")
}
