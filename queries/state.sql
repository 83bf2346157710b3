-- name: GetState :one
-- GetState returns the state row, and beside it what the log has, so that one look says
-- whether the state fits. The op ID is that of the log's row, empty if there is none. A state row
-- that is gone was never filled.
SELECT CAST(COALESCE(s.format, 0) AS INTEGER) AS format, CAST(COALESCE(s.state_id, 0) AS INTEGER) AS state_id,
    CAST(COALESCE(s.arrival, 0) AS INTEGER) AS arrival, CAST(COALESCE(s.op_id, x'') AS BLOB) AS op_id,
    CAST(COALESCE(s.greatest, 0) AS INTEGER) AS greatest, CAST(COALESCE(s.stories, 0) AS INTEGER) AS stories,
    CAST(COALESCE(s.decision, 0) AS INTEGER) AS decision, CAST(COALESCE(s.key, 0) AS INTEGER) AS "key",
    CAST(COALESCE((SELECT max(o.arrival) FROM crdt_ops AS o), 0) AS INTEGER) AS log_last,
    CAST(COALESCE((SELECT o.op_id FROM crdt_ops AS o WHERE o.arrival = s.arrival), x'') AS BLOB) AS log_id,
    CAST(COALESCE((SELECT max(t.id) FROM trust_decisions AS t), 0) + COALESCE((SELECT max(r.id) FROM roots AS r), 0) AS INTEGER) AS last_decision,
    CAST(COALESCE((SELECT max(k.id) FROM crdt_node_identity AS k), 0) AS INTEGER) AS last_key
FROM (SELECT 1) LEFT JOIN state AS s;

-- name: PutState :exec
-- PutState writes the state row.
INSERT OR REPLACE INTO state (id, format, state_id, arrival, op_id, greatest, stories, decision, key)
VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: IndexOp :exec
-- IndexOp enters where an op is.
INSERT INTO op_index (prefix, arrival) VALUES (?, ?);

-- name: IndexAllOps :exec
-- IndexAllOps enters where all ops of the log are. Of an empty ID substr gives NULL.
INSERT INTO op_index (prefix, arrival)
SELECT COALESCE(substr(op_id, 1, 8), x''), arrival FROM crdt_ops ORDER BY 1, 2;

-- name: FindOp :many
-- FindOp returns the ops whose IDs begin with the prefix: one, unless somebody made more. The
-- op ID is NULL if the row is gone.
SELECT i.arrival, o.op_id, CAST(COALESCE(o.seq, 0) AS INTEGER) AS seq, o.author, CAST(COALESCE(e.kind, 0) AS INTEGER) AS kind
FROM op_index AS i
LEFT JOIN crdt_ops AS o ON o.arrival = i.arrival
LEFT JOIN exceptions AS e ON e.arrival = i.arrival
WHERE i.prefix = ?;

-- name: AddException :exec
-- AddException notes that a row's op is not applied as it stands there.
INSERT INTO exceptions (arrival, kind, op_id, seq, author, size) VALUES (?, ?, ?, ?, ?, ?);

-- name: SetException :exec
-- SetException notes that an op which was pending is something else now.
UPDATE exceptions SET kind = ? WHERE arrival = ?;

-- name: DropException :exec
-- DropException forgets an exception whose op is applied now.
DELETE FROM exceptions WHERE arrival = ?;

-- name: Exceptions :many
-- Exceptions returns up to limit exceptions of one kind, after an arrival number.
SELECT arrival, kind, op_id, seq, author, size FROM exceptions
WHERE kind = ? AND arrival > ?
ORDER BY arrival LIMIT ?;

-- name: ExceptionAt :one
-- ExceptionAt returns the kind of the exception at an arrival number.
SELECT kind FROM exceptions WHERE arrival = ?;

-- name: CountExceptions :one
-- CountExceptions returns how many exceptions of a kind there are.
SELECT count(*) FROM exceptions WHERE kind = ?;

-- name: WaitForOp :exec
-- WaitForOp files a pending op under the parent that it waits for.
INSERT INTO waiting_ops (missing, arrival) VALUES (?, ?);

-- name: WaitingFor :many
-- WaitingFor returns the pending ops that wait for an op, in the order of their filing.
SELECT w.n, w.arrival, o.op_id, o.payload, e.author FROM waiting_ops AS w
JOIN crdt_ops AS o ON o.arrival = w.arrival
JOIN exceptions AS e ON e.arrival = w.arrival
WHERE w.missing = ?
ORDER BY w.n;

