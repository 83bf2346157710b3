package oplog

import (
	"cmp"
	"database/sql"
	"errors"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// recordDamage enters the noted rows among the exceptions, unless they are there or were repaired.
// The edits of their ops stay in the state, and what builds on them goes on.
func (tx *Tx) recordDamage() error {
	for _, arrival := range tx.log.noted.take() {
		at, err := tx.log.queries.SignedOpAt(tx.ctx, arrival)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		from := db.SignedOpsAfterRow(at)
		row := storedAs(&from)
		if opIn(&row) != nil {
			continue
		}
		_, err = tx.log.queries.ExceptionAt(tx.ctx, arrival)
		if errors.Is(err, sql.ErrNoRows) {
			err = tx.log.queries.AddException(tx.ctx, db.AddExceptionParams{
				Arrival: arrival, Kind: int64(Assumed), OpID: row.ID[:], Seq: at.Seq, Author: []byte{},
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// AppendDamaged adds the damaged rows of the legacy as they stand there, but for those of ops that
// are here, so that what builds on them goes on. It returns how many it added. The state is rebuilt
// when the transaction ends.
func (tx *Tx) AppendDamaged(from *Legacy) (added int, err error) {
	slices.SortStableFunc(from.damaged, func(a, b db.AppendOpParams) int { return cmp.Compare(a.Seq, b.Seq) })
	seen := make(map[crdt.OpID]bool)
	for _, row := range from.damaged {
		id := crdt.OpID(row.OpID)
		found, err := findOp(tx.ctx, tx.log.queries, id)
		if err != nil {
			return added, tx.log.fail("read op", err)
		}
		if found != nil || seen[id] {
			continue
		}
		seen[id] = true
		row.ReceivedAt = tx.log.cfg.Now().UnixMilli()
		if _, err := tx.log.queries.AppendOp(tx.ctx, row); err != nil {
			return added, tx.log.fail("append op "+id.Short(), err)
		}
		tx.wrote, tx.rebuild = true, true
		added++
	}
	return added, nil
}
