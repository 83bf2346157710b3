package pipeline_test

import (
	"errors"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/pipeline/sourcetest"
)

// crowded returns a pipeline that has something for every rule to look at.
func crowded(t *testing.T) *claimer {
	c := newClaimer(t)
	c.write("1_done", stage(pipeline.Done))
	c.write("2_old", stage(pipeline.Archived))
	c.write("3_waits", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1, 2, 5, 9, 77}, Note: ptr("n")})
	c.write("4_ready", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1, 2}, Name: ptr("Log in")})
	c.write("5_blocked", pipeline.Changes{Stage: ptr(pipeline.Backlog), Blocked: ptr(true), DependsOn: &[]uint32{6}})
	c.write("6_mine", stage(pipeline.Backlog))
	c.write("6_theirs", stage(pipeline.Backlog))
	c.mustClaim("6_mine", "a", 0)
	c.mustClaim("6_theirs", "b", 0)
	c.apply("6_mine", crdt.Dep(3, true)) // a circle
	c.write("9_gone", stage(pipeline.Backlog))
	if err := c.change(func(tx *pipeline.Tx) error { _, err := tx.Delete("9_gone"); return err }); err != nil {
		t.Fatal(err)
	}
	c.apply("10_unseen", crdt.Set(pipeline.NameName, crdt.String("no stage yet")))
	c.write("4294967295_last", stage(pipeline.QA))
	c.set("limit.2_current", "5")
	return c
}

