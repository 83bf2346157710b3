-- Whose ops this replica takes from other replicas: its own decisions, which
-- never leave it. Rows are only ever added; the last row of an author counts.
CREATE TABLE trust_decisions (
    -- Order of the decisions, from 1. The greatest one tells a running process
    -- whether there is a decision that it does not know.
    id INTEGER PRIMARY KEY,
    -- Ed25519 public key of the replica that the decision is about.
    author BLOB NOT NULL CHECK (length(author) = 32),
    -- What people here call that replica; may be empty. It decides nothing.
    name TEXT NOT NULL DEFAULT '' CHECK (length(CAST(name AS BLOB)) <= 128),
    -- 1: ops signed with this key are taken. 0: no more from now on; those that
    -- are in the log stay.
    trusted INTEGER NOT NULL CHECK (trusted IN (0, 1)),
    -- This replica's wall clock at the decision, in ms since 1970 UTC.
    decided_at INTEGER NOT NULL
) STRICT;
