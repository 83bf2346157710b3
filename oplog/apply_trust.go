package oplog

import (
	"context"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/pipeline"
)

// readListed reads what people here decided.
func readListed(ctx context.Context, q *db.Queries) (*trust, error) {
	t := &trust{}
	list, err := q.TrustedAuthors(ctx)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		t.listed = make(map[crdt.Author]bool)
	}
	for _, row := range list {
		t.listed[author(row.Author)] = true
	}
	t.own = make(map[crdt.Author]bool)
	own, err := q.Identities(ctx)
	for _, id := range own {
		t.own[author(id.Author)] = true
	}
	return t, err
}

// readRoot returns the root by whose word members are decided, the zero author if there is none.
func readRoot(ctx context.Context, q *db.Queries) (crdt.Author, error) {
	rows, err := q.LastRoot(ctx)
	if err != nil || len(rows) == 0 {
		return crdt.Author{}, err
	}
	return author(rows[0]), nil
}

// readTrustWith reads whose ops count. Of the members it asks decide.
func readTrustWith(ctx context.Context, q *db.Queries, decide func(root crdt.Author) (*members.Members, error)) (*trust, error) {
	t, err := readListed(ctx, q)
	if err != nil {
		return nil, err
	}
	root, err := readRoot(ctx, q)
	if err != nil || root == (crdt.Author{}) {
		return t, err
	}
	t.members, err = decide(root)
	return t, err
}

// tableTrust reads whose ops count by the tables of the state.
func tableTrust(ctx context.Context, q *db.Queries) (*trust, error) {
	return readTrustWith(ctx, q, func(root crdt.Author) (*members.Members, error) {
		ops, err := tableMemberOps(ctx, q)
		return members.Decide(root, ops), err
	})
}

// tableMemberOps returns the ops about members as the tables of the state have them.
func tableMemberOps(ctx context.Context, q *db.Queries) (ops []members.Op, err error) {
	rows, err := q.MemberOps(ctx)
	for i := range rows {
		if ops, err = addMemberOp(ops, rows[i]); err != nil {
			return nil, err
		}
	}
	return ops, err
}

// addMemberOp adds the op of a row, unless the row is damaged or holds something else.
func addMemberOp(ops []members.Op, row db.MemberOpsRow) ([]members.Op, error) {
	op, err := readableOp(&db.SignedOpsAfterRow{OpID: row.OpID, Payload: row.Payload, Signature: row.Signature}, crdt.Decode)
	if op != nil && op.Story == members.Story && pipeline.Check(op) == nil {
		ops = append(ops, members.Read(op))
	}
	return ops, err
}

// logTrust reads whose ops count by the log alone, but for what is left of removed members.
func logTrust(ctx context.Context, q *db.Queries) (*trust, error) {
	return readTrustWith(ctx, q, func(root crdt.Author) (*members.Members, error) {
		ops, err := logMemberOps(ctx, q)
		return members.Decide(root, ops), err
	})
}

// logMemberOps returns the ops about members of the log. Those that wait for others are among them, but not what
// they wait for, so the rule leaves them out.
func logMemberOps(ctx context.Context, q *db.Queries) (ops []members.Op, err error) {
	rows, err := q.LogOfMembers(ctx)
	for i := range rows {
		if ops, err = addMemberOp(ops, db.MemberOpsRow(rows[i])); err != nil {
			return nil, err
		}
	}
	return ops, err
}

// readTrust reads anew whose ops count, if ops about members came since. If other ops that are here count now, the
// state is rebuilt when the transaction ends.
func (w *stateWriter) readTrust() error {
	if !w.unread {
		return nil
	}
	w.unread = false
	next, err := tableTrust(w.ctx, w.q)
	if err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	authors, err := w.q.Authors(w.ctx)
	for _, row := range authors {
		if row.Ops > 0 && !w.trust.sameFor(author(row.Author), next) {
			w.rebuild = true
		}
	}
	w.trust = next
	return err
}

// came notes an op that is here with its parents, if members are decided by it.
func (w *stateWriter) came(op *crdt.Op, arrival int64, kind Kind) error {
	if !kind.isParent() {
		return nil
	}
	if w.trust.members != nil && w.trust.members.Names(op.ID) {
		w.rebuild = true // its ancestors count
	}
	if op.Story != members.Story {
		return nil
	}
	if w.trust.members != nil && !w.unread {
		read := members.Read(op)
		w.unread = w.trust.members.Heeds(&read)
	}
	return w.q.AddMemberOp(w.ctx, arrival)
}
