package oplog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Kind says what became of a row of the log. Every row up to the state's that is not
// an exception is applied.
type Kind int64

const (
	// Applied: the op's edits are merged.
	Applied Kind = iota
	// Held: the op's author is not trusted, so its edits are not merged.
	Held
	// Pending: the op waits for parents.
	Pending
	// Refused: the op breaks a rule of the document.
	Refused
	// Damaged: the row cannot be read, and what builds on it waits.
	Damaged
	// Assumed: the row cannot be read, and what builds on it goes on.
	Assumed
)

func (k Kind) String() string {
	return [...]string{"applied", "held", "pending", "refused", "damaged", "assumed"}[k]
}

// isParent reports whether an op of the kind may be built on.
func (k Kind) isParent() bool { return k == Applied || k == Held || k == Assumed }

// stateWriter applies ops to the tables within one transaction. Whatever way an op
// came, apply is what gives it its effect.
type stateWriter struct {
	ctx   context.Context
	q     *db.Queries
	trust *trust
	state db.PutStateParams

	// What is written when the transaction ends, or somebody reads.
	authors map[crdt.Author]*db.GetAuthorRow
	sums    map[sumKind]*crdt.Usage // nil until they are needed
	counts  map[countKey]int64
	flow    flow

	seqs  map[crdt.OpID]uint64 // of ops that may be built on, as far as they are known
	open  map[int64]*openStory // the stories that the op changes
	order *order               // nil until it is needed
	late  int64                // how many ops the row has released
	// receivedAt is when the row came, in ms since 1970.
	receivedAt int64

	queued bool // texts have changed
	// unread: ops that may change the members came since trust was read. rebuild: what came changes whether earlier ops count.
	unread, rebuild bool
	// refused are pending ops that turned out to break a rule when their parents came.
	refused []crdt.OpID
}

func newStateWriter(ctx context.Context, q *db.Queries, trust *trust, state db.PutStateParams) *stateWriter {
	return &stateWriter{
		ctx: ctx, q: q, trust: trust, state: state,
		authors: make(map[crdt.Author]*db.GetAuthorRow),
		counts:  make(map[countKey]int64),
		flow:    make(flow),
		seqs:    make(map[crdt.OpID]uint64),
		open:    make(map[int64]*openStory),
	}
}

func (w *stateWriter) trusts(a crdt.Author) bool { return w.trust.counts(a) }

// apply gives the op in the row at arrival its effect, and those that waited for it
// theirs. Came is when the row came here.
func (w *stateWriter) apply(op *crdt.Op, arrival, came int64) (Kind, error) {
	w.receivedAt = came
	kind, err := w.applyOne(op, arrival)
	if err != nil {
		return kind, err
	}
	w.state.Arrival, w.state.OpID = arrival, append(w.state.OpID[:0], op.ID[:]...) // a decoder uses the memory of op again
	w.late = 0
	if kind.isParent() {
		err = w.release(op.ID, arrival)
	}
	return kind, err
}

func (w *stateWriter) applyOne(op *crdt.Op, arrival int64) (Kind, error) {
	if err := w.q.IndexOp(w.ctx, db.IndexOpParams{Prefix: op.ID[:8], Arrival: arrival}); err != nil {
		return 0, err
	}
	author, err := w.author(op.Author)
	if err != nil {
		return 0, err
	}
	author.Ops++
	kind, missing, err := w.judge(op)
	if err != nil {
		return 0, err
	}
	if err := w.came(op, arrival, kind); err != nil {
		return 0, err
	}
	if kind == Applied {
		return kind, w.merge(op, arrival)
	}
	if err := w.except(op, arrival, kind); err != nil {
		return 0, err
	}
	if kind == Pending {
		err = w.q.WaitForOp(w.ctx, db.WaitForOpParams{Missing: missing[:], Arrival: arrival})
	}
	return kind, err
}

// judge says what becomes of an op, and which parent it waits for if it does.
func (w *stateWriter) judge(op *crdt.Op) (kind Kind, missing crdt.OpID, err error) {
	if pipeline.Check(op) != nil {
		return Refused, missing, nil
	}
	var most uint64
	for i := range op.Parents {
		seq, there, err := w.parent(op.Parents[i])
		if err != nil {
			return 0, missing, err
		}
		if !there {
			return Pending, op.Parents[i], nil
		}
		most = max(most, seq)
	}
	switch {
	case op.Seq != most+1:
		return Refused, missing, nil
	case w.trusts(op.Author):
		return Applied, missing, nil // if that has changed since trust was read, the state is rebuilt at the end
	}
	if err := w.readTrust(); err != nil {
		return 0, missing, err
	}
	if !w.trusts(op.Author) {
		return Held, missing, nil
	}
	return Applied, missing, nil
}

// parent returns the seq of an op that may be built on, and whether it is one.
func (w *stateWriter) parent(id crdt.OpID) (seq uint64, there bool, err error) {
	if seq, there = w.seqs[id]; there {
		return seq, true, nil
	}
	found, err := findOp(w.ctx, w.q, id)
	if err != nil || found == nil || !Kind(found.Kind).isParent() {
		return 0, false, err
	}
	w.seqs[id] = uint64(found.Seq)
	return uint64(found.Seq), true, nil
}

