-- name: PutOverwritten :exec
INSERT OR REPLACE INTO overwritten (story, field, prefix, lost, won, value, at) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: DropOverwritten :exec
DELETE FROM overwritten WHERE story = ? AND field = ? AND prefix = ?;

-- name: OverwrittenSince :many
SELECT s.id, o.field, o.lost, o.won, o.value, o.at FROM overwritten AS o
JOIN stories AS s ON s.n = o.story
WHERE o.at >= sqlc.arg(since) ORDER BY o.at DESC, s.sort_key, o.field, o.lost LIMIT sqlc.arg(most);

-- name: OverwrittenOf :many
SELECT s.id, o.field, o.lost, o.won, o.value, o.at FROM stories AS s
JOIN overwritten AS o ON o.story = s.n
WHERE s.id = sqlc.arg(id) AND o.at >= sqlc.arg(since) ORDER BY o.at DESC, o.field, o.lost LIMIT sqlc.arg(most);

-- name: DumpOverwritten :many
SELECT s.id, o.field, o.lost, o.won, o.value, o.at FROM overwritten AS o
JOIN stories AS s ON s.n = o.story
ORDER BY s.id, o.field, o.prefix;