-- name: WaitingAuthors :many
-- WaitingAuthors returns the authors of pending ops that wait for an op.
SELECT DISTINCT e.author FROM waiting_ops AS w
JOIN exceptions AS e ON e.arrival = w.arrival
WHERE w.missing = ?;

-- name: StopWaiting :exec
-- StopWaiting forgets all that waits for an op.
DELETE FROM waiting_ops WHERE missing = ?;

-- name: MissingParents :many
-- MissingParents returns up to limit IDs of ops that pending ops wait for, after an ID.
SELECT DISTINCT missing FROM waiting_ops WHERE missing > ? ORDER BY missing LIMIT ?;

-- name: AddLate :exec
-- AddLate notes which row released an op.
INSERT INTO late (at_arrival, n, arrival) VALUES (?, ?, ?);

-- name: LateBetween :many
-- LateBetween returns the ops that rows in a range released.
SELECT at_arrival, n, arrival FROM late
WHERE at_arrival BETWEEN sqlc.arg(first_arrival) AND sqlc.arg(last_arrival)
ORDER BY at_arrival, n;

-- name: NotAppliedBetween :many
-- NotAppliedBetween returns the rows in a range whose ops were not applied when they
-- arrived. It does without BETWEEN, of which sqlc would give each argument once a table.
SELECT o.arrival FROM crdt_ops AS o
LEFT JOIN exceptions AS e ON e.arrival = o.arrival
LEFT JOIN late AS l ON l.arrival = o.arrival
WHERE o.arrival >= sqlc.arg(first_arrival) AND o.arrival <= sqlc.arg(last_arrival) AND (e.arrival IS NOT NULL OR l.arrival IS NOT NULL);

-- name: AddHead :exec
-- AddHead makes an op a head.
INSERT OR REPLACE INTO heads (op_id, seq, assumed) VALUES (?, ?, ?);

-- name: DropHead :exec
-- DropHead says that an op is no head any more.
DELETE FROM heads WHERE op_id = ?;

-- name: GreatestHeads :many
-- GreatestHeads returns up to limit heads to build on, those with the greatest seq, and
-- among equals those with the least ID.
SELECT op_id, seq FROM heads WHERE assumed = 0 ORDER BY seq DESC, op_id LIMIT ?;

-- name: LastSeq :one
-- LastSeq returns the greatest seq of all that is applied or assumed to be.
SELECT CAST(COALESCE(max(seq), 0) AS INTEGER) FROM heads;

-- name: Heads :many
-- Heads returns all heads, by their IDs.
SELECT op_id, seq, assumed FROM heads ORDER BY op_id;

-- name: GetAuthor :one
-- GetAuthor returns what an author's ops take up.
SELECT ops, held, held_bytes, pending, pending_bytes FROM authors WHERE author = ?;

-- name: PutAuthor :exec
-- PutAuthor writes what an author's ops take up.
INSERT OR REPLACE INTO authors (author, ops, held, held_bytes, pending, pending_bytes) VALUES (?, ?, ?, ?, ?, ?);

-- name: Authors :many
-- Authors returns what the ops of all authors take up.
SELECT author, ops, held, held_bytes, pending, pending_bytes FROM authors ORDER BY author;

-- name: Sums :many
-- Sums returns what is held and pending in all.
SELECT kind, ops, bytes FROM sums ORDER BY kind;

-- name: PutSum :exec
-- PutSum writes what is held or pending in all.
INSERT OR REPLACE INTO sums (kind, ops, bytes) VALUES (?, ?, ?);

-- name: GetStory :one
-- GetStory returns a story by its ID.
SELECT n, id, number, status, depends, unmet, place, merged FROM stories WHERE id = ?;

-- name: GetStoryByN :one
-- GetStoryByN returns a story by its local number.
SELECT n, id, number, status, depends, unmet, place, merged FROM stories WHERE n = ?;

-- name: AddStory :execlastid
-- AddStory enters a story.
INSERT INTO stories (id, sort_key, number, status, depends, unmet, place, merged) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: PutStory :exec
-- PutStory writes what an op made of a story.
UPDATE stories SET number = ?, status = ?, depends = ?, unmet = ?, place = ?, merged = ? WHERE n = ?;

-- name: AddUnmet :exec
-- AddUnmet changes how many of a story's dependencies are not met.
UPDATE stories SET unmet = unmet + ? WHERE n = ?;

