package oplog

import (
	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/members"
)

// Follow makes members decide whose ops count, by the word of a root; the zero author makes people here decide.
func (tx *Tx) Follow(root crdt.Author) error {
	const what = "follow root"
	before, err := readRoot(tx.ctx, tx.log.queries)
	if err != nil || before == root {
		return tx.log.fail(what, err)
	}
	tx.wrote, tx.unflushed = true, true
	key := root[:]
	if root == (crdt.Author{}) {
		key = []byte{}
	}
	err = tx.log.queries.AppendRoot(tx.ctx, db.AppendRootParams{Root: key, DecidedAt: tx.log.cfg.Now().UnixMilli()})
	if err == nil {
		err = tx.trustAnew()
	}
	return tx.log.fail(what, err)
}

// Counts reports whether ops of this replica's key count.
func (tx *Tx) Counts() (bool, error) {
	err := tx.w.readTrust()
	return tx.w.trusts(tx.log.Author()), tx.log.fail("read members", err)
}

// Members returns the members as the transaction has made them, nil if this replica has no root.
func (tx *Tx) Members() (*members.Members, error) {
	err := tx.w.readTrust()
	return tx.w.trust.members, tx.log.fail("read members", err)
}

// MembersBy is [Snapshot.MembersBy], as the transaction has made the log.
func (tx *Tx) MembersBy(root crdt.Author) (*members.Members, error) {
	ops, err := tableMemberOps(tx.ctx, tx.log.queries)
	return members.Decide(root, ops), tx.log.fail("read members", err)
}

// NextOfMembers is [Tx.Next] for an op about members, whose parents are such ops alone.
func (tx *Tx) NextOfMembers() (parents []crdt.OpID, seq uint64, err error) {
	err = tx.w.readTrust()
	if err != nil {
		return nil, 0, tx.log.fail("read members", err)
	}
	ops, err := tableMemberOps(tx.ctx, tx.log.queries)
	if err != nil {
		return nil, 0, tx.log.fail("read members", err)
	}
	parents, seq = members.Next(ops, tx.w.trusts, tx.w.trust.members)
	return parents, seq, nil
}

// HeadsOf returns, of each of the authors, the heads of the ops that count, see [members.Graph.HeadsOf].
func (tx *Tx) HeadsOf(authors ...crdt.Author) ([][]crdt.OpID, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	g, err := readGraph(tx.ctx, tx.log.queries)
	if err != nil {
		return nil, tx.log.fail("read ops", err)
	}
	held := make(map[crdt.OpID]bool)
	err = eachException(tx.ctx, tx.log.queries, Held, func(e Exception) error {
		held[e.ID] = true
		return nil
	})
	all := make([][]crdt.OpID, len(authors))
	for i, a := range authors {
		all[i] = g.HeadsOf(a, func(id crdt.OpID) bool { return !held[id] })
	}
	return all, tx.log.fail("read exceptions", err)
}

// Counting returns the authors of whom ops are here and count.
func (tx *Tx) Counting() (counting []crdt.Author, err error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	rows, err := tx.log.queries.Authors(tx.ctx)
	for _, row := range rows {
		if a := author(row.Author); row.Ops > row.Held && tx.w.trusts(a) {
			counting = append(counting, a)
		}
	}
	return counting, tx.log.fail("read authors", err)
}

// Root returns the root that this replica follows, the zero author if it follows none.
func (tx *Tx) Root() (crdt.Author, error) {
	root, err := readRoot(tx.ctx, tx.log.queries)
	return root, tx.log.fail("read root", err)
}
