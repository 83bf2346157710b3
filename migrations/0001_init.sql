-- The op log. One row is one signed op; rows are only ever added.
CREATE TABLE crdt_ops (
    -- Order of arrival at this replica, from 1. Replay follows it, never seq.
    arrival INTEGER PRIMARY KEY,
    -- SHA-256 of payload.
    op_id BLOB NOT NULL CHECK (length(op_id) = 32),
    -- Ed25519 public key of the replica that signed the op, as in payload.
    author BLOB NOT NULL CHECK (length(author) = 32),
    -- Lamport time, as in payload.
    seq INTEGER NOT NULL CHECK (seq >= 1),
    -- The bytes that were signed: deterministic CBOR, see package crdt.
    payload BLOB NOT NULL CHECK (length(payload) <= 65536),
    -- Ed25519 signature over "huskies-op-v1\n" and op_id.
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    -- This replica's wall clock when the row was added, in ms since 1970 UTC.
    received_at INTEGER NOT NULL,
    -- An op is here once. seq is part of the op, and comes first since it grows: new
    -- ops stand at the end of the index, not all over it.
    UNIQUE (seq, op_id)
) STRICT;

-- The replica's key: one row, created once, never changed.
CREATE TABLE crdt_node_identity (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Ed25519 seed (RFC 8032 private key), 32 bytes. Secret.
    seed BLOB NOT NULL,
    -- The public key that seed gives; a seed that gives another is damaged.
    author BLOB NOT NULL,
    -- When the key was created, in ms since 1970 UTC.
    created_at INTEGER NOT NULL
) STRICT;
