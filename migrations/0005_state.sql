-- The state: the pipeline as the applied ops give it. All of it is derived from
-- crdt_ops and can be made anew from there. An op's row and its effect on these tables
-- are written in one transaction. Local numbers (n, story, place) and labels mean
-- nothing outside this file.

-- Which rows of the log the state reflects: one row.
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- The format of these tables; 0: they were never filled.
    format INTEGER NOT NULL,
    -- 32 random bits, drawn anew whenever the state changes by anything but an op.
    state_id INTEGER NOT NULL,
    -- The last row of the log that the state reflects, and that row's op ID.
    arrival INTEGER NOT NULL,
    op_id BLOB NOT NULL,
    -- The greatest number that any story ever had here. It is never lowered.
    greatest INTEGER NOT NULL,
    -- How many stories applied ops are about.
    stories INTEGER NOT NULL,
    -- The last decision whom to trust, and the last key, that the state was made with.
    decision INTEGER NOT NULL,
    key INTEGER NOT NULL
) STRICT;
INSERT INTO state VALUES (1, 0, 0, 0, x'', 0, 0, 0, 0);

-- Where in the log an op is, by the first 8 bytes of its ID.
CREATE TABLE op_index (
    prefix BLOB NOT NULL,
    arrival INTEGER NOT NULL,
    PRIMARY KEY (prefix, arrival)
) STRICT, WITHOUT ROWID;

-- The rows of the log up to the state's whose ops are not applied as they stand there.
CREATE TABLE exceptions (
    arrival INTEGER PRIMARY KEY,
    -- 1 held, 2 pending, 3 refused, 4 damaged and not passed over, 5 damaged and taken
    -- for applied.
    kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5),
    op_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    author BLOB NOT NULL,
    -- What the op takes up, in bytes, for the bounds on what is held and pending.
    size INTEGER NOT NULL
) STRICT;
CREATE INDEX exceptions_by_kind ON exceptions (kind, arrival);

-- Each pending op waits for one missing parent at a time, in the order of n.
CREATE TABLE waiting_ops (
    n INTEGER PRIMARY KEY,
    missing BLOB NOT NULL,
    arrival INTEGER NOT NULL
) STRICT;
CREATE INDEX waiting_ops_by_missing ON waiting_ops (missing, n);

