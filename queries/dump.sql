-- The canonical dump of the state: all that two states of one log have in common, in a
-- fixed order. Local numbers and labels are not part of it.

-- name: DumpStories :many
SELECT s.id, s.sort_key, s.number, s.status, s.depends, s.unmet, p.op_id, p.own_key, s.merged FROM stories AS s
LEFT JOIN places AS p ON p.n = s.place
ORDER BY s.id;

-- name: DumpDependencies :many
SELECT s.id, d.number, d.is_on, d.seq, d.author, d.op_id FROM dependencies AS d
JOIN stories AS s ON s.n = d.story
ORDER BY s.id, d.number;

-- name: DumpNotes :many
SELECT s.id, m.seq, m.author, m.op_id, m.agent, m.at, m.text FROM notes AS m
JOIN stories AS s ON s.n = m.story
ORDER BY s.id, m.seq, m.author, m.op_id;

-- name: DumpIncrements :many
SELECT s.id, i.field, i.base, i.total FROM increments AS i
JOIN stories AS s ON s.n = i.story
ORDER BY s.id, i.field, i.base;

-- name: DumpPlaces :many
-- DumpPlaces returns the elements in the order of the list, then those that wait.
SELECT s.id, p.op_id, p.seq, p.author, p.own_key, p.anchor, p.shown, p.stage, p.agent, p.blocked, p.waiting, p.claimable
FROM places AS p
JOIN stories AS s ON s.n = p.story
ORDER BY p.label IS NULL, p.label, p.op_id;

-- name: DumpNumbers :many
SELECT number, known, visible, open, archived, deleted FROM numbers ORDER BY number;

-- name: DumpClaims :many
SELECT c.claim, s.id, c.agent FROM claims AS c
JOIN stories AS s ON s.n = c.story
ORDER BY c.claim;

-- name: DumpHistory :many
SELECT s.id, h.arrival, h.before, h.after FROM history AS h
JOIN stories AS s ON s.n = h.story
ORDER BY s.id, h.arrival;

-- name: DumpExceptions :many
SELECT arrival, kind, op_id, seq, author, size FROM exceptions ORDER BY arrival;

-- name: DumpWaiting :many
SELECT missing, arrival FROM waiting_ops ORDER BY missing, arrival;

-- name: DumpLate :many
SELECT at_arrival, n, arrival FROM late ORDER BY at_arrival, n;

-- name: DumpSums :many
SELECT kind, ops, bytes FROM sums WHERE ops <> 0 ORDER BY kind;

-- name: DumpIndex :one
-- DumpIndex returns how many rows the index of ops has, and how many of them are wrong.
SELECT count(*) AS entries,
    CAST(COALESCE(sum(NOT EXISTS (SELECT 1 FROM crdt_ops AS o WHERE o.arrival = i.arrival AND substr(o.op_id, 1, 8) = i.prefix)), 0) AS INTEGER) AS wrong
FROM op_index AS i;
