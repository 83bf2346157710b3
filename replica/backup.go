package replica

import (
	"context"
	"errors"

	"github.com/huskies/huskies-mcp/oplog"
)

// Backup copies the database as oplog.Backup does, without stopping anybody from
// writing. One of an older build is brought up to date first.
func (r *Replica) Backup(ctx context.Context, to string, withKey bool) (report oplog.BackupReport, err error) {
	report, err = oplog.Backup(ctx, r.logConfig(), to, withKey)
	if !errors.Is(err, oplog.ErrOutdated) {
		return report, err
	}
	if err := r.read(ctx, func() error { return nil }); err != nil {
		return report, err
	}
	return oplog.Backup(ctx, r.logConfig(), to, withKey)
}
