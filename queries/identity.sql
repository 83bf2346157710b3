-- name: Identities :many
-- Identities returns the replica's keys, oldest first. An empty seed and none
-- look the same to Go.
SELECT id, seed, CAST(seed IS NULL AS INTEGER) AS keyless, author, created_at, machine, path
FROM crdt_node_identity
ORDER BY id;

-- name: CreateIdentity :exec
-- CreateIdentity stores a key. There is no way to replace one.
INSERT INTO crdt_node_identity (seed, author, created_at, machine, path)
VALUES (?, ?, ?, ?, ?);

-- name: MoveHome :execrows
-- MoveHome writes where a key's home is now.
UPDATE crdt_node_identity SET machine = ?, path = ? WHERE id = ?;

-- name: SetHomes :exec
-- SetHomes writes the home of keys that were made before homes were kept.
UPDATE crdt_node_identity SET machine = ?, path = ?;

-- name: KeyCount :one
-- KeyCount returns how many keys of the author a file holds, also one of an
-- older schema.
SELECT count(*) FROM crdt_node_identity WHERE author = ? AND seed IS NOT NULL;

-- name: Seeds :many
-- Seeds returns the replica's keys, oldest first, also of an older schema.
SELECT seed, CAST(seed IS NULL AS INTEGER) AS keyless, author FROM crdt_node_identity ORDER BY id;
