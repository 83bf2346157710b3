package oplog

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// MaxAuthorName bounds the name of a trusted author, in bytes: as much as an
// agent's.
const MaxAuthorName = 128

// TrustedAuthor is a replica whose ops this one takes.
type TrustedAuthor struct {
	Author crdt.Author
	// Name is what people here call it; may be empty. It decides nothing.
	Name string
	// Since is when the decision that counts was made, in ms since 1970 UTC by
	// this replica's clock.
	Since int64
}

// Trusted returns the authors whose last decision is to trust them, in order of
// these decisions, oldest first. Inside a Write it sees the transaction's own.
// The replica's own author is not among them unless somebody decided so.
func (l *Log) Trusted(ctx context.Context) ([]TrustedAuthor, error) {
	rows, err := l.queries.TrustedAuthors(context.WithoutCancel(ctx))
	if err != nil {
		return nil, l.fail("read trusted authors", err)
	}
	trusted := make([]TrustedAuthor, len(rows))
	for i, row := range rows {
		copy(trusted[i].Author[:], row.Author)
		trusted[i].Name, trusted[i].Since = row.Name, row.DecidedAt
	}
	return trusted, nil
}

// Trust adds the decision to take the author's ops, and what to call it.
func (tx *Tx) Trust(author crdt.Author, name string) error {
	switch {
	case len(name) > MaxAuthorName:
		return fmt.Errorf("trust author %s: the name has %d bytes, want at most %d", author.Short(), len(name), MaxAuthorName)
	case !utf8.ValidString(name):
		return fmt.Errorf("trust author %s: the name is not UTF-8 text", author.Short())
	}
	return tx.decide("trust", author, name, 1)
}

// Distrust adds the decision to take no more of the author's ops. Those that
// are in the log stay.
func (tx *Tx) Distrust(author crdt.Author) error {
	return tx.decide("distrust", author, "", 0)
}

func (tx *Tx) decide(what string, author crdt.Author, name string, trusted int64) error {
	err := tx.log.queries.AppendDecision(tx.ctx, db.AppendDecisionParams{
		Author:    author[:],
		Name:      name,
		Trusted:   trusted,
		DecidedAt: tx.log.cfg.Now().UnixMilli(),
	})
	if err != nil {
		return tx.log.fail(what+" author "+author.Short(), err)
	}
	tx.appended++
	return nil
}
