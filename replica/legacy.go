package replica

import (
	"context"
	"errors"

	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/oplog/bundle"
)

// errThere: a database is made of a legacy only where there is none.
var errThere = errors.New("there is a database already")

// ImportLegacy makes a database, where there must be none, out of what another one had beside its ops
// and of a bundle. It imports the bundle as [Replica.Import] does, but has room for all
// ops: they had it in the other database. Then it takes the damaged rows of the other database as they
// stand there, so that what builds on them goes on. It returns how many it took.
func (r *Replica) ImportLegacy(ctx context.Context, from *oplog.Legacy, in *bundle.Reader, progress func(bytes int64)) (report ImportReport, damaged int, err error) {
	im := newImporter(r, progress)
	im.from = from
	if err = im.takeAll(ctx, in); err == nil {
		damaged, err = r.takeDamaged(ctx, from)
	}
	err = im.end(ctx, err)
	return im.report, damaged, err
}

// takeDamaged takes the damaged rows.
func (r *Replica) takeDamaged(ctx context.Context, from *oplog.Legacy) (damaged int, err error) {
	err = r.locked(ctx, func(log *oplog.Log) error {
		return log.Write(ctx, func(tx *oplog.Tx) (err error) {
			damaged, err = tx.AppendDamaged(from)
			return err
		})
	})
	return damaged, err
}

// createFrom makes the database, unless it was made.
func (r *Replica) createFrom(ctx context.Context, from *oplog.Legacy) error {
	switch {
	case r.cfg.ReadOnly:
		return errReadOnly
	case from.Entered():
		return nil
	}
	if err := oplog.CreateFolder(r.cfg.Path); err != nil {
		return err
	}
	release, err := r.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	cfg := r.logConfig()
	cfg.Legacy = from
	log, err := oplog.Create(ctx, cfg)
	if err != nil {
		return err
	}
	if err := log.Close(); err != nil || from.Entered() {
		return err
	}
	return errThere
}
