package replica_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// clock is a clock that a test sets.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// client is a session of a replica of its own, as a process with one client has it.
type client struct {
	*replica.Replica
	session *replica.Session
}

func newClient(t *testing.T, path, session string, grace time.Duration, c *clock) client {
	t.Helper()
	cfg := configOf(t, path)
	cfg.Now, cfg.LeaseGrace = c.now, grace
	r := open(t, cfg)
	return client{r, r.OpenSession(session)}
}

func (c client) claim(id, agent string, seconds int64) (pipeline.Claimed, pipeline.Story, error) {
	return claim(c.session, c.Replica, id, agent, seconds)
}

// claim claims a story for an agent of a session.
func claim(s *replica.Session, r *replica.Replica, id, agent string, seconds int64) (won pipeline.Claimed, story pipeline.Story, err error) {
	story, err = r.Update(context.Background(), agent, func(tx *pipeline.Tx) (err error) {
		won, err = tx.Claim(id, s.ClaimOptions(agent, seconds))
		return err
	})
	return won, story, err
}

// waitUntilLive returns when the claim of the story lasts until the time that end returns. If
// nobody renews the lease, the test times out.
func waitUntilLive(t *testing.T, r *replica.Replica, id string, end func() time.Time) {
	t.Helper()
	for {
		story, err := read(t, r, id)
		if err != nil {
			t.Fatal(err)
		}
		if story.Claim.Live(end()) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestLeaseFollowsItsSession shows that the lease of a session that lives goes on however long the
// session works, also when the clock jumps as after a sleep of the machine. When the session has
// ended others get the story after the grace, not before.
func TestLeaseFollowsItsSession(t *testing.T) {
	const grace = 10 * time.Second
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	a, b := newClient(t, path, "a", grace, &c), newClient(t, path, "b", grace, &c)
	create(t, a.Replica, "1_s")
	if _, story, err := a.claim("1_s", "coder-a", 0); err != nil || story.Claim == nil || story.Claim.Lease.Session != "a" {
		t.Fatalf("got %+v (%v)", story.Claim, err)
	}
	ops := opCount(t, b.Replica)
	for _, jump := range []time.Duration{grace / 2, grace / 2, grace / 2, time.Hour} {
		c.advance(jump)
		waitUntilLive(t, b.Replica, "1_s", func() time.Time { return c.now().Add(grace * 3 / 4) })
		if _, _, err := b.claim("1_s", "coder-b", 0); kind(err) != pipeline.KindHeld {
			t.Fatalf("while the session of coder-a lives: got %v, want code held", err)
		}
	}
	if n := opCount(t, b.Replica); n != ops {
		t.Errorf("renewing wrote %d ops", n-ops)
	}

	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	story, err := read(t, b.Replica, "1_s")
	if err != nil || story.Claim == nil || !story.Claim.Live(c.now().Add(grace/2)) {
		t.Errorf("after the end of the session: claim %+v (%v), want one that lasts for the grace", story.Claim, err)
	}
	c.advance(grace + time.Millisecond) // leases end with a full one
	won, _, err := b.claim("1_s", "coder-b", 0)
	if err != nil || won.TakenFrom != "coder-a" {
		t.Errorf("after the grace: %+v (%v)", won, err)
	}
}

// TestLeaseOutlivesALeap shows that no session that lives loses its claim when the clock leaps by a
// month, also when another session forgets leases that ended long ago before the lease is renewed.
func TestLeaseOutlivesALeap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	a, b := newClient(t, path, "a", time.Minute, &c), newClient(t, path, "b", time.Minute, &c)
	create(t, a.Replica, "1_s")
	create(t, b.Replica, "2_s")
	for id, r := range map[string]client{"1_s": a, "2_s": b} {
		if _, _, err := r.claim(id, "coder-"+id, 0); err != nil {
			t.Fatal(err)
		}
	}
	c.advance(31 * 24 * time.Hour)
	if _, err := b.Update(t.Context(), "", func(tx *pipeline.Tx) error {
		tx.By(pipeline.Caller{Session: b.session.ID(), Name: "coder-2_s"})
		_, _, err := tx.Write("2_s", pipeline.Changes{Agent: ptr("")})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	waitUntilLive(t, b.Replica, "1_s", c.now)
	if _, _, err := b.claim("1_s", "coder-2_s", 0); kind(err) != pipeline.KindHeld {
		t.Errorf("while the session of the other lives: got %v, want code held", err)
	}
}

// TestSessionComesBack shows that an agent whose session died finds its story again. The agent's
// new session keeps the story from then on.
func TestSessionComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	a := newClient(t, path, "a", time.Minute, &c)
	create(t, a.Replica, "1_s")
	_, before, err := a.claim("1_s", "coder", 0)
	if err != nil {
		t.Fatal(err)
	}
	a.session.Close()
	again := newClient(t, path, "a2", time.Minute, &c)
	won, after, err := again.claim("1_s", "coder", 0)
	if err != nil || !won.Renewed || after.Claim.Token != before.Claim.Token || after.Claim.Lease.Session != "a2" {
		t.Errorf("got %+v, claim %+v (%v), want the same claim kept by the new session", won, after.Claim, err)
	}
	if won, _, err := again.claim("1_s", "coder", 0); err != nil || !won.Renewed {
		t.Errorf("once more: %+v (%v)", won, err)
	}
}

// TestSessionsOfOneReplica shows that leases follow the sessions of one process, each its own. When
// one is closed its story is free after the grace. The other's lease is renewed all the while.
func TestSessionsOfOneReplica(t *testing.T) {
	const grace = 10 * time.Second
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	a := newClient(t, path, "a", grace, &c)
	b := a.OpenSession("b")
	watcher := newClient(t, path, "c", grace, &c)
	for id, s := range map[string]*replica.Session{"1_s": a.session, "2_s": b} {
		create(t, a.Replica, id)
		if _, story, err := claim(s, a.Replica, id, "coder-"+s.ID(), 0); err != nil || story.Claim.Lease.Session != s.ID() {
			t.Fatalf("session %s: %+v (%v)", s.ID(), story.Claim, err)
		}
	}
	if _, _, err := claim(b, a.Replica, "1_s", "coder-b", 0); kind(err) != pipeline.KindHeld {
		t.Errorf("the other session's story: got %v, want code held", err)
	}
	c.advance(grace / 2)
	b.Close()
	b.Close() // once more does no harm
	story, err := read(t, watcher.Replica, "2_s")
	if err != nil || !story.Claim.Live(c.now().Add(grace*3/4)) {
		t.Errorf("closing does not give the grace: %+v, %v", story.Claim, err)
	}
	for range 3 {
		c.advance(grace / 2)
		waitUntilLive(t, watcher.Replica, "1_s", func() time.Time { return c.now().Add(grace * 3 / 4) })
	}
	if won, _, err := watcher.claim("2_s", "coder-c", 0); err != nil || won.TakenFrom != "coder-b" {
		t.Errorf("the closed session's story: %+v (%v)", won, err)
	}
	if _, _, err := watcher.claim("1_s", "coder-c", 0); kind(err) != pipeline.KindHeld {
		t.Errorf("the open session's story: got %v, want code held", err)
	}
}

// TestLeaseForSeconds shows that a lease for some time is renewed by nobody but the agent that asks.
func TestLeaseForSeconds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	a, b := newClient(t, path, "a", time.Minute, &c), newClient(t, path, "b", time.Minute, &c)
	create(t, a.Replica, "1_s")
	for range 2 {
		if _, _, err := a.claim("1_s", "coder-a", 600); err != nil {
			t.Fatal(err)
		}
		c.advance(590 * time.Second)
		if _, _, err := b.claim("1_s", "coder-b", 0); kind(err) != pipeline.KindHeld {
			t.Errorf("after 590 s: got %v, want code held", err)
		}
	}
	c.advance(11 * time.Second)
	if won, _, err := b.claim("1_s", "coder-b", 0); err != nil || won.TakenFrom != "coder-a" {
		t.Errorf("after 601 s: %+v (%v)", won, err)
	}
}

// TestOneClaimerWins shows that of many agents that claim one story at once, in one process and in
// several, one wins, and that agents that claim the next story get different stories.
func TestOneClaimerWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	var clients []client
	for _, name := range []string{"a", "b", "c"} {
		clients = append(clients, newClient(t, path, name, time.Minute, &c))
	}
	ids := []string{"1_s", "2_s", "3_s", "4_s", "5_s", "6_s", "7_s", "8_s", "9_s", "10_s", "11_s", "12_s"}
	for _, id := range ids {
		create(t, clients[0].Replica, id)
	}
	var wins atomic.Int64
	var mu sync.Mutex
	got := make(map[string]string)
	var claimers sync.WaitGroup
	for i := range 12 {
		r, agent := clients[i%3], string(rune('a'+i))
		claimers.Go(func() {
			if _, _, err := r.claim("1_s", agent, 0); err == nil {
				wins.Add(1)
			} else if kind(err) != pipeline.KindHeld {
				t.Error(err)
			}
			story, err := r.Update(context.Background(), agent, func(tx *pipeline.Tx) error {
				_, err := tx.ClaimNext(nil, r.session.ClaimOptions(agent, 0))
				return err
			})
			if err != nil && kind(err) != pipeline.KindNotNow {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil && got[story.ID] != "" {
				t.Errorf("%s was given to %s and %s", story.ID, got[story.ID], agent)
			}
			got[story.ID] = agent
		})
	}
	claimers.Wait()
	if wins.Load() > 1 {
		t.Errorf("%d of 12 won 1_s, want 1 at most", wins.Load())
	}
	for _, id := range ids {
		story, err := read(t, clients[0].Replica, id)
		if err != nil {
			t.Fatal(err)
		}
		if claimed := got[id]; claimed != "" && story.Agent != claimed {
			t.Errorf("%s was given to %s, but %q has it", id, claimed, story.Agent)
		}
	}
}

// opCount returns the number of ops in the log.
func opCount(t *testing.T, r *replica.Replica) (n int) {
	t.Helper()
	if err := r.History(context.Background(), func(replica.Entry) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// code returns the code of a domain error.
func kind(err error) pipeline.Kind {
	var e *pipeline.Error
	if errors.As(err, &e) {
		return e.Kind()
	}
	return ""
}

// TestLeaseGraceIsASetting: without a grace of its own a replica gives out and renews leases as the
// settings of the pipeline say, and a change of these counts for sessions that live.
func TestLeaseGraceIsASetting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	a, b := newClient(t, path, "a", 0, &c), newClient(t, path, "b", 0, &c)
	create(t, a.Replica, "1_s")
	set := func(value string) {
		t.Helper()
		_, err := b.Update(context.Background(), "ann", func(tx *pipeline.Tx) error {
			_, err := tx.SetSetting(pipeline.NameLeaseGrace, value)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	set("20s")
	_, story, err := a.claim("1_s", "coder-a", 0)
	if err != nil {
		t.Fatal(err)
	}
	if left := story.Claim.Lease.Ends.Sub(c.now()); left <= 15*time.Second || left > 21*time.Second { // clocks differ by microseconds
		t.Errorf("the lease lasts %v, want 20 s", left)
	}
	c.advance(15 * time.Second)
	waitUntilLive(t, b.Replica, "1_s", func() time.Time { return c.now().Add(15 * time.Second) })
	set("1h")
	c.advance(6 * time.Second)
	waitUntilLive(t, b.Replica, "1_s", func() time.Time { return c.now().Add(50 * time.Minute) })
}
