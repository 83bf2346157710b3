package replica

import (
	"context"
	"errors"

	"github.com/huskies/huskies-mcp/oplog"
)

// Backup copies the database as oplog.Backup does, without stopping anybody from
// writing. One of an older build is brought up to date first.
func (r *Replica) Backup(ctx context.Context, to string, withKey bool) (ops int64, err error) {
	ops, err = oplog.Backup(ctx, r.logConfig(), to, withKey)
	if !errors.Is(err, oplog.ErrOutdated) {
		return ops, err
	}
	if err := r.read(ctx, func() error { return nil }); err != nil {
		return 0, err
	}
	return oplog.Backup(ctx, r.logConfig(), to, withKey)
}
