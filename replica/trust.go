package replica

import (
	"context"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

// Trusted returns the authors on the list of those whose ops are applied. When
// it is empty, ops of any author are.
func (r *Replica) Trusted(ctx context.Context) (trusted []oplog.TrustedAuthor, err error) {
	err = r.read(ctx, func() error {
		if r.log == nil {
			return nil
		}
		trusted, err = r.log.Trusted(ctx)
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

// decide makes a decision durable. Every other process reads the log anew when
// it sees the new epoch.
func (r *Replica) decide(ctx context.Context, decision func(*oplog.Tx) error) error {
	if r.cfg.ReadOnly {
		return errReadOnly
	}
	if err := oplog.CreateFolder(r.cfg.Path); err != nil {
		return err
	}
	return r.locked(ctx, func() error {
		err := r.log.Write(ctx, decision)
		if err != nil || r.readTrust(ctx) != nil {
			r.fail(err) // the next call reads it; what is durable is no error
		}
		return err
	})
}

// readTrust reads whom to trust and forgets the document, which was made for
// others. The caller holds mu.
func (r *Replica) readTrust(ctx context.Context) error {
	// The number first: what changes meanwhile is then seen after the next rows.
	epoch, err := r.log.Epoch(ctx)
	if err != nil {
		return err
	}
	list, err := r.log.Trusted(ctx)
	if err != nil {
		return err
	}
	r.trusted, r.epoch = nil, epoch
	for _, t := range list {
		r.trusted = append(r.trusted, t.Author)
	}
	if len(r.trusted) > 0 {
		own, err := r.log.Identities(ctx)
		if err != nil {
			return err
		}
		r.trusted = append(r.trusted, r.author) // whatever was restored over the file
		for _, id := range own {
			r.trusted = append(r.trusted, id.Author)
		}
	}
	r.forget()
	return nil
}

// Author returns the author that this replica signs as, or false if there is no
// database yet. One that was moved or copied here gets its key first.
func (r *Replica) Author(ctx context.Context) (author crdt.Author, ok bool, err error) {
	err = r.read(ctx, func() error {
		author, ok = r.author, r.log != nil
		return nil
	})
	if err == nil && ok && author == (crdt.Author{}) {
		err = r.locked(ctx, func() error {
			author = r.author
			return nil
		})
	}
	return author, ok, err
}

// Identities returns the authors of this replica, as oplog.Log does. There is
// none before there is a database.
func (r *Replica) Identities(ctx context.Context) (own []oplog.Identity, err error) {
	err = r.read(ctx, func() error {
		if r.log == nil {
			return nil
		}
		own, err = r.log.Identities(ctx)
		return err
	})
	return own, err
}
