package replica

import (
	"context"
	"errors"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

// Entry is one op of the history.
type Entry struct {
	Op *crdt.Op
	// Arrival is the number of the op's row, from 1.
	Arrival    int64
	ReceivedAt time.Time
}

// History calls fn for every op in the log, in order of arrival, until fn
// returns an error. Rows that cannot be read are passed over. It needs no document. Other
// calls wait meanwhile.
func (r *Replica) History(ctx context.Context, fn func(Entry) error) error {
	return r.read(ctx, func() error {
		if r.log == nil {
			return nil
		}
		last, err := r.log.Last(ctx)
		if err != nil {
			return err
		}
		if err := r.log.Sync(); err != nil { // nobody hears of what a power cut takes back
			r.fail(err)
			return err
		}
		err = r.log.ReadSigned(ctx, 0, func(row oplog.SignedRow) error {
			if row.Arrival > last {
				return errPast
			}
			op, err := r.entry(row)
			if op == nil || err != nil {
				return err
			}
			return fn(Entry{op, row.Arrival, time.UnixMilli(row.ReceivedAt).UTC()})
		})
		if errors.Is(err, errPast) {
			return nil
		}
		return err
	})
}

// errPast: the row was not there yet when the reading began.
var errPast = errors.New("the row came later")

// entry returns the op of a row, or nil if it is damaged and its author did not
// sign what is there.
func (r *Replica) entry(row oplog.SignedRow) (*crdt.Op, error) {
	op, err := r.decode(row.Row)
	if op != nil || err != nil {
		return op, err
	}
	if op, err = crdt.Verify(row.Payload, row.Signature); err != nil {
		r.cfg.Logger.Error("op in the database is damaged and is passed over", "arrival", row.Arrival, "op", row.ID.Short())
		return nil, nil
	}
	return op, nil
}

// salvage returns the op in a damaged row, or nil if there is none that its
// author signed.
func (r *Replica) salvage(row oplog.Row) (*crdt.Op, oplog.Receipt, error) {
	receipt, err := r.log.Receipt(context.Background(), row.Arrival)
	if err != nil {
		return nil, receipt, err
	}
	op, err := crdt.Verify(row.Payload, receipt.Signature)
	if err != nil {
		return nil, receipt, nil
	}
	return op, receipt, nil
}