-- name: GetNumber :one
-- GetNumber returns what stories there are with a number.
SELECT known, visible, open, archived, deleted FROM numbers WHERE number = ?;

-- name: AddNumber :exec
-- AddNumber changes what stories there are with a number.
INSERT INTO numbers (number, known, visible, open, archived, deleted) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE
SET known = known + excluded.known, visible = visible + excluded.visible, open = open + excluded.open,
    archived = archived + excluded.archived, deleted = deleted + excluded.deleted;

-- name: NumberedStories :many
-- NumberedStories returns up to limit stories with a number.
SELECT id, merged FROM stories WHERE number = ? ORDER BY sort_key LIMIT ?;

-- name: NewestStories :many
-- NewestStories returns up to limit stories with the greatest numbers.
SELECT id, merged FROM stories WHERE number IS NOT NULL ORDER BY number DESC, sort_key LIMIT ?;

-- name: UnusedNumber :one
-- UnusedNumber returns the least number above 1 that follows a used one and is not used
-- itself.
SELECT CAST(COALESCE(min(a.number) + 1, 0) AS INTEGER) FROM numbers AS a
WHERE a.number < 4294967295 AND NOT EXISTS (SELECT 1 FROM numbers AS b WHERE b.number = a.number + 1);

-- name: SharedNumbers :many
-- SharedNumbers returns up to limit numbers of several visible stories.
SELECT number FROM numbers WHERE visible > 1 ORDER BY number LIMIT ?;

-- name: GetDependency :one
-- GetDependency returns a dependency register.
SELECT is_on, seq, author, op_id FROM dependencies WHERE story = ? AND number = ?;

-- name: PutDependency :exec
-- PutDependency writes a dependency register.
INSERT OR REPLACE INTO dependencies (story, number, is_on, seq, author, op_id) VALUES (?, ?, ?, ?, ?, ?);

-- name: DependenciesOf :many
-- DependenciesOf returns the numbers that a story depends on, and what stories there are
-- with each.
SELECT d.number, CAST(COALESCE(m.known, 0) AS INTEGER) AS known, CAST(COALESCE(m.visible, 0) AS INTEGER) AS visible,
    CAST(COALESCE(m.open, 0) AS INTEGER) AS open, CAST(COALESCE(m.archived, 0) AS INTEGER) AS archived,
    CAST(COALESCE(m.deleted, 0) AS INTEGER) AS deleted
FROM stories AS s
JOIN dependencies AS d ON d.story = s.n AND d.is_on = 1
LEFT JOIN numbers AS m ON m.number = d.number
WHERE s.id = ?
ORDER BY d.number;

-- name: DependentRows :many
-- DependentRows returns the stories that depend on a number, with what their places say.
SELECT s.n, s.unmet, s.place, p.stage, p.agent, p.blocked
FROM dependencies AS d
JOIN stories AS s ON s.n = d.story
LEFT JOIN places AS p ON p.n = s.place
WHERE d.number = ? AND d.is_on = 1
ORDER BY s.n;

-- name: DependentStories :many
-- DependentStories returns up to limit visible stories that depend on a number, but the
-- one with the given ID, of a status of at most the given one.
SELECT s.id FROM dependencies AS d
JOIN stories AS s ON s.n = d.story
WHERE d.number = sqlc.arg(number) AND d.is_on = 1 AND s.status >= 3 AND s.status <= sqlc.arg(most_status) AND s.id <> sqlc.arg(except)
ORDER BY s.sort_key LIMIT sqlc.arg(most);

-- name: CountDependents :one
-- CountDependents returns how many there are.
SELECT count(*) FROM dependencies AS d
JOIN stories AS s ON s.n = d.story
WHERE d.number = sqlc.arg(number) AND d.is_on = 1 AND s.status >= 3 AND s.status <= sqlc.arg(most_status) AND s.id <> sqlc.arg(except);

-- name: EdgesFrom :many
-- EdgesFrom returns up to limit dependencies of the visible stories with a number, of a
-- status of at most the given one; with unmet_only 1 those that are not met.
SELECT s.id, d.number FROM stories AS s
JOIN dependencies AS d ON d.story = s.n AND d.is_on = 1
LEFT JOIN numbers AS m ON m.number = d.number
WHERE s.number = sqlc.arg(number) AND s.status >= 3 AND s.status <= sqlc.arg(most_status)
  AND (sqlc.arg(unmet_only) = 0 OR COALESCE(m.visible, 0) = 0 OR m.open > 0)
