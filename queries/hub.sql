-- name: GetHub :one
-- GetHub returns the hub that the replica is joined to.
SELECT author, address, pipeline, ca, root, replica, joined_at FROM hub;

-- name: PutHub :exec
-- PutHub makes a hub the one that the replica is joined to.
INSERT OR REPLACE INTO hub (id, author, address, pipeline, ca, root, replica, joined_at)
VALUES (1, ?, ?, ?, ?, ?, ?, ?);

-- name: SetHubAddress :exec
-- SetHubAddress changes where the hub is.
UPDATE hub SET address = ?;

-- name: DropHub :exec
-- DropHub forgets the hub.
DELETE FROM hub;

-- name: HubAuthor :many
-- HubAuthor returns who is joined: one row, or none.
SELECT author FROM hub;

-- name: QueueOp :exec
-- QueueOp enters a row of the log as one to send.
INSERT OR IGNORE INTO hub_outbox (arrival) VALUES (?);

-- name: QueueAllOps :exec
-- QueueAllOps enters all rows of the log as ones to send.
INSERT OR IGNORE INTO hub_outbox (arrival) SELECT arrival FROM crdt_ops;

-- name: QueueOpsOf :exec
-- QueueOpsOf enters all ops of an author as ones to send.
INSERT OR IGNORE INTO hub_outbox (arrival) SELECT arrival FROM crdt_ops WHERE author = ?;

-- name: UnqueueOp :exec
-- UnqueueOp forgets an op that is on the hub.
DELETE FROM hub_outbox WHERE arrival = ?;

-- name: DropOutbox :exec
-- DropOutbox forgets what is to be sent.
DELETE FROM hub_outbox;

-- name: Outbox :many
-- Outbox returns the first ops to send, all of them or those of an author.
SELECT q.arrival, o.op_id, o.seq, o.payload, o.signature, o.received_at
FROM hub_outbox AS q JOIN crdt_ops AS o ON o.arrival = q.arrival
WHERE CAST(sqlc.arg(whole) AS INTEGER) <> 0 OR o.author = sqlc.arg(author)
ORDER BY q.arrival LIMIT sqlc.arg(most);

-- name: OutboxSize :one
-- OutboxSize returns how many ops wait to be sent, and when the first of them arrived here.
SELECT count(*) AS ops, CAST(COALESCE((SELECT o.received_at FROM crdt_ops AS o
    WHERE o.arrival = (SELECT min(m.arrival) FROM hub_outbox AS m)), 0) AS INTEGER) AS since
FROM hub_outbox;

-- name: HubMarks :many
-- HubMarks returns how far the stream was read, and the last message that was acknowledged.
SELECT kind, epoch, seq, op_id FROM hub_marks;

-- name: PutHubMark :exec
-- PutHubMark stores one of the two.
INSERT OR REPLACE INTO hub_marks (kind, epoch, seq, op_id) VALUES (?, ?, ?, ?);

-- name: DropHubMarks :exec
-- DropHubMarks forgets both.
DELETE FROM hub_marks;

-- name: SkipMessage :exec
-- SkipMessage notes a message that was passed over.
INSERT OR REPLACE INTO hub_skipped (seq, why) VALUES (?, ?);

-- name: SkippedMessages :many
-- SkippedMessages returns the first messages that were passed over, above a sequence number.
SELECT seq, why FROM hub_skipped WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: CountSkipped :one
-- CountSkipped returns how many messages were passed over.
SELECT count(*) FROM hub_skipped;

-- name: UnskipMessage :exec
-- UnskipMessage forgets a message that was taken after all.
DELETE FROM hub_skipped WHERE seq = ?;

-- name: DropSkipped :exec
-- DropSkipped forgets all messages that were passed over.
DELETE FROM hub_skipped;

-- name: SetHubReplica :exec
-- SetHubReplica gives the database another subject to publish to.
UPDATE hub SET replica = ?;

-- name: DropHubMark :exec
-- DropHubMark forgets one of the two.
DELETE FROM hub_marks WHERE kind = ?;

-- name: OutboxOfMembers :many
-- OutboxOfMembers returns the first ops about members to send.
SELECT q.arrival, o.op_id, o.seq, o.payload, o.signature, o.received_at
FROM member_ops AS m JOIN hub_outbox AS q ON q.arrival = m.arrival JOIN crdt_ops AS o ON o.arrival = q.arrival
ORDER BY q.arrival LIMIT ?;
