-- What charts are drawn from. Like all of the state it is derived from crdt_ops: each
-- applied op that brings a story to another stage ends one spell and begins the next.
--
-- The clock of an op is whatever its author says, so the moment of a move is put between
-- two bounds: it is no later than the row came here that brought the move about, and no
-- earlier than the story's move before it. See pipeline.MoveAt.

-- The times that stories spent in stages, one after the other for each story.
CREATE TABLE spells (
    -- The story's n in the upper 31 bits, and below them which of the story's spells this is,
    -- from 1.
    n INTEGER PRIMARY KEY,
    -- The type that the story's ID names, see pipeline.TypeOf.
    type TEXT NOT NULL,
    -- The stage; '' while the story could not be seen: it was deleted.
    stage TEXT NOT NULL,
    -- When the spell began, in ms since 1970 UTC, and when it ended; NULL: it lasts.
    began INTEGER NOT NULL,
    ended INTEGER,
    -- When work on the story began: its first spell in a stage of work in hand. NULL: never.
    started INTEGER
) STRICT;
-- Each index has all that the charts ask of the spells in it.
CREATE INDEX spells_by_end ON spells (ended, stage, type, began) WHERE ended IS NOT NULL;
CREATE INDEX spells_done ON spells (began, type, started) WHERE stage = '5_done';
CREATE INDEX spells_in_hand ON spells (started, type) WHERE ended IS NULL AND stage IN ('2_current', '3_qa', '4_merge');

-- How many stories came into each stage and went out of it on each day, so that a chart of a
-- year costs a few thousand rows, whatever the number of ops.
CREATE TABLE flow (
    -- Days since 1970-01-01 UTC.
    day INTEGER NOT NULL,
    type TEXT NOT NULL,
    -- '' is outside the pipeline: new stories go out of it, and deleted ones come into it.
    stage TEXT NOT NULL,
    came INTEGER NOT NULL,
    went INTEGER NOT NULL,
    PRIMARY KEY (day, type, stage)
) STRICT, WITHOUT ROWID;
