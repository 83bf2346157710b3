-- Which authors' ops count is decided by this replica (trust_decisions), or, if it has a
-- root, by the members that ops name, which is alike on every machine. See package members.

-- The root keys whose word decides who is a member: this replica's own decisions, which
-- never leave it. Rows are only ever added; the last one counts. The greatest id here and that
-- of trust_decisions tell whether the state was made by other decisions.
CREATE TABLE roots (
    -- Order of the decisions, from 1.
    id INTEGER PRIMARY KEY,
    -- Ed25519 public key of the pipeline's owner, as the invitation names it. Empty: nobody, so
    -- that trust_decisions count.
    root BLOB NOT NULL CHECK (length(root) IN (0, 32)),
    -- This replica's wall clock at the decision, in ms since 1970 UTC.
    decided_at INTEGER NOT NULL
) STRICT;

-- The ops about members that are applied or held: what the members are decided by. Like all of the
-- state it is derived from crdt_ops.
CREATE TABLE member_ops (
    arrival INTEGER PRIMARY KEY
) STRICT;
