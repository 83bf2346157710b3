-- The replica's keys: one for each home, a place where the file has lived. A
-- copy of the file takes its keys with it; a row says where its key may be used.
-- SQLite cannot drop the CHECK that held the old table at one row. The old row
-- gets its home from the process that runs the migration.
CREATE TABLE homes (
    -- Order in which the keys were made, from 1.
    id INTEGER PRIMARY KEY,
    -- Ed25519 seed (RFC 8032 private key), 32 bytes. Secret. NULL: left out of a
    -- backup, so nobody can sign with this key here any more.
    seed BLOB,
    -- The public key that seed gives; a seed that gives another is damaged.
    author BLOB NOT NULL,
    -- When the key was created, in ms since 1970 UTC.
    created_at INTEGER NOT NULL,
    -- The machine of the home: a keyed hash of the machine's ID, never the ID
    -- itself (machine-id(5)). Empty if it could not be told.
    machine TEXT NOT NULL,
    -- The database's path there, absolute, symbolic links resolved.
    path TEXT NOT NULL
) STRICT;
INSERT INTO homes (id, seed, author, created_at, machine, path)
SELECT id, seed, author, created_at, '', '' FROM crdt_node_identity;
DROP TABLE crdt_node_identity;
ALTER TABLE homes RENAME TO crdt_node_identity;