ORDER BY s.sort_key, d.number LIMIT sqlc.arg(most);

-- name: DependentNumbers :many
-- DependentNumbers returns up to limit numbers above the given one with visible stories
-- that depend on something.
SELECT DISTINCT CAST(number AS INTEGER) AS number FROM stories
WHERE number > ? AND status >= 3 AND depends > 0
ORDER BY number LIMIT ?;

-- name: AddNote :exec
-- AddNote adds a note.
INSERT INTO notes (n, story, seq, author, op_id, agent, at, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: LastNotes :many
-- LastNotes returns up to limit notes of a story, the last written first.
SELECT m.seq, m.author, m.op_id, m.agent, m.at, m.text FROM stories AS s
JOIN notes AS m ON m.story = s.n
WHERE s.id = ?
ORDER BY m.seq DESC, m.author, m.op_id LIMIT ?;

-- name: AddIncrement :one
-- AddIncrement adds to a sum of increments and returns it.
INSERT INTO increments (story, field, base, total) VALUES (?, ?, ?, ?)
ON CONFLICT (story, field, base) DO UPDATE SET total = total + excluded.total
RETURNING total;

-- name: GetIncrements :one
-- GetIncrements returns a sum of increments.
SELECT total FROM increments WHERE story = ? AND field = ? AND base = ?;

-- name: AddPlace :execlastid
-- AddPlace enters an element, in the list or waiting for its anchor.
INSERT INTO places (story, op_id, seq, author, own_key, anchor, label, shown, stage, agent, blocked, waiting, claimable)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, NULL, '', 0, 0, 0);

-- name: PlaceByOp :one
-- PlaceByOp returns the element of a place edit that is in the list.
SELECT n, seq, label FROM places WHERE op_id = ? AND label IS NOT NULL;

-- name: OwnPlace :one
-- OwnPlace returns the own element of a story, by its sort key.
SELECT n, label FROM places WHERE own_key = ?;

-- name: NextOwnPlace :one
-- NextOwnPlace returns the first own element behind a sort key.
SELECT n, label FROM places WHERE own_key > ? ORDER BY own_key LIMIT 1;

-- name: PlacesWaitingFor :many
-- PlacesWaitingFor returns the elements that wait for that of an op.
SELECT n, story, op_id, seq, author FROM places WHERE anchor = ? ORDER BY n;

-- name: LabelPlace :exec
-- LabelPlace gives an element its place in the list.
UPDATE places SET label = ?, anchor = NULL WHERE n = ?;

-- name: DropPlace :exec
-- DropPlace forgets an element that can never be in the list.
DELETE FROM places WHERE n = ?;

-- name: PlacesAfter :many
-- PlacesAfter returns up to limit elements behind a label, dead ones too.
SELECT n, op_id, seq, author, own_key, label FROM places
WHERE label > ? ORDER BY label LIMIT ?;

-- name: PlaceBefore :one
-- PlaceBefore returns the last element before a label.
SELECT n, label FROM places WHERE label < ? ORDER BY label DESC LIMIT 1;

-- name: CountLabels :one
-- CountLabels returns how many elements have labels in a range.
SELECT count(*) FROM places WHERE label BETWEEN sqlc.arg(from_label) AND sqlc.arg(to_label);

-- name: PlaceLabel :one
-- PlaceLabel returns the label of an element.
SELECT label FROM places WHERE n = ?;

-- name: AllPlaces :many
-- AllPlaces returns all elements that are in the list, in its order.
SELECT n, op_id, seq, author, own_key, label FROM places WHERE label IS NOT NULL ORDER BY label;

-- name: LabelsBetween :many
-- LabelsBetween returns the elements whose labels are in a range.
SELECT n FROM places WHERE label BETWEEN sqlc.arg(from_label) AND sqlc.arg(to_label) ORDER BY label;

-- name: ShowPlace :exec
-- ShowPlace writes what queries need to know of the story that stands at a place.
UPDATE places SET shown = ?, stage = ?, agent = ?, blocked = ?, waiting = ?, claimable = ? WHERE n = ?;

-- name: SetWaiting :exec
-- SetWaiting writes whether the story at a place waits for others.
UPDATE places SET waiting = ?, claimable = ? WHERE n = ?;

-- name: LastShown :one
-- LastShown returns the last story in the list.
SELECT s.id, s.merged FROM places AS p JOIN stories AS s ON s.n = p.story
WHERE p.shown = 1 ORDER BY p.label DESC LIMIT 1;

