package replica

import (
	"context"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

// Trusted returns the authors on the list of those whose ops are applied. When
// it is empty, ops of any author are.
func (r *Replica) Trusted(ctx context.Context) (trusted []oplog.TrustedAuthor, err error) {
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) (err error) {
		trusted, err = snap.Trusted()
		return err
	})
	return trusted, err
}

// Trust puts an author on the list of those whose ops are applied, or gives one
// that is there another name.
func (r *Replica) Trust(ctx context.Context, author crdt.Author, name string) error {
	return r.decide(ctx, func(tx *oplog.Tx) error { return tx.Trust(author, name) })
}

// Distrust takes an author off the list. Its ops stay in the log; once others
// are on the list, they change no story any more.
func (r *Replica) Distrust(ctx context.Context, author crdt.Author) error {
	return r.decide(ctx, func(tx *oplog.Tx) error { return tx.Distrust(author) })
}

// decide makes a decision durable.
func (r *Replica) decide(ctx context.Context, decision func(*oplog.Tx) error) error {
	if r.cfg.ReadOnly {
		return errReadOnly
	}
	if err := oplog.CreateFolder(r.cfg.Path); err != nil {
		return err
	}
	return r.locked(ctx, func(log *oplog.Log) error { return log.Write(ctx, decision) })
}

// Author returns the author that this replica signs as, or false if there is no
// database yet. One that was moved or copied here gets its key first.
func (r *Replica) Author(ctx context.Context) (author crdt.Author, ok bool, err error) {
	look := func(log *oplog.Log) error {
		author, ok = log.Author(), true
		return nil
	}
	if err = ifThere(r.use(ctx, look)); err == nil && ok && author == (crdt.Author{}) && !r.cfg.ReadOnly {
		err = r.locked(ctx, look)
	}
	return author, ok, err
}

// Identities returns the authors of this replica, in the order in which they came.
// There is none before there is a database.
func (r *Replica) Identities(ctx context.Context) (own []oplog.Identity, err error) {
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) (err error) {
		own, err = snap.Identities()
		return err
	})
	return own, err
}
