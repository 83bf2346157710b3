package replica_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
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

func newSession(t *testing.T, path, name string, grace time.Duration, c *clock) *replica.Replica {
	t.Helper()
	r := replica.New(replica.Config{
		Path: path, Now: c.now, Rand: rand.Reader, Session: name, LeaseGrace: grace,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func claim(r *replica.Replica, id, agent string, seconds int64) (won pipeline.Claimed, story pipeline.Story, err error) {
	story, err = r.Update(context.Background(), agent, func(tx *pipeline.Tx) (err error) {
		won, err = tx.Claim(id, r.ClaimOptions(agent, seconds))
		return err
	})
	return won, story, err
}

// TestRenewedLeaseIsDurable: what an agent was told outlives a power cut, also without
// an op.
func TestRenewedLeaseIsDurable(t *testing.T) {
	var syncs atomic.Int64
	r := replica.New(replica.Config{
		Path: filepath.Join(t.TempDir(), "p.db"), Now: time.Now, Rand: rand.Reader, Session: "s",
		Sync:   func(f *os.File) error { syncs.Add(1); return f.Sync() },
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	t.Cleanup(func() { _ = r.Close() })
	create(t, r, "1_s")
	for i, seconds := range []int64{60, 7 * 24 * 60 * 60} {
		before := syncs.Load()
		if won, _, err := claim(r, "1_s", "a", seconds); err != nil || won.Renewed != (i == 1) {
			t.Fatalf("got %+v (%v)", won, err)
		}
		if syncs.Load() == before {
			t.Errorf("a lease of %d s was answered and nothing was synced", seconds)
		}
	}
}

// TestRenewedLeaseWhoseSyncFails: what is on disk all the same is answered as done.
func TestRenewedLeaseWhoseSyncFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var fail atomic.Bool
	r := replica.New(replica.Config{
		Path: path, Now: time.Now, Rand: rand.Reader, Logger: discard, Session: "s",
		Sync: func(f *os.File) error {
			if fail.CompareAndSwap(true, false) {
				return errors.New("the disk fails")
			}
			return f.Sync()
		},
	})
	t.Cleanup(func() { _ = r.Close() })
	create(t, r, "1_s")
	if _, _, err := claim(r, "1_s", "coder-a", 60); err != nil {
		t.Fatal(err)
	}
	fail.Store(true)
	won, _, err := claim(r, "1_s", "coder-a", 3600)
	if err != nil || fail.Load() {
		t.Fatalf("%v (the disk failed: %v)", err, !fail.Load())
	}
	story, err := read(t, newReplica(t, path), "1_s")
	if err != nil || story.Claim == nil || story.Claim.Lease.Seconds != 3600 || !won.Renewed {
		t.Errorf("%+v, answered %+v, on disk %+v", err, won, story.Claim)
	}
}

// TestLeaseFollowsItsSession: the lease of a session that lives goes on however
// long it works, also when the clock jumps as after a sleep of the machine; when
// the session has ended others get the story after the grace, not before.
func TestLeaseFollowsItsSession(t *testing.T) {
	const grace = 10 * time.Second
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	a, b := newSession(t, path, "a", grace, &c), newSession(t, path, "b", grace, &c)
	create(t, a, "1_s")
	if _, story, err := claim(a, "1_s", "coder-a", 0); err != nil || story.Claim == nil || story.Claim.Lease.Session != "a" {
		t.Fatalf("got %+v (%v)", story.Claim, err)
	}
	ops := opCount(t, b)
	for _, jump := range []time.Duration{grace / 2, grace / 2, grace / 2, time.Hour} {
		c.advance(jump)
		for { // until it is renewed; never, if nobody does: then the test times out
			story, err := read(t, b, "1_s")
			if err != nil {
				t.Fatal(err)
			}
			if story.Claim.Live(c.now().Add(grace * 3 / 4)) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if _, _, err := claim(b, "1_s", "coder-b", 0); code(err) != pipeline.CodeHeld {
			t.Fatalf("while the session of coder-a lives: got %v, want code held", err)
		}
	}
	if n := opCount(t, b); n != ops {
		t.Errorf("renewing wrote %d ops", n-ops)
	}

	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	story, err := read(t, b, "1_s")
	if err != nil || story.Claim == nil || !story.Claim.Live(c.now().Add(grace/2)) {
		t.Errorf("after the end of the session: claim %+v (%v), want one that lasts for the grace", story.Claim, err)
	}
	c.advance(grace + time.Millisecond) // leases end with a full one
	won, _, err := claim(b, "1_s", "coder-b", 0)
	if err != nil || won.TakenFrom != "coder-a" {
		t.Errorf("after the grace: %+v (%v)", won, err)
	}
}

// TestLeaseOutlivesALeap: a clock that leaps by a month makes no session that lives lose its claim,
// also when another forgets leases that ended long ago before it is renewed.
func TestLeaseOutlivesALeap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	a, b := newSession(t, path, "a", time.Minute, &c), newSession(t, path, "b", time.Minute, &c)
	create(t, a, "1_s")
	create(t, b, "2_s")
	for id, r := range map[string]*replica.Replica{"1_s": a, "2_s": b} {
		if _, _, err := claim(r, id, "coder-"+id, 0); err != nil {
			t.Fatal(err)
		}
	}
	c.advance(31 * 24 * time.Hour)
	if _, err := b.Update(t.Context(), "", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("2_s", pipeline.Changes{Agent: ptr("")})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for { // until it is renewed; never, if it was forgotten: then the test times out
		story, err := read(t, b, "1_s")
		if err != nil {
			t.Fatal(err)
		}
		if story.Claim.Live(c.now()) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, _, err := claim(b, "1_s", "coder-2_s", 0); code(err) != pipeline.CodeHeld {
		t.Errorf("while the session of the other lives: got %v, want code held", err)
	}
}

// TestLeaseOutlivesAFailure: a session keeps its lease also when storing failed
// and no call of its agent comes after that.
func TestLeaseOutlivesAFailure(t *testing.T) {
	const grace = 10 * time.Second
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	var fail atomic.Bool
	a := replica.New(replica.Config{
		Path: path, Now: c.now, Rand: rand.Reader, Session: "a", LeaseGrace: grace,
		Logger: slog.New(slog.DiscardHandler),
		Sync: func(f *os.File) error {
			if fail.Load() {
				return errors.New("the disk fails")
			}
			return f.Sync()
		},
	})
	defer a.Close()
	b := newSession(t, path, "b", grace, &c)
	create(t, a, "1_s")
	if _, _, err := claim(a, "1_s", "coder-a", 0); err != nil {
		t.Fatal(err)
	}
	create(t, b, "2_s")
	fail.Store(true)
	if _, err := read(t, a, "2_s"); err == nil {
		t.Fatal("a read whose sync fails: got no error")
	}
	fail.Store(false)
	c.advance(grace / 2)
	for { // until it is renewed; never, if nobody does: then the test times out
		story, err := read(t, b, "1_s")
		if err != nil {
			t.Fatal(err)
		}
		if story.Claim.Live(c.now().Add(grace * 3 / 4)) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestSessionComesBack: an agent whose session died finds its story, and its new
// session keeps it from then on.
func TestSessionComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	a := newSession(t, path, "a", time.Minute, &c)
	create(t, a, "1_s")
	_, before, err := claim(a, "1_s", "coder", 0)
	if err != nil {
		t.Fatal(err)
	}
	again := newSession(t, path, "a2", time.Minute, &c)
	won, after, err := claim(again, "1_s", "coder", 0)
	if err != nil || !won.Renewed || !won.OtherSession || after.Claim.Token != before.Claim.Token || after.Claim.Lease.Session != "a2" {
		t.Errorf("got %+v, claim %+v (%v), want the same claim kept by the new session", won, after.Claim, err)
	}
	if won, _, err := claim(again, "1_s", "coder", 0); err != nil || !won.Renewed || won.OtherSession {
		t.Errorf("once more: %+v (%v)", won, err)
	}
}

// TestLeaseForSeconds: a lease for some time is renewed by nobody but who asks.
func TestLeaseForSeconds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	a, b := newSession(t, path, "a", time.Minute, &c), newSession(t, path, "b", time.Minute, &c)
	create(t, a, "1_s")
	for range 2 {
		if _, _, err := claim(a, "1_s", "coder-a", 600); err != nil {
			t.Fatal(err)
		}
		c.advance(590 * time.Second)
		if _, _, err := claim(b, "1_s", "coder-b", 0); code(err) != pipeline.CodeHeld {
			t.Errorf("after 590 s: got %v, want code held", err)
		}
	}
	c.advance(11 * time.Second)
	if won, _, err := claim(b, "1_s", "coder-b", 0); err != nil || won.TakenFrom != "coder-a" {
		t.Errorf("after 601 s: %+v (%v)", won, err)
	}
}

// TestOneClaimerWins: of many that claim one story at once, in one process and in
// several, one wins, and each that claims the next story gets another one.
func TestOneClaimerWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var c clock
	var sessions []*replica.Replica
	for _, name := range []string{"a", "b", "c"} {
		sessions = append(sessions, newSession(t, path, name, time.Minute, &c))
	}
	ids := []string{"1_s", "2_s", "3_s", "4_s", "5_s", "6_s", "7_s", "8_s", "9_s", "10_s", "11_s", "12_s"}
	for _, id := range ids {
		create(t, sessions[0], id)
	}
	var wins atomic.Int64
	var mu sync.Mutex
	got := make(map[string]string)
	var claimers sync.WaitGroup
	for i := range 12 {
		r, agent := sessions[i%3], string(rune('a'+i))
		claimers.Go(func() {
			if _, _, err := claim(r, "1_s", agent, 0); err == nil {
				wins.Add(1)
			} else if code(err) != pipeline.CodeHeld {
				t.Error(err)
			}
			story, err := r.Update(context.Background(), agent, func(tx *pipeline.Tx) error {
				_, err := tx.ClaimNext(nil, r.ClaimOptions(agent, 0))
				return err
			})
			if err != nil && code(err) != pipeline.CodeNotNow {
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
		story, err := read(t, sessions[0], id)
		if err != nil {
			t.Fatal(err)
		}
		if claimed := got[id]; claimed != "" && story.Agent != claimed {
			t.Errorf("%s was given to %s, but %q has it", id, claimed, story.Agent)
		}
	}
}

// opCount returns the number of ops applied.
func opCount(t *testing.T, r *replica.Replica) (n int) {
	t.Helper()
	err := r.View(context.Background(), func(s *pipeline.State) error { n = s.Doc().Len(); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// code returns the code of a domain error.
func code(err error) pipeline.Code {
	var e *pipeline.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
