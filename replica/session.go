package replica

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Session is one connection of one agent: a transport opens one for each client, so
// that leases follow the agent and not the process.
type Session struct {
	r  *Replica
	id string
}

// sessions are the open ones.
type sessions struct {
	keeper  sync.Once      // starts who renews leases, when there is one to renew
	keeping sync.WaitGroup // for its end
	grace   atomic.Int64   // of the lease that was given out last, in nanoseconds

	mu   sync.Mutex              // guards all below
	open map[string]*openSession // by ID
}

// openSession is what a session has beside its ID. Nothing is made before its first claim.
type openSession struct {
	// release ends the mark by which other processes see that the session lives. It is nil
	// before the first claim.
	release func()
	// renews reports that the session may have leases that follow its life.
	renews bool
}

// OpenSession opens a session. Its ID is unlike that of any other that ever opens the
// database.
func (r *Replica) OpenSession(id string) *Session {
	r.sessions.mu.Lock()
	defer r.sessions.mu.Unlock()
	if r.sessions.open == nil {
		r.sessions.open = make(map[string]*openSession)
	}
	r.sessions.open[id] = &openSession{}
	return &Session{r, id}
}

// Close ends the session: its leases end after the grace, and nobody counts as their session any
// more. Closing the replica closes all sessions.
func (s *Session) Close() {
	s.r.sessions.mu.Lock()
	open := s.r.sessions.open[s.id]
	delete(s.r.sessions.open, s.id)
	s.r.sessions.mu.Unlock()
	if open != nil && open.renews {
		s.r.renew(context.WithoutCancel(s.r.life), []string{s.id})
	}
	if open != nil && open.release != nil {
		open.release()
	}
}

// end ends all sessions, whose leases are renewed no more.
func (s *sessions) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, open := range s.open {
		if open.release != nil {
			open.release()
		}
	}
	s.open = nil
}

// ID returns the session's ID.
func (s *Session) ID() string { return s.id }

// ClaimOptions returns how a claim of the agent is kept: for so many seconds, or
// with 0 for as long as the session lives and a grace, which the settings of the pipeline say
// unless the replica was configured with one.
func (s *Session) ClaimOptions(agent string, seconds int64) pipeline.ClaimOptions {
	return pipeline.ClaimOptions{Agent: agent, Seconds: seconds, Session: s.id, Grace: s.r.cfg.LeaseGrace}
}

// leaseReader is what leases are read from: a snapshot, or a transaction.
type leaseReader interface {
	Lease(claim crdt.OpID) (oplog.Lease, bool, error)
	History(story string, before int64, fn func(oplog.SignedRow) (more bool, err error)) error
	AgentOf(op crdt.OpID) (string, error)
}

// leases is what a pipeline is told of leases.
type leases struct {
	r  *Replica
	in leaseReader
}

// Now is that of [pipeline.Leases], and so are the other methods.
func (l leases) Now() time.Time { return l.r.cfg.Now() }

func (l leases) Lease(claim crdt.OpID) (pipeline.Lease, bool, error) {
	lease, ok, err := l.in.Lease(claim)
	return pipeline.Lease{Ends: lease.Ends, Seconds: lease.Seconds, Session: lease.Session}, ok, err
}

func (l leases) Alive(session string) bool { return l.r.alive(session) }

func (l leases) EndOf(story, digits string) (*pipeline.ClaimEnd, error) {
	var failed error
	end := pipeline.EndOf(func(yield func(*crdt.Op) bool) {
		failed = l.in.History(story, 0, func(row oplog.SignedRow) (more bool, err error) {
			op := row.Op
			return op == nil || yield(op), nil
		})
	}, digits)
	return end, failed
}

func (l leases) AgentOf(op crdt.OpID) (string, error) { return l.in.AgentOf(op) }

// alive reports whether a session lives, in this process or in another.
func (r *Replica) alive(session string) bool {
	r.sessions.mu.Lock()
	_, ours := r.sessions.open[session]
	r.sessions.mu.Unlock()
	return ours || oplog.SessionLives(r.cfg.Path, session)
}

