-- name: LastSpell :one
-- LastSpell returns the last spell of the story whose spells have numbers in the range.
SELECT n, began, started FROM spells WHERE n > sqlc.arg(first_n) AND n <= sqlc.arg(last_n) ORDER BY n DESC LIMIT 1;

-- name: AddSpell :exec
INSERT INTO spells (n, type, stage, began, ended, started) VALUES (?, ?, ?, ?, ?, ?);

-- name: EndSpell :exec
UPDATE spells SET ended = ? WHERE n = ?;

-- name: AddFlow :exec
-- AddFlow counts moves of a day.
INSERT INTO flow (day, type, stage, came, went) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET came = came + excluded.came, went = went + excluded.went;

-- name: DumpFlow :many
SELECT day, type, stage, came, went FROM flow ORDER BY day, type, stage;

-- name: FlowFrom :many
-- FlowFrom returns the moves of all days. Those of days before the first are added to the
-- first.
SELECT CAST(max(day, CAST(sqlc.arg(first_day) AS INTEGER)) AS INTEGER) AS on_day, stage, CAST(sum(came) AS INTEGER) AS came, CAST(sum(went) AS INTEGER) AS went FROM flow
WHERE CAST(sqlc.arg(type) AS TEXT) = '' OR type = CAST(sqlc.arg(type) AS TEXT)
GROUP BY on_day, stage ORDER BY on_day, stage;

-- name: DumpSpells :many
SELECT s.id, CAST(p.n & 4294967295 AS INTEGER) AS spell, p.type, p.stage, p.began, p.ended, p.started FROM spells AS p
JOIN stories AS s ON s.n = p.n >> 32
ORDER BY s.id, p.n;

-- name: EndedSpells :many
-- EndedSpells returns up to most spells that ended at a time or later, the last first. An empty
-- type is that of all.
SELECT stage, began, ended FROM spells
WHERE ended IS NOT NULL AND ended >= CAST(sqlc.arg(since) AS INTEGER) AND (CAST(sqlc.arg(type) AS TEXT) = '' OR type = CAST(sqlc.arg(type) AS TEXT)) AND stage <> ''
ORDER BY ended DESC LIMIT sqlc.arg(most);

-- name: DoneSpells :many
-- DoneSpells returns when up to most stories came to be done, at a time or later, and when work
-- on them had begun, the last first.
SELECT n, began, started FROM spells
WHERE stage = '5_done' AND began >= sqlc.arg(since) AND (CAST(sqlc.arg(type) AS TEXT) = '' OR type = CAST(sqlc.arg(type) AS TEXT)) AND started IS NOT NULL
ORDER BY began DESC LIMIT sqlc.arg(most);

-- name: SpellsInHand :many
-- SpellsInHand returns the stories in hand, and when work on them began, the first first.
SELECT s.id, p.stage, p.began, p.started FROM spells AS p JOIN stories AS s ON s.n = p.n >> 32
WHERE p.ended IS NULL AND p.stage IN ('2_current', '3_qa', '4_merge') AND p.started IS NOT NULL AND (CAST(sqlc.arg(type) AS TEXT) = '' OR p.type = CAST(sqlc.arg(type) AS TEXT))
ORDER BY p.started LIMIT sqlc.arg(most);

-- name: StoryIDOf :one
SELECT id FROM stories WHERE n = ?;