// TestFailingSource: whichever question of a call the source fails to answer, the call
// ends, the state says so and asks nothing more, and no error of another kind hides it.
func TestFailingSource(t *testing.T) {
	tx := func(fn func(*pipeline.Tx) error) func(*pipeline.State) error {
		return func(s *pipeline.State) error { return fn(s.NewTx()) }
	}
	write := func(id string, changes pipeline.Changes) func(*pipeline.State) error {
		return tx(func(tx *pipeline.Tx) error { _, _, err := tx.Write(id, changes); return err })
	}
	as := func(by pipeline.Caller, fn func(*pipeline.Tx) error) func(*pipeline.State) error {
		return tx(func(tx *pipeline.Tx) error {
			tx.By(by)
			return fn(tx)
		})
	}
	silent := func(fn func(*pipeline.State)) func(*pipeline.State) error {
		return func(s *pipeline.State) error { fn(s); return s.Err() }
	}
	c := crowded(t)
	ann := c.options("ann", 0)
	late := session("a")
	late.Claim = c.story("6_mine").Claim.Token.String()
	made := map[string]pipeline.MadeClaim{"3_waits": {Token: c.ops[0].ID}}
	for name, call := range map[string]func(*pipeline.State) error{
		"story":         func(s *pipeline.State) error { _, err := s.Story("3_waits"); return err },
		"story in all":  func(s *pipeline.State) error { _, err := s.Story("6_mine"); return err },
		"no story":      func(s *pipeline.State) error { _, err := s.Story("3_nothing"); return err },
		"no number":     func(s *pipeline.State) error { _, err := s.Story("ready"); return err },
		"list":          func(s *pipeline.State) error { _, err := s.List(pipeline.Filter{}, nil, 50); return err },
		"circles":       silent(func(s *pipeline.State) { s.Circles() }),
		"shared":        silent(func(s *pipeline.State) { s.SharedNumbers() }),
		"missing":       silent(func(s *pipeline.State) { s.Missing() }),
		"ids":           silent(func(s *pipeline.State) { s.IDs("3", 5) }),
		"agents":        silent(func(s *pipeline.State) { s.Agents() }),
		"notes":         silent(func(s *pipeline.State) { s.Notes("3_waits", 5) }),
		"dependents":    silent(func(s *pipeline.State) { s.Dependents("6_mine", 5) }),
		"waiting":       silent(func(s *pipeline.State) { s.NewTx().Waiting("5_blocked", 5) }),
		"can claim":     func(s *pipeline.State) error { _, err := s.As(session("ann")).CanClaim("", nil); return err },
		"can claim one": func(s *pipeline.State) error { _, err := s.As(session("ann")).CanClaim("3_waits", nil); return err },
		"claim":         tx(func(tx *pipeline.Tx) error { _, err := tx.Claim("4_ready", ann); return err }),
		"claim another": tx(func(tx *pipeline.Tx) error { _, err := tx.Claim("4_ready", c.options("a", 0)); return err }),
		"claim next":    tx(func(tx *pipeline.Tx) error { _, err := tx.ClaimNext(nil, ann); return err }),
		"claim nothing": tx(func(tx *pipeline.Tx) error { _, err := tx.ClaimNext(ptr(pipeline.Current), ann); return err }),
		"advance":       as(session("a"), func(tx *pipeline.Tx) error { _, err := tx.Advance("6_mine", nil); return err }),
		"release":       as(session("a"), func(tx *pipeline.Tx) error { _, err := tx.Release("6_mine"); return err }),
		"delete":        tx(func(tx *pipeline.Tx) error { _, err := tx.Delete("3_waits"); return err }),
		"restore":       tx(func(tx *pipeline.Tx) error { _, err := tx.Restore("9_gone"); return err }),
		"block":         tx(func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("3_waits", true, nil); return err }),
		"settings":      silent(func(s *pipeline.State) { s.Settings() }),
		"set":           tx(func(tx *pipeline.Tx) error { _, err := tx.SetSetting("max_retries", "5"); return err }),
		"carry": as(session("a"), func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("6_mine", stage(pipeline.Merge))
			return err
		}),
		"bump":         tx(func(tx *pipeline.Tx) error { _, err := tx.BumpRetry("3_waits", 1, 1); return err }),
		"note":         tx(func(tx *pipeline.Tx) error { return tx.AddNote("3_waits", nil, "n") }),
		"expect":       tx(func(tx *pipeline.Tx) error { return tx.Expect("3_waits", "000000000000") }),
		"expect claim": as(late, func(tx *pipeline.Tx) error { _, err := tx.Advance("3_waits", nil); return err }),
		"claim of":     as(late, func(tx *pipeline.Tx) error { _, err := tx.ClaimOf(); return err }),
		"lost":         silent(func(s *pipeline.State) { s.As(pipeline.Caller{Made: made}).Lost() }),
		"list ready": func(s *pipeline.State) error {
			_, err := s.List(pipeline.Filter{Ready: ptr(true)}, nil, 50)
			return err
		},
		"new ID":        tx(func(tx *pipeline.Tx) error { _, err := tx.NewID("bug", "x"); return err }),
		"create":        write("11_new", pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: ptr("Log in"), DependsOn: &[]uint32{1}}),
		"create unseen": write("10_unseen", pipeline.Changes{Stage: ptr(pipeline.Backlog)}),
		"reuse":         write("9_new", stage(pipeline.Backlog)),
		"no stage":      write("6_new", pipeline.Changes{Name: ptr("n")}),
		"depend":        write("1_done", pipeline.Changes{DependsOn: &[]uint32{3}}),
		"after":         write("1_done", pipeline.Changes{After: ptr("3_waits")}),
		"before":        write("1_done", pipeline.Changes{Before: ptr("3_waits")}),
		"after nothing": write("1_done", pipeline.Changes{After: ptr("3_nothing")}),
		"to the start":  write("3_waits", pipeline.Changes{After: ptr(pipeline.First)}),
		"reassign": as(session("a"), func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("6_mine", pipeline.Changes{Agent: ptr("b")})
			return err
		}),
	} {
		questions := 0
		for fail := 1; fail-1 <= questions; fail++ {
			questions = 0
			src := &sourcetest.Hooked{Source: c.model, Hook: func(method string) (bool, error) {
				if questions++; questions > fail {
					t.Errorf("%s: asked %s after question %d of it failed", name, method, fail)
				} else if questions == fail {
					return false, errFire
				}
				return true, nil
			}}
			s := pipeline.NewState(src, c)
			err := call(s)
			if failed := questions >= fail; failed != errors.Is(s.Err(), errFire) || failed && !errors.Is(err, errFire) {
				t.Errorf("%s: question %d of %d failed: got error %v, state says %v", name, fail, questions, err, s.Err())
			}
		}
		if questions == 0 {
			t.Errorf("%s: asked nothing", name)
		}
	}
}

var errFire = errors.New("disk on fire")

// burning are leases that cannot be read.
type burning struct{ *claimer }

func (burning) Lease(crdt.OpID) (pipeline.Lease, bool, error) {
	return pipeline.Lease{}, false, errFire
}

// TestFailingLeases: an error of the leases is one of the state.
func TestFailingLeases(t *testing.T) {
	c := crowded(t)
	s := pipeline.NewState(c.model, burning{c})
	if _, err := s.Story("6_mine"); !errors.Is(err, errFire) || !errors.Is(s.Err(), errFire) {
		t.Errorf("got %v, state says %v", err, s.Err())
	}
	if can, err := pipeline.NewState(c.model, burning{c}).CanClaim("", ptr(pipeline.Current)); can || !errors.Is(err, errFire) {
		t.Errorf("can claim: got %v, %v", can, err)
	}
}