-- name: ShownBefore :one
-- ShownBefore returns the last story in the list before a label.
SELECT s.id, s.merged FROM places AS p JOIN stories AS s ON s.n = p.story
WHERE p.shown = 1 AND p.label < ? ORDER BY p.label DESC LIMIT 1;

-- name: ShownAfter :one
-- ShownAfter returns the first story in the list after a label.
SELECT s.id, s.merged FROM places AS p JOIN stories AS s ON s.n = p.story
WHERE p.shown = 1 AND p.label > ? ORDER BY p.label LIMIT 1;

-- name: LabelOf :one
-- LabelOf returns the label of the place where a story stands.
SELECT p.label FROM stories AS s JOIN places AS p ON p.n = s.place WHERE s.id = ?;

-- name: AddCount :exec
-- AddCount changes how many visible stories there are of a kind.
INSERT INTO counts (stage, agent, blocked, waiting, stories) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (stage, agent, blocked, waiting) DO UPDATE SET stories = stories + excluded.stories;

-- name: DropCount :exec
-- DropCount forgets a kind of which there is no story any more.
DELETE FROM counts WHERE stage = ? AND agent = ? AND blocked = ? AND waiting = ? AND stories = 0;

-- name: Counts :many
-- Counts returns all counts.
SELECT stage, agent, blocked, waiting, stories FROM counts ORDER BY stage, agent, blocked, waiting;

-- name: CountsByStage :many
-- CountsByStage sums the counts up for one combination of filters; what is NULL does not
-- restrict.
SELECT stage, CAST(sum(stories) AS INTEGER) AS stories FROM counts
WHERE (sqlc.narg(agent) IS NULL OR agent = sqlc.narg(agent))
  AND (sqlc.narg(blocked) IS NULL OR blocked = sqlc.narg(blocked))
  AND (sqlc.narg(waiting) IS NULL OR waiting = sqlc.narg(waiting))
  AND (sqlc.narg(claimable) IS NULL
    OR (stage IN ('1_backlog', '2_current', '3_qa', '4_merge') AND blocked = 0 AND waiting = 0) = sqlc.narg(claimable))
GROUP BY stage ORDER BY stage;

-- name: StagesOfCounts :many
-- StagesOfCounts returns the stages of visible stories.
SELECT DISTINCT stage FROM counts ORDER BY stage;

-- name: AgentsAtWork :many
-- AgentsAtWork returns the agents that have a visible story.
SELECT DISTINCT agent FROM counts WHERE agent <> '' ORDER BY agent;

-- name: PutClaim :exec
-- PutClaim enters the claim on a story.
INSERT OR REPLACE INTO claims (claim, story, agent) VALUES (?, ?, ?);

-- name: DropClaim :exec
-- DropClaim forgets the claim on a story.
DELETE FROM claims WHERE story = ?;

-- name: ClaimsOf :many
-- ClaimsOf returns up to limit stories that an agent has by a claim.
SELECT s.id, s.merged FROM claims AS c JOIN stories AS s ON s.n = c.story
WHERE c.agent = ? ORDER BY s.sort_key LIMIT ?;

-- name: HoldingIn :many
-- HoldingIn returns up to most stories of a stage that an agent has by a claim. The counts name the agents
-- of the stage, so that places_by_agent finds their stories.
SELECT s.id, s.merged FROM places AS p
JOIN claims AS c ON c.story = p.story
JOIN stories AS s ON s.n = p.story
WHERE p.stage IS NOT NULL AND p.agent <> '' AND p.stage = sqlc.arg(stage)
  AND p.agent IN (SELECT k.agent FROM counts AS k WHERE k.stage = sqlc.arg(counted_stage) AND k.agent <> '' AND k.stories > 0)
ORDER BY s.sort_key LIMIT sqlc.arg(most);

-- name: ClaimBetween :many
-- ClaimBetween returns the story whose claim has an ID in a range.
SELECT s.id, s.merged, c.claim FROM claims AS c JOIN stories AS s ON s.n = c.story
WHERE c.claim BETWEEN sqlc.arg(from_claim) AND sqlc.arg(to_claim) ORDER BY c.claim LIMIT 16;

-- name: AddHistory :exec
-- AddHistory notes that an applied op is about a story.
INSERT INTO history (story, arrival, before, after) VALUES (?, ?, ?, ?);

