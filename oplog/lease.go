package oplog

import (
	"context"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// Lease says how long a claim lasts: this replica's own knowledge, no part of any
// op.
type Lease struct {
	// Session is the process that renews the lease while it lives; may be empty.
	Session string
	// Seconds is how long the lease lasts each time it is asked for; 0: as long as
	// Session lives, and a grace.
	Seconds int64
	// Ends is when others may take the story over.
	Ends time.Time
}

// leaseMemory is how long a lease for a time that has ended is kept. Without its row a claim
// counts as one from another replica, which by then has ended, too.
const leaseMemory = 30 * 24 * time.Hour

// Lease returns the lease of the claim that the op made, or false if there is none.
func (s *Snapshot) Lease(claim crdt.OpID) (Lease, bool, error) {
	lease, ok, err := leaseOf(s.ctx, s.q, claim)
	return lease, ok, s.log.fail("read lease", err)
}

// Lease returns the lease of the claim that the op made, or false if there is
// none, as the transaction has made it.
func (tx *Tx) Lease(claim crdt.OpID) (Lease, bool, error) {
	lease, ok, err := leaseOf(tx.ctx, tx.log.queries, claim)
	return lease, ok, tx.log.fail("read lease", err)
}

func leaseOf(ctx context.Context, q *db.Queries, claim crdt.OpID) (Lease, bool, error) {
	row, err := q.LeaseOf(ctx, claim[:])
	if err != nil {
		return Lease{}, false, none(err)
	}
	return Lease{Session: row.Session, Seconds: row.Seconds, Ends: time.UnixMilli(row.ExpiresAt).UTC()}, true, nil
}

// PutLease stores the lease of a claim, or a new one.
func (tx *Tx) PutLease(claim crdt.OpID, lease Lease) error {
	err := tx.log.queries.PutLease(tx.ctx, db.PutLeaseParams{
		Claim:     claim[:],
		Session:   lease.Session,
		Seconds:   lease.Seconds,
		ExpiresAt: milliseconds(lease.Ends),
	})
	return tx.changed("store lease", err)
}

// milliseconds rounds up: a lease must not end before its holder thinks.
func milliseconds(ends time.Time) int64 { return ends.Add(time.Millisecond - 1).UnixMilli() }

// DropLease forgets the lease of a claim that has ended, and those that ended
// long ago.
func (tx *Tx) DropLease(claim crdt.OpID) error {
	err := tx.log.queries.DropLease(tx.ctx, claim[:])
	if err == nil {
		err = tx.log.queries.DropLeasesBefore(tx.ctx, tx.log.cfg.Now().Add(-leaseMemory).UnixMilli())
	}
	return tx.changed("forget lease", err)
}

// RenewLeases gives the leases that follow the session's life a new end, and
// returns how many there are.
func (tx *Tx) RenewLeases(session string, ends time.Time) (int64, error) {
	n, err := tx.log.queries.RenewLeases(tx.ctx, db.RenewLeasesParams{ExpiresAt: milliseconds(ends), Session: session})
	return n, tx.changed("renew leases", err)
}
