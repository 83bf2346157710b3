package oplog

import (
	"database/sql"
	"errors"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// sumKind is a kind of ops that are bounded in sum.
type sumKind int64

const (
	sumHeld sumKind = iota + 1
	sumPendingTrusted
	sumPendingOthers
)

// author returns what an author's ops take up, to be changed.
func (w *stateWriter) author(a crdt.Author) (*db.GetAuthorRow, error) {
	if row, ok := w.authors[a]; ok {
		return row, nil
	}
	row, err := w.q.GetAuthor(w.ctx, a[:])
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	w.authors[a] = &row
	return &row, nil
}

// sum returns what ops of a kind take up in all, to be changed.
func (w *stateWriter) sum(kind sumKind) (*crdt.Usage, error) {
	if w.sums == nil {
		rows, err := w.q.Sums(w.ctx)
		if err != nil {
			return nil, err
		}
		w.sums = make(map[sumKind]*crdt.Usage, sumPendingOthers)
		for k := sumHeld; k <= sumPendingOthers; k++ {
			w.sums[k] = &crdt.Usage{}
		}
		for _, row := range rows {
			w.sums[sumKind(row.Kind)] = &crdt.Usage{Count: int(row.Ops), Bytes: int(row.Bytes)}
		}
	}
	return w.sums[kind], nil
}

func (w *stateWriter) pendingSum(a crdt.Author) sumKind {
	if w.trusts(a) {
		return sumPendingTrusted
	}
	return sumPendingOthers
}

// count adds n ops of a kind, with the given size each, to what is held or pending.
func (w *stateWriter) count(a crdt.Author, kind Kind, n, size int) error {
	if kind != Held && kind != Pending {
		return nil
	}
	of := sumHeld
	if kind == Pending {
		of = w.pendingSum(a)
	}
	sum, err := w.sum(of)
	if err != nil {
		return err
	}
	author, err := w.author(a)
	if err != nil {
		return err
	}
	sum.Count, sum.Bytes = sum.Count+n, sum.Bytes+n*size
	if kind == Held {
		author.Held, author.HeldBytes = author.Held+int64(n), author.HeldBytes+int64(n*size)
	} else {
		author.Pending, author.PendingBytes = author.Pending+int64(n), author.PendingBytes+int64(n*size)
	}
	return nil
}

// admit says what apply would make of an op, and refuses one for which there is no
// room: it may come again later. Known is the row of an op that is here already.
func (w *stateWriter) admit(op *crdt.Op) (kind Kind, known *db.FindOpRow, err error) {
	if known, err = findOp(w.ctx, w.q, op.ID); err != nil || known != nil {
		return 0, known, err
	}
	kind, _, err = w.judge(op)
	if err != nil || kind == Applied || kind == Refused {
		return kind, nil, err
	}
	author, err := w.author(op.Author)
	if err != nil {
		return kind, nil, err
	}
	if kind == Pending {
		sum, err := w.sum(w.pendingSum(op.Author))
		if err != nil {
			return kind, nil, err
		}
		pending := crdt.Usage{Count: int(author.Pending), Bytes: int(author.PendingBytes)}
		if err := crdt.PendingRoom(op, pending, *sum); err != nil {
			return kind, nil, &NoRoom{err}
		}
	}
	if w.trusts(op.Author) {
		return kind, nil, nil
	}
	// Also for one that is pending: it will be held, and then nobody is asked.
	wanted, err := w.wanted(op.ID)
	if err != nil || wanted {
		return kind, nil, err
	}
	sum, err := w.sum(sumHeld)
	if err != nil {
		return kind, nil, err
	}
	if err := crdt.HeldRoom(op, crdt.Usage{Count: int(author.Held), Bytes: int(author.HeldBytes)}, *sum); err != nil {
		return kind, nil, &NoRoom{err}
	}
	return kind, nil, nil
}

// NoRoom says that an op cannot be taken in now: it wraps [crdt.ErrPendingFull] or
// [crdt.ErrHeldFull].
type NoRoom struct{ err error }

func (e *NoRoom) Error() string { return e.err.Error() }

func (e *NoRoom) Unwrap() error { return e.err }

// wanted reports whether an op of a trusted author waits for the op: then strangers
// who used up the room must not hold it up.
func (w *stateWriter) wanted(id crdt.OpID) (bool, error) {
	authors, err := w.q.WaitingAuthors(w.ctx, id[:])
	for _, a := range authors {
		if w.trusts(author(a)) {
			return true, nil
		}
	}
	return false, err
}

// flush writes what the tables do not have yet, but for the state row.
func (w *stateWriter) flush() error {
	for key, n := range w.counts {
		if err := w.flushCount(key, n); err != nil {
			return err
		}
	}
	clear(w.counts)
	if err := w.flow.flush(w.ctx, w.q); err != nil {
		return err
	}
	for a, row := range w.authors {
		if row.Ops == 0 { // there was no room for any
			continue
		}
		err := w.q.PutAuthor(w.ctx, db.PutAuthorParams{
			Author: a[:], Ops: row.Ops, Held: row.Held, HeldBytes: row.HeldBytes, Pending: row.Pending, PendingBytes: row.PendingBytes,
		})
		if err != nil {
			return err
		}
	}
	clear(w.authors)
	for kind, sum := range w.sums {
		err := w.q.PutSum(w.ctx, db.PutSumParams{Kind: int64(kind), Ops: int64(sum.Count), Bytes: int64(sum.Bytes)})
		if err != nil {
			return err
		}
	}
	w.sums = nil
	return nil
}

func (w *stateWriter) flushCount(key countKey, n int64) error {
	if n == 0 {
		return nil
	}
	err := w.q.AddCount(w.ctx, db.AddCountParams{Stage: key.stage, Agent: key.agent, Blocked: key.blocked, Waiting: key.waiting, Stories: n})
	if err != nil || n > 0 {
		return err
	}
	return w.q.DropCount(w.ctx, db.DropCountParams{Stage: key.stage, Agent: key.agent, Blocked: key.blocked, Waiting: key.waiting})
}