// findOp returns where an op is and what became of it, nil if the log does not have
// it. The error is ErrState if the state reflects an op whose row is gone.
func findOp(ctx context.Context, q *db.Queries, id crdt.OpID) (*db.FindOpRow, error) {
	rows, err := q.FindOp(ctx, id[:8])
	for i := range rows {
		if len(rows[i].OpID) == 0 {
			return nil, fmt.Errorf("%w: row %d of the log is gone", ErrState, rows[i].Arrival)
		}
		if bytes.Equal(rows[i].OpID, id[:]) {
			return &rows[i], nil
		}
		if len(rows[i].OpID) != len(id) || !bytes.HasPrefix(rows[i].OpID, id[:8]) {
			return nil, fmt.Errorf("op ID in row %d: %w", rows[i].Arrival, ErrState)
		}
	}
	for i := range rows { // an ID may have rotted behind its prefix
		row, err := q.SignedOpAt(ctx, rows[i].Arrival)
		if err != nil {
			return nil, err
		}
		if sha256.Sum256(row.Payload) == id {
			return nil, fmt.Errorf("op ID in row %d: %w", rows[i].Arrival, ErrState)
		}
	}
	return nil, err
}

// opIDOf returns the op ID in a table of the state. The error is ErrState if it is none.
func opIDOf(b []byte) (id crdt.OpID, err error) {
	if copy(id[:], b); len(b) != len(id) {
		err = fmt.Errorf("op ID of %d bytes: %w", len(b), ErrState)
	}
	return id, err
}

// except notes what a row is whose op is not applied.
func (w *stateWriter) except(op *crdt.Op, arrival int64, kind Kind) error {
	if err := w.count(op.Author, kind, 1, op.Size()); err != nil {
		return err
	}
	if kind == Held {
		w.seqs[op.ID] = op.Seq
	}
	return w.q.AddException(w.ctx, db.AddExceptionParams{
		Arrival: arrival, Kind: int64(kind), OpID: op.ID[:], Seq: int64(op.Seq), Author: op.Author[:], Size: int64(op.Size()),
	})
}

// release takes in the pending ops that waited for id, then those that waited for
// them, and so on: a loop, since chains may be thousands long. They count at the row
// that released them.
func (w *stateWriter) release(id crdt.OpID, at int64) error {
	for ready := []crdt.OpID{id}; len(ready) > 0; ready = ready[1:] {
		waiting, err := w.q.WaitingFor(w.ctx, ready[0][:])
		if err != nil || len(waiting) == 0 {
			if err != nil {
				return err
			}
			continue
		}
		if err := w.q.StopWaiting(w.ctx, ready[0][:]); err != nil {
			return err
		}
		for _, row := range waiting {
			op, err := crdt.Decode(row.Payload)
			if err != nil || !bytes.Equal(op.ID[:], row.OpID) {
				return fmt.Errorf("pending op in row %d: %w", row.Arrival, ErrState)
			}
			freed, err := w.releaseOne(op, row.Arrival, at)
			if err != nil {
				return err
			}
			if freed {
				ready = append(ready, op.ID)
			}
		}
	}
	return nil
}

// releaseOne looks at a pending op again whose parent has come. It reports whether
// what waits for it may be looked at, too.
func (w *stateWriter) releaseOne(op *crdt.Op, arrival, at int64) (freed bool, err error) {
	kind, missing, err := w.judge(op)
	if err != nil {
		return false, err
	}
	if kind == Pending {
		return false, w.q.WaitForOp(w.ctx, db.WaitForOpParams{Missing: missing[:], Arrival: arrival})
	}
	if err := w.came(op, arrival, kind); err != nil {
		return false, err
	}
	if err := w.count(op.Author, Pending, -1, op.Size()); err != nil {
		return false, err
	}
	if kind != Applied {
		if err := w.count(op.Author, kind, 1, op.Size()); err != nil {
			return false, err
		}
		if kind == Held {
			w.seqs[op.ID] = op.Seq
		} else {
			w.refused = append(w.refused, op.ID)
		}
		return kind == Held, w.q.SetException(w.ctx, db.SetExceptionParams{Kind: int64(kind), Arrival: arrival})
	}
	if err := w.q.DropException(w.ctx, arrival); err != nil {
		return false, err
	}
	w.late++
	if err := w.q.AddLate(w.ctx, db.AddLateParams{AtArrival: at, N: w.late, Arrival: arrival}); err != nil {
		return false, err
	}
	return true, w.merge(op, arrival)
}

// merge makes an op part of the pipeline.
func (w *stateWriter) merge(op *crdt.Op, arrival int64) error {
	for i := range op.Parents {
		if err := w.q.DropHead(w.ctx, op.Parents[i][:]); err != nil {
			return err
		}
	}
	if err := w.q.AddHead(w.ctx, db.AddHeadParams{OpID: op.ID[:], Seq: int64(op.Seq)}); err != nil {
		return err
	}
	w.seqs[op.ID] = op.Seq
	clear(w.open)
	s, err := w.story(op.Story)
	if err != nil {
		return err
	}
	before := pipeline.VisibleStage(s.Story)
	if err := w.noteApart(s, op); err != nil {
		return err
	}
	if err := s.Merge(pipeline.Schema(), op, &besideTables{w, s}); err != nil {
		return err
	}
	if err := w.q.AddHistory(w.ctx, db.AddHistoryParams{
		Story: s.n, Arrival: arrival, Before: stageColumn(before), After: stageColumn(pipeline.VisibleStage(s.Story)),
	}); err != nil {
		return err
	}
	if err := w.move(s, before, op); err != nil {
		return err
	}
	if err := w.queueText(s, op); err != nil {
		return err
	}
	for _, other := range w.open {
		if other != s {
			if err := w.save(other); err != nil {
				return err
			}
		}
	}
	return w.save(s) // last, since others may depend on it
}
