package oplog

import (
	"fmt"
	"slices"
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
// these decisions, oldest first. The replica's own author is not among them unless
// somebody decided so.
func (s *Snapshot) Trusted() ([]TrustedAuthor, error) {
	rows, err := s.q.TrustedAuthors(s.ctx)
	trusted := make([]TrustedAuthor, len(rows))
	for i, row := range rows {
		trusted[i] = TrustedAuthor{Author: author(row.Author), Name: row.Name, Since: row.DecidedAt}
	}
	return trusted, s.log.fail("read trusted authors", err)
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

// decide adds a decision. If it makes ops of the log count that did not, or the other
// way round, the state is rebuilt when the transaction ends.
func (tx *Tx) decide(what string, about crdt.Author, name string, trusted int64) error {
	tx.wrote, tx.unflushed = true, true
	what += " author " + about.Short()
	err := tx.log.queries.AppendDecision(tx.ctx, db.AppendDecisionParams{
		Author:    about[:],
		Name:      name,
		Trusted:   trusted,
		DecidedAt: tx.log.cfg.Now().UnixMilli(),
	})
	if err != nil {
		return tx.log.fail(what, err)
	}
	return tx.log.fail(what, tx.trustAnew())
}

// trustAnew finds out whose ops count from now on.
func (tx *Tx) trustAnew() error {
	row, err := tx.log.queries.GetState(tx.ctx)
	if err != nil {
		return err
	}
	tx.w.state.Decision = row.LastDecision
	tx.w.unread = true
	return tx.w.readTrust()
}

// Shared reports whether the pipeline is, or may become, that of another replica too: the replica is joined
// to a hub, the log holds an op of a key that never was this replica's own, or such a key is trusted.
func (tx *Tx) Shared() (bool, error) {
	if joined, err := tx.isJoined(); joined || err != nil {
		return joined, tx.log.fail("read hub", err)
	}
	own, err := ownAuthors(tx.ctx, tx.log.queries)
	if err != nil {
		return false, tx.log.fail("read own authors", err)
	}
	authors, err := tx.log.queries.Authors(tx.ctx)
	if err != nil {
		return false, tx.log.fail("read authors", err)
	}
	for _, a := range authors {
		if a.Ops > 0 && !slices.Contains(own, author(a.Author)) {
			return true, nil
		}
	}
	trusted, err := tx.log.queries.TrustedAuthors(tx.ctx)
	for _, row := range trusted {
		if !slices.Contains(own, author(row.Author)) {
			return true, nil
		}
	}
	return false, tx.log.fail("read trusted authors", err)
}
