-- Values that were lost since two authors wrote one field of a story apart. Like all of the state it is derived
-- from crdt_ops: from the edits that name the op whose value they overwrite. It depends on the order of arrival
-- which of two writes was here first.
CREATE TABLE overwritten (
    -- The story's n.
    story INTEGER NOT NULL,
    -- The field's name in ops.
    field TEXT NOT NULL,
    -- The first 8 bytes of lost, as an edit names the op that it overwrites.
    prefix BLOB NOT NULL,
    -- The op whose write was lost, and the one whose write counted when both were here.
    lost BLOB NOT NULL,
    won BLOB NOT NULL,
    -- The beginning of what was lost.
    value TEXT NOT NULL,
    -- When the second of the two came here, in ms since 1970 UTC.
    at INTEGER NOT NULL,
    PRIMARY KEY (story, field, prefix)
) STRICT, WITHOUT ROWID;
CREATE INDEX overwritten_by_story ON overwritten (story, at);
CREATE INDEX overwritten_by_time ON overwritten (at);
