-- name: QueueText :exec
-- QueueText notes that a text is not indexed as it is now.
INSERT OR IGNORE INTO fts_todo (kind, n) VALUES (?, ?);

-- name: CountQueuedTexts :one
-- CountQueuedTexts returns how many texts are not indexed as they are now.
SELECT count(*) FROM fts_todo;

-- name: QueuedStories :many
-- QueuedStories returns up to limit stories whose texts are not indexed as they are now,
-- after an n.
SELECT s.n, s.id, s.merged FROM fts_todo AS t JOIN stories AS s ON s.n = t.n
WHERE t.kind = 0 AND t.n > ? ORDER BY t.n LIMIT ?;

-- name: QueuedNotes :many
-- QueuedNotes returns up to limit notes that are not indexed yet, after an n.
SELECT m.n, m.text FROM fts_todo AS t JOIN notes AS m ON m.n = t.n
WHERE t.kind = 1 AND t.n > ? ORDER BY t.n LIMIT ?;

-- name: DropQueuedTexts :exec
-- DropQueuedTexts says that all texts are indexed as they are now.
DELETE FROM fts_todo;
