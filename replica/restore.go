package replica

import (
	"context"
	"errors"
	"math"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

// Restore puts the pipeline of the copy at from in the place of this one, see [oplog.Log.Restore].
// The copy stands in the folder of the database. Keep is called before anything changes, with the
// right to write, and must copy what is there now: nobody writes until the copy is in place. If keep
// returns an error, nothing is changed.
//
// If there is no database, the copy becomes the database. If the one that is there is too damaged to
// be read or written, it is moved aside first.
func (r *Replica) Restore(ctx context.Context, from string, keep func() error) (report oplog.RestoreReport, err error) {
	if r.cfg.ReadOnly {
		return report, errReadOnly
	}
	release, err := r.acquire(ctx)
	if err != nil {
		return report, err
	}
	report, placed, err := r.restoreLocked(ctx, from, keep)
	release()
	if err != nil {
		return report, err
	}
	r.forget()
	if placed {
		if err := r.BringUpToDate(ctx); err != nil {
			return report, err
		}
		report.FreshKey = true
		err = r.use(ctx, func(log *oplog.Log) error { report.Author = log.Author(); return nil })
	}
	r.bell.Ring()
	return report, err
}

// restoreLocked is Restore for a caller that has the lock. Placed says that the copy is the database
// now.
func (r *Replica) restoreLocked(ctx context.Context, from string, keep func() error) (report oplog.RestoreReport, placed bool, err error) {
	err = r.use(ctx, func(*oplog.Log) error { return nil })
	if err == nil {
		err = keep()
	}
	if err == nil {
		err = r.ready(ctx)
	}
	if err == nil {
		err = r.write(ctx, func(log *oplog.Log) error {
			report, err = log.Restore(ctx, from)
			return err
		})
	}
	if err == nil || !errors.Is(err, oplog.ErrNoLog) && !isDamaged(err) {
		return report, false, err
	}
	r.drop()
	report, err = oplog.Put(r.logConfig(), from)
	return report, err == nil, err
}

// isDamaged reports whether err says that the file cannot be read as what it is.
func isDamaged(err error) bool {
	var failed *oplog.Error
	return errors.As(err, &failed) && (failed.Damaged() || failed.NoDatabase())
}

// forget makes the pipeline that is at the path now the one that this replica knows.
func (r *Replica) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = crdt.OpID{}
	r.sameState.Store(math.MaxUint64)
}
