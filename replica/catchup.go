package replica

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

// cursor is the last row applied. Its ID tells whether the log still is the
// one that was read: a backup restored in place keeps the file.
type cursor struct {
	arrival int64
	id      crdt.OpID // as stored, whatever the payload says
}

// rowState says why the document does not know an op that has a row.
type rowState uint8

const (
	rowGood    rowState = iota // it does, or there is no row
	rowDamaged                 // it cannot be read
	rowRefused                 // it breaks a rule, as far as can be seen
)

var (
	// errRewound: the log is not the one that was read.
	errRewound = errors.New("the log does not hold the last op that was read from it")
	// errEpoch: since the log was read whom to trust was decided anew, or a
	// damaged row got its bytes back.
	errEpoch = errors.New("the document is of another epoch")
)

// catchUp applies the rows that arrived since the last call. If the log was
// rewound, or is of another epoch now, it reads it from the start. If it is that of
// another pipeline now, that is an error, and its caller has heard of the removal. The
// caller holds mu.
func (r *Replica) catchUp(ctx context.Context) error {
	now := r.log.Stamp()
	if now.Exact() && now == r.seen {
		return nil
	}
	err := r.readOn(ctx)
	for errors.Is(err, errRewound) || errors.Is(err, errEpoch) {
		if errors.Is(err, errRewound) {
			if r.isOther(ctx, r.log) {
				r.miss(otherPipeline)
				return r.removed()
			}
			r.cfg.Logger.Warn("database went back to an earlier state: reading it anew", "path", r.cfg.Path)
		}
		if err = r.log.ReadKey(ctx); err == nil {
			r.author = r.log.Author()
			err = r.readTrust(ctx)
		}
		if err == nil {
			err = r.readOn(ctx)
		}
	}
	if n := r.state.Doc().PendingLen(); n != r.pending {
		if r.pending = n; n > 0 {
			r.cfg.Logger.Warn("ops wait for others that are not in the database: import those, or restore a backup if rows were lost", "ops", n)
		}
	}
	if err == nil {
		r.seen = now
	}
	return err
}

// maxGrow bounds the ops that room is made for before a replay.
const maxGrow = 1 << 20

// readOn reads from the cursor's row, which must still be the one it was.
func (r *Replica) readOn(ctx context.Context) error {
	known := r.cursor
	seen := known.arrival == 0
	if seen {
		last, err := r.log.Last(ctx)
		if err != nil {
			return err
		}
		r.state.Grow(int(max(0, min(last, maxGrow)))) // a damaged file may claim any number
		r.changes.begin(last)
	}
	err := r.log.Read(ctx, max(known.arrival-1, 0), func(row oplog.Row) error {
		if seen {
			return r.take(row)
		}
		if seen = row.Arrival == known.arrival && row.ID == known.id; !seen {
			return errRewound
		}
		return nil
	})
	if err == nil && !seen {
		err = errRewound
	}
	if err != nil {
		return err
	}
	epoch, err := r.log.Epoch(ctx) // of no row before what it counts
	if err == nil && epoch != r.epoch {
		err = errEpoch
	}
	return err
}

// take applies a row of the log, or passes over it if it is damaged.
func (r *Replica) take(row oplog.Row) error {
	op, err := r.decode(row)
	if err != nil {
		return err
	}
	if op == nil {
		return r.takeDamaged(row)
	}
	r.apply(op, cursor{row.Arrival, row.ID})
	return nil
}

// moveTo makes the row the last that the document has.
func (r *Replica) moveTo(row cursor) {
	if r.cursor.arrival == 0 {
		r.first = row.id
	}
	r.cursor = row
}

// decode returns the op in a row, until the next call, or nil if the payload
// does not have the hash that names it. A sound op of a version that this build
// does not read is an error: a version changes when older builds must not ignore
// what is new.
func (r *Replica) decode(row oplog.Row) (*crdt.Op, error) {
	op, err := r.decoder.Decode(row.Payload)
	switch {
	case err == nil && op.ID == row.ID:
		return op, nil
	case errors.Is(err, crdt.ErrVersion) && sha256.Sum256(row.Payload) == row.ID:
		return nil, &oplog.Error{
			Op: "read op " + row.ID.Short(), Path: r.cfg.Path, Err: err,
			Next: "a newer huskies-mcp wrote to the pipeline: install it and start it again; nothing was written",
		}
	}
	return nil, nil
}

// takeDamaged takes a row whose payload does not have the hash that names it.
// If it is the ID that is damaged, the signature still vouches for the payload.
// Otherwise the row is passed over: what builds on it goes on, its own edits are
// missing until the op comes again from elsewhere.
func (r *Replica) takeDamaged(row oplog.Row) error {
	op, receipt, err := r.salvage(row)
	if err != nil {
		return err
	}
	if op != nil {
		r.apply(op, cursor{row.Arrival, row.ID})
		return nil
	}
	r.moveTo(cursor{row.Arrival, row.ID})
	r.odd[row.ID] = rowDamaged
	r.record(r.cursor)
	r.assume(row, receipt)
	r.recorded(r.cursor)
	return nil
}

// assume passes over a row whose payload is lost.
func (r *Replica) assume(row oplog.Row, receipt oplog.Receipt) {
	if receipt.Seq > r.state.Doc().LastSeq()+1 {
		// The seq is damaged too, or the op waited for others. To believe it could
		// put the clock of all later writes where no other replica follows.
		r.cfg.Logger.Error("op in the database is damaged beyond its payload, and what builds on it waits: import a bundle that has it, or restore a backup",
			"arrival", row.Arrival, "op", row.ID.Short())
		r.state.Lose()
		return
	}
	r.cfg.Logger.Error("op in the database is damaged and is passed over: import a bundle that has it, or restore a backup",
		"arrival", row.Arrival, "op", row.ID.Short())
	if res := r.state.AssumeApplied(row.ID, receipt.Seq); r.past != nil {
		r.past.release(r.state.Doc(), res.Released)
	}
}

// record begins to keep what the row at changes, if it is among the last rows;
// recorded ends it.
func (r *Replica) record(at cursor) { r.state.Record(r.changes.wants(at.arrival)) }

func (r *Replica) recorded(at cursor) {
	if r.changes.wants(at.arrival) {
		r.changes.add(at, r.state.Changes())
	}
}

// apply brings one op of the log into the document, in order of arrival.
func (r *Replica) apply(op *crdt.Op, at cursor) crdt.Result {
	r.moveTo(at)
	r.record(at)
	res, err := r.state.Apply(op)
	r.recorded(at)
	r.remember(op, res, at.arrival)
	switch {
	case err != nil:
		r.odd[op.ID] = rowRefused
		r.cfg.Logger.Warn("stored op is refused", "op", op.ID.Short(), "arrival", at.arrival, "error", err)
	case len(res.Refused) > 0:
		for _, bad := range res.Refused {
			r.odd[bad.ID] = rowRefused
			r.cfg.Logger.Warn("stored op is refused", "op", bad.ID.Short(), "error", errSeq)
		}
	default:
		r.logOp(op, res.Status, at.arrival)
	}
	return res
}

func (r *Replica) logOp(op *crdt.Op, status crdt.Status, arrival int64) {
	if r.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) { // printing IDs is not free
		r.cfg.Logger.Debug("op", "id", op.ID.Short(), "status", status.String(), "arrival", arrival)
	}
}

// errSeq: why a pending op is refused when its parents have come.
var errSeq = errors.New("its seq does not follow from its parents")
