-- The hub that this replica is joined to, and how far the two know each other. It is this
-- replica's own knowledge, which never leaves it: a copy of the file is not joined.

-- One row while the replica is joined.
CREATE TABLE hub (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Who joined: the public key of the replica. Another key, of a copy, is not joined.
    author BLOB NOT NULL CHECK (length(author) = 32),
    -- Where the hub is: host:port.
    address TEXT NOT NULL,
    -- The pipeline's ID there.
    pipeline TEXT NOT NULL,
    -- SHA-256 of the certificate that signs the hub's certificates.
    ca BLOB NOT NULL CHECK (length(ca) = 32),
    -- Ed25519 public key of the pipeline's owner, which signs who may join.
    root BLOB NOT NULL CHECK (length(root) = 32),
    -- The last part of the subject that this database publishes to, drawn at random.
    replica TEXT NOT NULL,
    -- This replica's wall clock when it joined, in ms since 1970 UTC.
    joined_at INTEGER NOT NULL
) STRICT;

-- The ops of the log that are not known to be on the hub, in the order to send them in.
CREATE TABLE hub_outbox (
    arrival INTEGER PRIMARY KEY
) STRICT;

-- How far the hub's stream was read, and the last message that the hub acknowledged.
-- Epoch tells one stream from another: when it was made, in ns since 1970 UTC.
CREATE TABLE hub_marks (
    -- 1 read, 2 acknowledged.
    kind INTEGER PRIMARY KEY CHECK (kind IN (1, 2)),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    op_id BLOB NOT NULL CHECK (length(op_id) = 32)
) STRICT;

-- Messages of the stream that were passed over, to be read again when there may be room
-- or a build that knows them.
CREATE TABLE hub_skipped (
    seq INTEGER PRIMARY KEY,
    why TEXT NOT NULL
) STRICT;
