-- name: AppendRoot :exec
-- AppendRoot adds a decision by whose word members are decided.
INSERT INTO roots (root, decided_at) VALUES (?, ?);

-- name: Roots :many
-- Roots returns all decisions, in their order.
SELECT id, root FROM roots ORDER BY id;

-- name: LastRoot :many
-- LastRoot returns the decision that counts, nothing if there is none.
SELECT root FROM roots ORDER BY id DESC LIMIT 1;

-- name: AddMemberOp :exec
-- AddMemberOp notes where an op about members is.
INSERT INTO member_ops (arrival) VALUES (?);

-- name: MemberOps :many
-- MemberOps returns the ops about members.
SELECT o.op_id, o.payload, o.signature FROM member_ops AS m JOIN crdt_ops AS o ON o.arrival = m.arrival ORDER BY m.arrival;

-- name: MemberOpsMark :one
-- MemberOpsMark tells one set of ops about members of a state from another.
SELECT count(*) AS ops, CAST(COALESCE(max(arrival), 0) AS INTEGER) AS greatest FROM member_ops;

-- name: LogOfMembers :many
-- LogOfMembers returns the rows of the log that name the story of the members somewhere.
SELECT op_id, payload, signature FROM crdt_ops
WHERE instr(payload, CAST('huskies.members' AS BLOB)) > 0
ORDER BY arrival;

-- name: DumpMemberOps :many
SELECT arrival FROM member_ops ORDER BY arrival;
