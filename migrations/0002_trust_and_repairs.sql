-- Whose ops this replica takes from other replicas: its own decisions, which
-- never leave it. Rows are only ever added; the last row of an author counts.
CREATE TABLE trust_decisions (
    -- Order of the decisions, from 1.
    id INTEGER PRIMARY KEY,
    -- Ed25519 public key of the replica that the decision is about.
    author BLOB NOT NULL CHECK (length(author) = 32),
    -- What people here call that replica; may be empty. It decides nothing.
    name TEXT NOT NULL DEFAULT '' CHECK (length(CAST(name AS BLOB)) <= 128),
    -- 1: ops signed with this key are applied. 0: they are not, also earlier ones;
    -- they stay in the log.
    trusted INTEGER NOT NULL CHECK (trusted IN (0, 1)),
    -- This replica's wall clock at the decision, in ms since 1970 UTC.
    decided_at INTEGER NOT NULL
) STRICT;

-- Damaged rows of crdt_ops that got their bytes back. Rows are only ever added.
-- The greatest id here and that of trust_decisions tell a running process whether
-- something changed that its document was built without.
CREATE TABLE repairs (
    -- Order of the repairs, from 1.
    id INTEGER PRIMARY KEY,
    -- The op whose row was damaged.
    op_id BLOB NOT NULL CHECK (length(op_id) = 32),
    -- This replica's wall clock at the repair, in ms since 1970 UTC.
    repaired_at INTEGER NOT NULL
) STRICT;
