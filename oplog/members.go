package oplog

import (
	"context"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/members"
)

// trustOf returns whose ops count by the tables of the state, which the row is of and nobody has changed in this
// transaction.
func (l *Log) trustOf(ctx context.Context, q *db.Queries, row *db.GetStateRow) (*trust, error) {
	ops, err := q.MemberOpsMark(ctx)
	if err != nil {
		return nil, err
	}
	mark := trustMark{row.StateID, row.LastDecision, row.LastKey, ops}
	l.known.mu.Lock()
	defer l.known.mu.Unlock()
	if l.known.trust == nil || l.known.mark != mark {
		t, err := tableTrust(ctx, q)
		if err != nil {
			return nil, err
		}
		l.known.mark, l.known.trust = mark, t
	}
	return l.known.trust, nil
}

// Members returns the members of the pipeline; nil if this replica has no root, so that it decides for itself whom to
// trust.
func (s *Snapshot) Members() (*members.Members, error) {
	t, err := s.log.trustOf(s.ctx, s.q, &s.row)
	if err != nil {
		return nil, s.log.fail("read members", err)
	}
	return t.members, nil
}

// MembersBy returns the members by a root, whether this replica follows it or not.
func (s *Snapshot) MembersBy(root crdt.Author) (*members.Members, error) {
	ops, err := tableMemberOps(s.ctx, s.q)
	return members.Decide(root, ops), s.log.fail("read members", err)
}

// HeldOps says how many ops of an author are here, and how many of them do not count.
type HeldOps struct {
	Author    crdt.Author
	Ops, Held int
}

// HeldByAuthor returns the authors of the ops of the log.
func (s *Snapshot) HeldByAuthor() (authors []HeldOps, err error) {
	rows, err := s.q.Authors(s.ctx)
	for _, row := range rows {
		if row.Ops > 0 {
			authors = append(authors, HeldOps{author(row.Author), int(row.Ops), int(row.Held)})
		}
	}
	return authors, s.log.fail("read authors", err)
}
