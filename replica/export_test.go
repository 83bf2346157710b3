package replica

import (
	"context"
	"errors"
	"io"

	"github.com/huskies/huskies-mcp/oplog"
)

// Dump writes the view's state in its canonical form, and nothing if there is no database yet.
func (v *View) Dump(w io.Writer) error {
	if v.snap == nil {
		return nil
	}
	return v.snap.Dump(w)
}

// DumpLog writes the state that the log alone gives, whatever the tables in the file say. A
// process of another machine does not believe these tables, so its Views answer from a state that
// is made from the log.
func (r *Replica) DumpLog(ctx context.Context, w io.Writer) error {
	cfg := r.logConfig()
	cfg.Machine = "a machine that never had the file"
	log, err := oplog.Open(ctx, cfg)
	if errors.Is(err, oplog.ErrNoLog) {
		return nil
	}
	if err != nil {
		return err
	}
	if log.Ready() {
		err = errors.New("the log believes the tables in the file")
	} else {
		err = log.View(ctx, func(snap *oplog.Snapshot) error { return snap.Dump(w) })
	}
	return errors.Join(err, log.Close())
}
