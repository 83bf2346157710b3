package replica

import (
	"context"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

// Entry is one op of the history.
type Entry struct {
	Op         *crdt.Op
	ReceivedAt time.Time
}

// History calls fn for every op in the log, in order of arrival, until fn
// returns an error. Rows that cannot be read are passed over. Other calls wait
// meanwhile.
func (r *Replica) History(ctx context.Context, fn func(Entry) error) error {
	return r.read(ctx, func() error {
		if r.log == nil {
			return nil
		}
		return r.log.Read(ctx, 0, func(row oplog.Row) error {
			op, receipt, err := r.entry(ctx, row)
			if op == nil || err != nil {
				return err
			}
			return fn(Entry{op, time.UnixMilli(receipt.ReceivedAt).UTC()})
		})
	})
}

// entry returns the op of a row with its receipt; no op if it is damaged.
func (r *Replica) entry(ctx context.Context, row oplog.Row) (*crdt.Op, oplog.Receipt, error) {
	op, err := r.decode(row)
	if err != nil {
		return nil, oplog.Receipt{}, err
	}
	if op != nil {
		receipt, err := r.log.Receipt(ctx, row.Arrival)
		return op, receipt, err
	}
	op, receipt, err := r.salvage(row)
	if op == nil && err == nil {
		r.cfg.Logger.Error("op in the database is damaged and is passed over", "arrival", row.Arrival, "op", row.ID.Short())
	}
	return op, receipt, err
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
