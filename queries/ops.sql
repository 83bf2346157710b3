-- name: AppendOp :execlastid
-- AppendOp adds an op at the end and returns its arrival number. An op that is
-- here already is an error: the writer looks first, under the lock.
INSERT INTO crdt_ops (op_id, author, seq, payload, signature, received_at)
VALUES (?, ?, ?, ?, ?, ?);

-- name: RenameOp :execrows
-- RenameOp mends a damaged op ID, unless another row has the op.
UPDATE OR IGNORE crdt_ops SET op_id = ? WHERE arrival = ?;

-- name: SignedOpsAfter :many
-- SignedOpsAfter returns up to limit ops that arrived after the given arrival number,
-- in order of arrival.
SELECT arrival, op_id, seq, payload, signature, received_at
FROM crdt_ops
WHERE arrival > ?
ORDER BY arrival
LIMIT ?;

-- name: SignedOpAt :one
-- SignedOpAt is SignedOpsAfter for the op with the given arrival number.
SELECT arrival, op_id, seq, payload, signature, received_at
FROM crdt_ops
WHERE arrival = ?;

-- name: RepairOp :execrows
-- RepairOp gives the row of an op its bytes back. It keeps its place. The seq in
-- a damaged row may be another, so the whole index is searched.
UPDATE crdt_ops
SET author = ?, seq = ?, payload = ?, signature = ?
WHERE arrival IN (SELECT o.arrival FROM crdt_ops AS o WHERE o.op_id = ?);

-- name: FirstOp :one
-- FirstOp returns the ID of the op that arrived first.
SELECT op_id FROM crdt_ops ORDER BY arrival LIMIT 1;

-- name: AppendRepair :exec
-- AppendRepair notes that a damaged row got its bytes back.
INSERT INTO repairs (op_id, repaired_at) VALUES (?, ?);

-- name: OpSignature :one
-- OpSignature returns the stored signature of an op.
SELECT signature FROM crdt_ops WHERE seq = ? AND op_id = ?;

-- name: OpSignatureAnySeq :one
-- OpSignatureAnySeq finds the op also if the seq in its row is damaged: it
-- searches the whole index.
SELECT signature FROM crdt_ops
WHERE arrival IN (SELECT o.arrival FROM crdt_ops AS o WHERE o.op_id = ?);

-- name: OpsToVerify :many
-- OpsToVerify returns up to limit ops from one arrival number to another, in
-- order of arrival, with all that the payload vouches for. Verify scans it by
-- hand: in a damaged file a column may hold anything.
SELECT arrival, op_id, author, seq, payload, signature
FROM crdt_ops
WHERE arrival BETWEEN sqlc.arg(first) AND sqlc.arg(last)
ORDER BY arrival
LIMIT sqlc.arg(rows);

-- name: OpAt :one
-- OpAt returns the ID of the op with the given arrival number.
SELECT op_id FROM crdt_ops WHERE arrival = ?;

-- name: IndexedOps :many
-- IndexedOps returns the arrival numbers and IDs of all ops. SQLite takes
-- them from the index alone, which may be sound where the table is not.
SELECT op_id, arrival FROM crdt_ops;

-- name: Repairs :many
-- Repairs returns all repairs of damaged rows, in their order.
SELECT id, op_id FROM repairs ORDER BY id;

-- name: LastArrival :one
-- LastArrival returns the greatest arrival number, 0 if there is no op.
SELECT CAST(COALESCE(max(arrival), 0) AS INTEGER) FROM crdt_ops;
