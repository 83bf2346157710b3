package oplog

import (
	"context"
	"errors"
	"fmt"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Tx is a write transaction on the log and its state.
type Tx struct {
	log   *Log
	ctx   context.Context // of the Write
	w     *stateWriter
	row   db.GetStateRow // as the transaction began
	wrote bool           // rows of any table
	// unflushed: an op was applied since the last flush.
	unflushed bool
	// rebuild: something other than an op changes the state.
	rebuild bool
	// fromHub: what is appended came from the hub. joined is nil until somebody asked.
	fromHub bool
	joined  *bool
}

// newTx reads what a transaction needs to know. The error is errStale if the state
// does not fit the log.
func (l *Log) newTx(ctx context.Context) (*Tx, error) {
	if err := l.checkVersion(ctx); err != nil {
		return nil, err
	}
	if err := l.checkKey(ctx); err != nil {
		return nil, err
	}
	row, err := l.queries.GetState(ctx)
	if err != nil {
		return nil, err
	}
	switch ok, newer := fits(&row); {
	case newer:
		return nil, l.newerState(row.Format)
	case !ok || l.Doubted():
		return nil, errStale
	}
	decided := &trust{}
	if row.LastDecision > 0 {
		if decided, err = l.trustOf(ctx, l.queries, &row); err != nil {
			return nil, err
		}
	}
	state := db.PutStateParams{
		Format: row.Format, StateID: row.StateID, Arrival: row.Arrival, OpID: append([]byte{}, row.OpID...), Greatest: row.Greatest,
		Stories: row.Stories, Decision: row.Decision, Key: row.Key,
	}
	return &Tx{log: l, ctx: ctx, row: row, w: newStateWriter(ctx, l.queries, decided, state)}, nil
}

// finish writes what the tables do not have yet.
func (tx *Tx) finish() error {
	if !tx.wrote {
		return nil
	}
	if err := tx.w.readTrust(); err != nil {
		return tx.log.fail("read members", err)
	}
	if err := tx.flush(); err != nil {
		return err
	}
	if err := tx.recordDamage(); err != nil {
		return tx.log.fail("note damaged rows", err)
	}
	if tx.w.queued {
		if err := (textIndex{tx.ctx, tx.log.file.St}).indexTexts(tx.log.queries, maxQueued); err != nil {
			return tx.log.fail("write state", err)
		}
	}
	if tx.rebuild = tx.rebuild || tx.w.rebuild; tx.rebuild {
		return tx.log.fail("rebuild the state", tx.log.rebuildWithin(tx.ctx))
	}
	return nil
}

// flush writes all that was applied, so that it can be read.
func (tx *Tx) flush() error {
	if !tx.unflushed {
		return nil
	}
	tx.unflushed = false
	err := tx.w.flush()
	if err == nil {
		err = tx.log.queries.PutState(tx.ctx, tx.w.state)
	}
	return tx.log.fail("write state", err)
}

// Source returns the pipeline as the transaction has made it. It is good until the
// next change.
func (tx *Tx) Source() (pipeline.Source, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	return &source{ctx: tx.ctx, q: tx.log.queries, conn: tx.log.file.St}, nil
}

// Position returns the position that the transaction has reached.
func (tx *Tx) Position() Position {
	return positionOf(tx.w.state.Arrival, tx.w.state.OpID, tx.w.state.StateID)
}

// Next returns the parents and the seq of an op written now: the heads, or the
// [crdt.MaxParents] greatest of them by seq, and 1 + the greatest seq among them. Ops
// that are assumed to be applied are not among them.
func (tx *Tx) Next() (parents []crdt.OpID, seq uint64, err error) {
	heads, err := tx.log.queries.GreatestHeads(tx.ctx, crdt.MaxParents)
	for _, h := range heads {
		id, err := opIDOf(h.OpID)
		if err != nil {
			return nil, 0, tx.log.fail("read heads", err)
		}
		parents = append(parents, id)
		seq = max(seq, uint64(h.Seq))
		tx.w.seqs[id] = uint64(h.Seq)
	}
	crdt.SortOpIDs(parents)
	return parents, seq + 1, tx.log.fail("read heads", err)
}

// Admit says what [Tx.Append] would make of an op that Verify returned. An op that is
// in the log already is known, and its row tells what became of it. A [NoRoom] is an
// op that may come again later. Admit changes nothing.
func (tx *Tx) Admit(op *crdt.Op) (kind Kind, known bool, err error) {
	kind, row, err := tx.w.admit(op)
	var full *NoRoom
	if errors.As(err, &full) {
		return kind, false, full
	}
	if err != nil {
		return kind, false, tx.log.fail("read state", err)
	}
	if row != nil {
		return Kind(row.Kind), true, nil
	}
	return kind, false, nil
}

// Append adds an op that is not in the log yet, as Sign made it or Verify admitted it,
// and gives it its effect. It returns the op's arrival number and what became of it.
func (tx *Tx) Append(op *crdt.Op, signed crdt.SignedOp) (arrival int64, kind Kind, err error) {
	what := "append op " + signed.ID.Short()
	tx.wrote, tx.unflushed = true, true
	now := tx.log.cfg.Now().UnixMilli()
	arrival, err = tx.log.queries.AppendOp(tx.ctx, db.AppendOpParams{
		OpID:       signed.ID[:],
		Author:     op.Author[:],
		Seq:        int64(op.Seq),
		Payload:    signed.Payload,
		Signature:  signed.Signature[:],
		ReceivedAt: now,
	})
	if err == nil {
		err = tx.queue(arrival)
	}
	if err == nil {
		kind, err = tx.w.apply(op, arrival, now)
	}
	return arrival, kind, tx.log.fail(what, err)
}

// Refused returns the pending ops that the transaction released and that turned out to break a
// rule.
func (tx *Tx) Refused() []crdt.OpID { return tx.w.refused }

// Repair gives a row that is damaged its bytes back: op is what its ID names, which
// Verify admitted when it came again. The row keeps its arrival number. The state is
// rebuilt when the transaction ends.
func (tx *Tx) Repair(op *crdt.Op, signed crdt.SignedOp) error {
	what := "repair op " + signed.ID.Short()
	tx.wrote, tx.rebuild = true, true
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
	err = tx.log.queries.AppendRepair(tx.ctx, db.AppendRepairParams{
		OpID:       signed.ID[:],
		RepairedAt: tx.log.cfg.Now().UnixMilli(),
	})
	if err == nil {
		err = tx.queueAgain(signed.ID)
	}
	return tx.log.fail(what, err)
}

// Fail wraps an error of the transaction's source with what to do about it.
func (tx *Tx) Fail(err error) error { return tx.log.fail("read state", err) }

// IsSound reports whether the row of an op holds the op, with a valid signature.
func (tx *Tx) IsSound(id crdt.OpID) (bool, error) {
	found, err := findOp(tx.ctx, tx.log.queries, id)
	if err != nil || found == nil {
		return false, tx.log.fail("read op", err)
	}
	row, err := tx.log.queries.SignedOpAt(tx.ctx, found.Arrival)
	if err != nil {
		return false, tx.log.fail("read op", err)
	}
	var sig crdt.Signature
	copy(sig[:], row.Signature)
	op, err := crdt.Verify(row.Payload, sig)
	return err == nil && op.ID == id, nil
}

// changed notes that the transaction has something to commit.
func (tx *Tx) changed(what string, err error) error {
	if err != nil {
		return tx.log.fail(what, err)
	}
	tx.wrote = true
	return nil
}

// History is [Snapshot.History], as the transaction has made the log.
func (tx *Tx) History(story string, before int64, fn func(SignedRow) (more bool, err error)) error {
	if tx.wrote {
		if err := tx.flush(); err != nil {
			return err
		}
	}
	return tx.log.history(tx.ctx, tx.log.queries, story, before, fn)
}

// AgentOf is [Snapshot.AgentOf], as the transaction has made the log.
func (tx *Tx) AgentOf(id crdt.OpID) (string, error) {
	return tx.log.agentOf(tx.ctx, tx.log.queries, id)
}
