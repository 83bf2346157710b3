package oplog

import (
	"context"
	"fmt"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// Tx is a write transaction.
type Tx struct {
	log      *Log
	ctx      context.Context // of the Write
	appended int             // rows of any table, also those that were repaired
}

// Append adds an op that Sign made or Verify admitted and that is not in the
// log yet, and returns its arrival number.
func (tx *Tx) Append(op *crdt.Op, signed crdt.SignedOp) (arrival int64, err error) {
	arrival, err = tx.log.appending.AppendOp(tx.ctx, db.AppendOpParams{
		OpID:       signed.ID[:],
		Author:     op.Author[:],
		Seq:        int64(op.Seq),
		Payload:    signed.Payload,
		Signature:  signed.Signature[:],
		ReceivedAt: tx.log.cfg.Now().UnixMilli(),
	})
	if err != nil {
		return 0, tx.log.fail("append op "+signed.ID.Short(), err)
	}
	tx.appended++
	return arrival, nil
}

// Repair gives a row that is damaged its bytes back: op is what its ID names,
// which Verify admitted when it came again. The row keeps its arrival number, so
// a process that has read it does not read it again by itself.
func (tx *Tx) Repair(op *crdt.Op, signed crdt.SignedOp) error {
	what := "repair op " + signed.ID.Short()
	changed, err := tx.log.queries.RepairOp(tx.ctx, db.RepairOpParams{
		Author:    op.Author[:],
		Seq:       int64(op.Seq),
		Payload:   signed.Payload,
		Signature: signed.Signature[:],
		OpID:      signed.ID[:],
	})
	if err != nil {
		return tx.log.fail(what, err)
	}
	if changed != 1 {
		return tx.log.fail(what, fmt.Errorf("%d rows have this ID, want 1", changed))
	}
	tx.appended++
	return tx.log.fail(what, tx.log.queries.AppendRepair(tx.ctx, db.AppendRepairParams{
		OpID:       signed.ID[:],
		RepairedAt: tx.log.cfg.Now().UnixMilli(),
	}))
}