-- Ops that were applied later than they arrived: the row that released them, and their
-- order among those that it released.
CREATE TABLE late (
    at_arrival INTEGER NOT NULL,
    n INTEGER NOT NULL,
    arrival INTEGER NOT NULL,
    PRIMARY KEY (at_arrival, n)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX late_by_arrival ON late (arrival);

-- The applied ops that no applied op names as parent.
CREATE TABLE heads (
    op_id BLOB NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL,
    -- 1: the row is damaged and taken for applied, so nothing new is built on it.
    assumed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX heads_by_seq ON heads (seq DESC, op_id) WHERE assumed = 0;

-- What ops of each author take up.
CREATE TABLE authors (
    author BLOB NOT NULL PRIMARY KEY,
    -- All rows of the log, those that are held, and those that are pending.
    ops INTEGER NOT NULL,
    held INTEGER NOT NULL,
    held_bytes INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    pending_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The same in sum. Kind: 1 held, 2 pending of trusted authors, 3 pending of others.
CREATE TABLE sums (
    kind INTEGER PRIMARY KEY,
    ops INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;

-- One row a story, also of those that only an anchor names.
CREATE TABLE stories (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    -- Orders story IDs as crdt.CompareStoryIDs does.
    sort_key BLOB NOT NULL,
    -- What the ID begins with; NULL: no number, or only an anchor names the story.
    number INTEGER,
    -- 0 only an anchor names it, 1 it has no stage yet, 2 deleted, 3 open, 4 done,
    -- 5 archived. Stories from 3 on are visible.
    status INTEGER NOT NULL,
    -- How many numbers it depends on, and how many of these are not met.
    depends INTEGER NOT NULL,
    unmet INTEGER NOT NULL,
    -- Where it stands in the list: the number of a place; 0: nowhere yet.
    place INTEGER NOT NULL,
    -- The merge data, see crdt.AppendStory.
    merged BLOB NOT NULL
) STRICT;
CREATE INDEX stories_by_number ON stories (number, sort_key) WHERE number IS NOT NULL;
CREATE INDEX stories_in_order ON stories (sort_key) WHERE status >= 3;

-- What stories there are with each number, see pipeline.NumberState.
CREATE TABLE numbers (
    number INTEGER PRIMARY KEY,
    known INTEGER NOT NULL,
    visible INTEGER NOT NULL,
    open INTEGER NOT NULL,
    archived INTEGER NOT NULL,
    deleted INTEGER NOT NULL
) STRICT;
CREATE INDEX numbers_shared ON numbers (number) WHERE visible > 1;

-- The dependency registers, removed ones too, with the write that won.
CREATE TABLE dependencies (
    story INTEGER NOT NULL,
    number INTEGER NOT NULL,
    is_on INTEGER NOT NULL CHECK (is_on IN (0, 1)),
    seq INTEGER NOT NULL,
    author BLOB NOT NULL,
    op_id BLOB NOT NULL,
    PRIMARY KEY (story, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependencies_by_number ON dependencies (number, story) WHERE is_on = 1;

-- The notes. The last one written has the greatest seq, and among equals the least
-- author, then the least op ID.
CREATE TABLE notes (
    -- The story's n in the upper 31 bits, and below them which of the story's notes this is
    -- in the order of their arrival, from 1.
    n INTEGER PRIMARY KEY,
    story INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    author BLOB NOT NULL,
    op_id BLOB NOT NULL,
    agent TEXT NOT NULL,
    at INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX notes_by_story ON notes (story, seq DESC, author, op_id);

-- The sums of increments by counter and base; base is x'' for the initial 0.
CREATE TABLE increments (
    story INTEGER NOT NULL,
    field INTEGER NOT NULL,
    base BLOB NOT NULL,
    total INTEGER NOT NULL,
    PRIMARY KEY (story, field, base)
) STRICT, WITHOUT ROWID;

-- The elements of the list of stories, see crdt.List. The order of the labels is the
-- order of the list.
CREATE TABLE places (
    n INTEGER PRIMARY KEY,
    story INTEGER NOT NULL,
    -- The place edit's op. NULL: the story's own element, whose seq is 0.
    op_id BLOB,
    seq INTEGER NOT NULL,
    author BLOB NOT NULL,
    -- The story's sort_key, of an own element.
    own_key BLOB,
    -- The op whose element it follows, while that is not in the list.
    anchor BLOB,
    -- NULL while it is not in the list.
    label INTEGER,
    -- 1: a story that is not deleted stands here. The rest is what queries need to know
    -- of that story; stage is NULL unless it is visible.
    shown INTEGER NOT NULL,
    stage TEXT,
    agent TEXT NOT NULL,
    blocked INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    -- 1: the story can be claimed if nobody has it.
    claimable INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX places_by_op ON places (op_id) WHERE op_id IS NOT NULL;
CREATE UNIQUE INDEX places_own ON places (own_key) WHERE own_key IS NOT NULL;
CREATE INDEX places_by_anchor ON places (anchor) WHERE anchor IS NOT NULL;
CREATE INDEX places_by_label ON places (label) WHERE label IS NOT NULL;
CREATE INDEX places_shown ON places (label) WHERE shown = 1;
CREATE INDEX places_by_stage ON places (stage, label) WHERE stage IS NOT NULL;
CREATE INDEX places_by_agent ON places (agent, stage, label) WHERE stage IS NOT NULL AND agent <> '';
CREATE INDEX places_blocked ON places (stage, label) WHERE stage IS NOT NULL AND blocked = 1;
CREATE INDEX places_waiting ON places (stage, label) WHERE stage IS NOT NULL AND waiting = 1;
CREATE INDEX places_claimable ON places (stage, label) WHERE stage IS NOT NULL AND claimable = 1;

-- How many visible stories there are, so that totals cost nothing.
CREATE TABLE counts (
    stage TEXT NOT NULL,
    agent TEXT NOT NULL,
    blocked INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    stories INTEGER NOT NULL,
    PRIMARY KEY (stage, agent, blocked, waiting)
) STRICT, WITHOUT ROWID;

-- The claims by which agents have visible stories.
CREATE TABLE claims (
    claim BLOB NOT NULL PRIMARY KEY,
    story INTEGER NOT NULL UNIQUE,
    agent TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_by_agent ON claims (agent, story);

-- The applied ops of each story. Before and after are its stages, NULL while it was not
-- visible.
CREATE TABLE history (
    story INTEGER NOT NULL,
    arrival INTEGER NOT NULL,
    before TEXT,
    after TEXT,
    PRIMARY KEY (story, arrival)
) STRICT, WITHOUT ROWID;

-- The full text index: which stories and notes have which words. Go code splits and
-- folds the texts (pipeline.Tokens), and the index gets the words with spaces between
-- them. So the tokenizer has nothing to decide: it cuts at the spaces, and takes every
-- character beyond ASCII for a part of a word. The index keeps no copy of the texts.
-- Package oplog writes and reads it in text.go, since sqlc generates nothing for FTS5.

-- One row for the text of each known story: its ID, name and description. The rowid is
-- the story's n.
CREATE VIRTUAL TABLE story_text USING fts5(
    words, tokenize = 'ascii', prefix = '2 3', content = '', contentless_delete = 1
);

-- One row for each note. The rowid is the note's n.
CREATE VIRTUAL TABLE note_text USING fts5(
    words, tokenize = 'ascii', prefix = '2 3', content = '', contentless_delete = 1
);

-- The texts that have changed since they were indexed. A search reads them besides, and
-- does not believe the index about them.
CREATE TABLE fts_todo (
    -- 0: the text of the story with this n. 1: the note with this n.
    kind INTEGER NOT NULL CHECK (kind IN (0, 1)),
    n INTEGER NOT NULL,
    PRIMARY KEY (kind, n)
) STRICT, WITHOUT ROWID;