// putLeases stores what the change does to leases. The caller is in the
// transaction in which its op is appended.
func (r *Replica) putLeases(tx *oplog.Tx, w *Write) error {
	for _, change := range w.leases {
		claim := change.Claim
		if claim.IsZero() {
			claim = w.id
		}
		if change.Lease == nil {
			if err := tx.DropLease(claim); err != nil {
				return err
			}
			continue
		}
		lease := oplog.Lease{Session: change.Lease.Session, Seconds: change.Lease.Seconds, Ends: change.Lease.Ends}
		if err := tx.PutLease(claim, lease); err != nil {
			return err
		}
		if lease.Seconds == 0 {
			r.sessions.grace.Store(int64(lease.Ends.Sub(r.cfg.Now())))
		}
		r.keepLeasesOf(lease.Session, lease.Seconds == 0)
	}
	return nil
}

// keepLeasesOf sees to it that other processes see a session live that makes a claim, and that the
// claim's lease is renewed if it is to follow the session. A session of another process is passed
// over.
func (r *Replica) keepLeasesOf(session string, renews bool) {
	r.sessions.mu.Lock()
	defer r.sessions.mu.Unlock()
	open := r.sessions.open[session]
	if open == nil {
		return
	}
	if open.release == nil {
		release, err := oplog.HoldSession(r.cfg.Path, session)
		if err != nil { // others with the session's name may take its claims for theirs
			r.cfg.Logger.Warn("other processes cannot see that this session lives", "error", err)
			release = func() {}
		}
		open.release = release
	}
	if renews {
		open.renews = true
		r.sessions.keeper.Do(func() { r.sessions.keeping.Go(r.keepLeases) })
	}
}

// holding returns the IDs of the open sessions that may have leases to renew.
func (s *sessions) holding() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, open := range s.open {
		if open.renews {
			ids = append(ids, id)
		}
	}
	return ids
}

// keepLeases renews the leases that follow the lives of open sessions until the
// replica is closed, and then once more, for the grace that follows. Whether it is
// time is seen by the wall clock, since leases end by it: it goes on while the
// machine sleeps, when timers do not. A new grace counts from the next lease on.
func (r *Replica) keepLeases() {
	least := cmp.Or(r.cfg.LeaseGrace, pipeline.MinLeaseGrace)
	ticker := time.NewTicker(min(time.Second, max(least/16, time.Millisecond)))
	defer ticker.Stop()
	renewed := r.cfg.Now().UnixMilli() // the difference of two Times goes by another clock
	for {
		select {
		case <-ticker.C:
		case <-r.life.Done():
			r.renew(context.WithoutCancel(r.life), r.sessions.holding()) // leases outlive the session by the grace
			return
		}
		interval := time.Duration(r.sessions.grace.Load() / 4).Milliseconds()
		if since := r.cfg.Now().UnixMilli() - renewed; since >= 0 && since < interval {
			continue
		}
		if r.renew(r.life, r.sessions.holding()) {
			renewed = r.cfg.Now().UnixMilli()
		}
	}
}

// renewPatience bounds the wait for the lock: a server that ends must not hang,
// and one that lives tries again.
const renewPatience = time.Second

// renew renews the leases that follow the sessions, and reports whether it could.
func (r *Replica) renew(ctx context.Context, sessions []string) bool {
	if len(sessions) == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, renewPatience)
	defer cancel()
	release, err := r.writing.Acquire(ctx)
	if err == nil {
		defer release()
		err = r.renewLocked(ctx, sessions)
		if errors.Is(err, oplog.ErrNoLog) {
			return true // there is no lease to renew
		}
	}
	if err != nil {
		r.cfg.Logger.Warn("leases could not be renewed; trying again", "error", err)
	}
	return err == nil
}

// renewLocked is renew for one who has the lock. It makes no file.
func (r *Replica) renewLocked(ctx context.Context, sessions []string) error {
	if err := r.reopen(ctx); err != nil {
		return err
	}
	return r.write(ctx, func(log *oplog.Log) error {
		return log.Write(ctx, func(tx *oplog.Tx) error {
			grace := r.leaseGrace(tx)
			r.sessions.grace.Store(int64(grace))
			for _, id := range sessions {
				if _, err := tx.RenewLeases(id, r.cfg.Now().Add(grace)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// leaseGrace returns how long claims outlive their sessions now. Where the settings cannot be read, it
// is as long as before: leases must not end for that.
func (r *Replica) leaseGrace(tx *oplog.Tx) time.Duration {
	if r.cfg.LeaseGrace > 0 {
		return r.cfg.LeaseGrace
	}
	state, err := r.stateOf(tx)
	if err == nil {
		settings := state.Settings()
		if state.Err() == nil {
			return settings.LeaseGrace
		}
	}
	return time.Duration(r.sessions.grace.Load())
}
