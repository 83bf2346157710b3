-- name: Identity :many
-- Identity returns the replica's key: one row, or none before it was created.
SELECT seed, author FROM crdt_node_identity;

-- name: CreateIdentity :exec
-- CreateIdentity stores the replica's key. There is no way to replace one.
INSERT INTO crdt_node_identity (id, seed, author, created_at)
VALUES (1, ?, ?, ?);