-- name: HistoryOf :many
-- HistoryOf returns up to limit rows of a story's history below an arrival number, the
-- last to arrive first.
SELECT h.arrival, h.before, h.after FROM stories AS s JOIN history AS h ON h.story = s.n
WHERE s.id = ? AND h.arrival < ? ORDER BY h.arrival DESC LIMIT ?;

-- name: HistoryAt :one
-- HistoryAt returns what the op at an arrival number did to its story's stage.
SELECT h.before, h.after FROM stories AS s JOIN history AS h ON h.story = s.n
WHERE s.id = ? AND h.arrival = ?;

-- name: AppliedArrivals :many
-- AppliedArrivals returns the arrival numbers of all applied ops.
SELECT arrival FROM history;

-- name: VisibleIDs :many
-- VisibleIDs returns up to limit IDs of visible stories.
SELECT id FROM stories WHERE status >= 3 ORDER BY sort_key LIMIT ?;

-- name: IDsWith :many
-- IDsWith returns up to limit IDs of visible stories that contain a text in lower case,
-- whatever their own case is.
SELECT id FROM stories WHERE status >= 3 AND instr(lower(id), sqlc.arg(part)) > 0 ORDER BY sort_key LIMIT sqlc.arg(most);

-- name: IDsFrom :many
-- IDsFrom returns up to limit IDs of visible stories that begin with a text.
SELECT id FROM stories
WHERE id >= sqlc.arg(prefix) AND id < sqlc.arg(prefix_end) AND status >= 3
ORDER BY sort_key LIMIT sqlc.arg(most);

-- name: ListStage :many
-- ListStage returns up to limit stories of a stage behind a label.
SELECT s.id, s.merged, p.label FROM places AS p JOIN stories AS s ON s.n = p.story
WHERE p.stage = sqlc.arg(stage) AND p.label > sqlc.arg(label)
  AND (sqlc.narg(agent) IS NULL OR p.agent = sqlc.narg(agent))
  AND (sqlc.narg(blocked) IS NULL OR p.blocked = sqlc.narg(blocked))
  AND (sqlc.narg(waiting) IS NULL OR p.waiting = sqlc.narg(waiting))
  AND (sqlc.narg(claimable) IS NULL OR p.claimable = sqlc.narg(claimable))
ORDER BY p.label LIMIT sqlc.arg(rows);

-- name: ListAgent :many
-- ListAgent is ListStage for the stories that an agent has.
SELECT s.id, s.merged, p.label FROM places AS p JOIN stories AS s ON s.n = p.story
WHERE p.agent = sqlc.arg(agent) AND p.agent <> '' AND p.stage = sqlc.arg(stage) AND p.label > sqlc.arg(label)
  AND (sqlc.narg(blocked) IS NULL OR p.blocked = sqlc.narg(blocked))
  AND (sqlc.narg(waiting) IS NULL OR p.waiting = sqlc.narg(waiting))
ORDER BY p.label LIMIT sqlc.arg(rows);

-- name: ListBlocked :many
-- ListBlocked is ListStage for blocked stories.
SELECT s.id, s.merged, p.label FROM places AS p JOIN stories AS s ON s.n = p.story
WHERE p.stage = sqlc.arg(stage) AND p.blocked = 1 AND p.label > sqlc.arg(label)
  AND (sqlc.narg(agent) IS NULL OR p.agent = sqlc.narg(agent))
  AND (sqlc.narg(waiting) IS NULL OR p.waiting = sqlc.narg(waiting))
ORDER BY p.label LIMIT sqlc.arg(rows);

-- name: ListWaiting :many
-- ListWaiting is ListStage for stories that wait for others.
SELECT s.id, s.merged, p.label FROM places AS p JOIN stories AS s ON s.n = p.story
WHERE p.stage = sqlc.arg(stage) AND p.waiting = 1 AND p.label > sqlc.arg(label)
  AND (sqlc.narg(agent) IS NULL OR p.agent = sqlc.narg(agent))
  AND (sqlc.narg(blocked) IS NULL OR p.blocked = sqlc.narg(blocked))
ORDER BY p.label LIMIT sqlc.arg(rows);

-- name: ListClaimable :many
-- ListClaimable is ListStage for stories that can be claimed if nobody has them.
SELECT s.id, s.merged, p.label FROM places AS p JOIN stories AS s ON s.n = p.story
WHERE p.stage = sqlc.arg(stage) AND p.claimable = 1 AND p.label > sqlc.arg(label)
  AND (sqlc.narg(agent) IS NULL OR p.agent = sqlc.narg(agent))
ORDER BY p.label LIMIT sqlc.arg(rows);
