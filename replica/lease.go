package replica

import (
	"context"
	"errors"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

// DefaultLeaseGrace is how long a claim outlives the session that made it: long
// enough for a host to start its server anew, short enough that nobody waits for
// the work of a dead agent.
const DefaultLeaseGrace = 120 * time.Second

// leases is the replica as its pipeline asks it for leases. The caller of the
// pipeline holds mu.
type leases struct{ r *Replica }

func (l leases) Now() time.Time { return l.r.cfg.Now() }

func (l leases) Lease(claim crdt.OpID) (pipeline.Lease, bool, error) {
	if l.r.log == nil {
		return pipeline.Lease{}, false, nil
	}
	lease, ok, err := l.r.log.Lease(l.r.life, claim)
	return pipeline.Lease{Ends: lease.Ends, Seconds: lease.Seconds, Session: lease.Session}, ok, err
}

// ClaimOptions returns how a claim of the agent is kept: for so many seconds, or
// with 0 for as long as this process lives and a grace.
func (r *Replica) ClaimOptions(agent string, seconds int64) pipeline.ClaimOptions {
	return pipeline.ClaimOptions{Agent: agent, Seconds: seconds, Session: r.cfg.Session, Grace: r.cfg.LeaseGrace}
}

// Now is the time by which leases end.
func (r *Replica) Now() time.Time { return r.cfg.Now() }

// putLeases stores what the change does to leases. The caller is in the
// transaction in which its op is appended.
func (r *Replica) putLeases(tx *oplog.Tx, w *Write) error {
	for _, change := range w.leases {
		claim := change.Claim
		if claim.IsZero() {
			claim = w.op.ID
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
		if lease.Session != "" && lease.Session == r.cfg.Session {
			r.keeper.Do(func() { r.keeping.Go(r.keepLeases) })
		}
	}
	return nil
}

// leasesStored reports whether the leases are as the change made them, if it did.
func (r *Replica) leasesStored(w *Write) (bool, error) {
	for _, change := range w.leases {
		lease, there, err := r.log.Lease(r.life, change.Claim)
		if err != nil || there != (change.Lease != nil) {
			return false, err
		}
		if there && (lease.Session != change.Lease.Session || lease.Seconds != change.Lease.Seconds || lease.Ends.Before(change.Lease.Ends)) {
			return false, nil
		}
	}
	return len(w.leases) > 0, nil
}

// keepLeases renews the leases that follow the life of this process until the
// replica is closed, and then once more, for the grace that follows. Whether it is
// time is seen by the wall clock, since leases end by it: it goes on while the
// machine sleeps, when timers do not.
func (r *Replica) keepLeases() {
	interval := (r.cfg.LeaseGrace / 4).Milliseconds()
	ticker := time.NewTicker(min(time.Second, max(r.cfg.LeaseGrace/16, time.Millisecond)))
	defer ticker.Stop()
	renewed := r.cfg.Now().UnixMilli() // the difference of two Times goes by another clock
	for {
		select {
		case <-ticker.C:
		case <-r.life.Done():
			r.renew(context.WithoutCancel(r.life)) // leases outlive the session by the grace
			return
		}
		if since := r.cfg.Now().UnixMilli() - renewed; since >= 0 && since < interval {
			continue
		}
		if r.renew(r.life) {
			renewed = r.cfg.Now().UnixMilli()
		}
	}
}

// renewPatience bounds the wait for the lock: a server that ends must not hang,
// and one that lives tries again.
const renewPatience = time.Second

// renew renews the leases that follow this session, and reports whether it could. It
// need not be durable: after a power cut no session lives.
func (r *Replica) renew(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, renewPatience)
	defer cancel()
	release, err := r.writing.Acquire(ctx)
	if err == nil {
		defer release()
		r.mu.Lock()
		defer r.mu.Unlock()
		if err = r.reopen(ctx); errors.Is(err, oplog.ErrNoLog) {
			return true // there is no lease to renew
		}
		if err == nil {
			err = r.log.Commit(ctx, func(tx *oplog.Tx) error {
				_, err := tx.RenewLeases(r.cfg.Session, r.cfg.Now().Add(r.cfg.LeaseGrace))
				return err
			})
			if err != nil {
				r.fail(err)
			}
		}
	}
	if err != nil {
		r.cfg.Logger.Warn("leases could not be renewed; trying again", "error", err)
	}
	return err == nil
}

// reopen makes the log ready to write after a failure, since an agent at work may
// not call for long. It makes no file: that one is gone is for the next call to
// tell. The caller holds the lock and mu.
func (r *Replica) reopen(ctx context.Context) error {
	if r.log != nil {
		r.log.LookAgain()
	}
	r.look()
	if err := r.openLog(ctx); err != nil {
		return err
	}
	return r.settle(ctx)
}
