-- name: LeaseOf :one
-- LeaseOf returns the lease of a claim.
SELECT session, seconds, expires_at FROM leases WHERE claim = ?;

-- name: PutLease :exec
-- PutLease stores the lease of a claim, or a new end of it.
INSERT INTO leases (claim, session, seconds, expires_at) VALUES (?, ?, ?, ?)
ON CONFLICT (claim) DO UPDATE
SET session = excluded.session, seconds = excluded.seconds, expires_at = excluded.expires_at;

-- name: DropLease :exec
-- DropLease forgets the lease of a claim that has ended.
DELETE FROM leases WHERE claim = ?;

-- name: DropLeasesBefore :exec
-- DropLeasesBefore forgets leases for a time that ended long ago. The session of another may
-- live, whatever the clock says, and renew it in a moment.
DELETE FROM leases WHERE expires_at < ? AND seconds > 0;

-- name: RenewLeases :execrows
-- RenewLeases gives all leases that follow a session's life a new end.
UPDATE leases SET expires_at = ? WHERE session = ? AND seconds = 0;

-- name: ExtendLeases :exec
-- ExtendLeases gives all leases that have not ended an end that is not before a time.
UPDATE leases SET expires_at = max(expires_at, sqlc.arg(until)) WHERE expires_at > sqlc.arg(now);
