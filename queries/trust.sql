-- name: AppendDecision :exec
-- AppendDecision adds a decision, which from now on counts for its author.
INSERT INTO trust_decisions (author, name, trusted, decided_at)
VALUES (?, ?, ?, ?);

-- name: TrustedAuthors :many
-- TrustedAuthors returns the decisions that count and say yes, oldest first.
SELECT author, name, decided_at
FROM trust_decisions
WHERE id IN (SELECT max(id) FROM trust_decisions GROUP BY author)
  AND trusted = 1
ORDER BY id;

-- name: TrustDecisions :many
-- TrustDecisions returns all decisions, in their order.
SELECT id, author, name FROM trust_decisions ORDER BY id;
