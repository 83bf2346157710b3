-- name: AppendOp :execlastid
-- AppendOp adds an op at the end and returns its arrival number. An op that is
-- here already is an error: the writer looks first, under the lock.
INSERT INTO crdt_ops (op_id, author, seq, payload, signature, received_at)
VALUES (?, ?, ?, ?, ?, ?);

-- name: OpsAfter :many
-- OpsAfter returns up to limit ops that arrived after the given arrival
-- number, in order of arrival: only the columns that replay needs, since it
-- reads every row at every start.
SELECT arrival, op_id, payload
FROM crdt_ops
WHERE arrival > ?
ORDER BY arrival
LIMIT ?;

-- name: OpReceipt :one
-- OpReceipt returns the other columns of the op with the given arrival number.
SELECT seq, signature, received_at
FROM crdt_ops
WHERE arrival = ?;
