package replica

import (
	"context"
	"errors"

	"github.com/huskies/huskies-mcp/oplog"
)

// Backup copies the log as oplog.Backup does, without stopping anybody from
// writing. One of an older build is brought up to date first.
func (r *Replica) Backup(ctx context.Context, to string, withKey bool) (report oplog.BackupReport, err error) {
	report, err = oplog.Backup(ctx, r.logConfig(), to, withKey)
	if !errors.Is(err, oplog.ErrOutdated) || r.cfg.ReadOnly {
		return report, err
	}
	if err := r.BringUpToDate(ctx); err != nil {
		return report, err
	}
	return oplog.Backup(ctx, r.logConfig(), to, withKey)
}

// BringUpToDate makes the database one that this build writes to, as each write does.
func (r *Replica) BringUpToDate(ctx context.Context) error {
	if err := r.use(ctx, func(*oplog.Log) error { return nil }); err != nil {
		return err // nothing is created
	}
	return r.locked(ctx, func(*oplog.Log) error { return nil })
}

// Rebuild makes the state anew from the log: a replay of all ops.
func (r *Replica) Rebuild(ctx context.Context) error {
	if err := r.use(ctx, func(*oplog.Log) error { return nil }); err != nil {
		return err // nothing is created
	}
	return r.locked(ctx, func(log *oplog.Log) error { return log.Rebuild(ctx) })
}

// ifThere returns err unless it says that there is no log.
func ifThere(err error) error {
	if errors.Is(err, oplog.ErrNoLog) {
		return nil
	}
	return err
}
