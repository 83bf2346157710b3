package replica

import (
	"context"
	"errors"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

// View is the pipeline at one moment. It is good until the function that was called
// with it returns.
type View struct {
	*pipeline.State
	r    *Replica
	snap *oplog.Snapshot // nil: there is no database yet
	// pipelines tells one pipeline at the path from another, see Replica.
	pipelines int
}

// slowView is how long a View may take before the log says so: while it lasts, the
// write-ahead log cannot be brought into the database.
const slowView = time.Second

// View calls fn with the pipeline as it is. It sees every change that any process acknowledged
// before, and the changes that were submitted here before. A View waits for no writer. fn must
// not wait for a client. View calls fn a second time if the state turns out to be damaged,
// then on a state that is made from the log. So fn must set its results and not add to them.
func (r *Replica) View(ctx context.Context, fn func(*View) error) error {
	return r.ViewAfter(ctx, r.LastWrite(), fn)
}

// LastWrite returns the change that was submitted last, nil if there was none.
func (r *Replica) LastWrite() *Write { return r.queue.lastWrite() }

// ViewAfter is View for a reader whose place is behind the change w: it sees w
// and those before it, and may see later ones.
func (r *Replica) ViewAfter(ctx context.Context, w *Write, fn func(*View) error) error {
	if err := w.waitForRead(ctx); err != nil {
		return err
	}
	began := r.cfg.Now()
	err := r.view(ctx, fn)
	if took := r.cfg.Now().Sub(began); took > slowView {
		r.cfg.Logger.Info("slow view", "took", took.Round(time.Millisecond))
	}
	return err
}

func (r *Replica) view(ctx context.Context, fn func(*View) error) error {
	err := r.snapshot(ctx, func(snap *oplog.Snapshot) error {
		v := &View{State: pipeline.NewState(snap.Source(), leases{r, snap}), r: r, snap: snap, pipelines: r.pipelines}
		err := fn(v)
		if failed := v.Err(); failed != nil { // whatever fn made of it
			return snap.Fail(failed)
		}
		return err
	})
	if errors.Is(err, oplog.ErrNoLog) {
		return fn(&View{State: pipeline.NewState(pipeline.NewModel(), nil), r: r})
	}
	return err
}

// Position returns the position that the view reflects.
func (v *View) Position() Position {
	if v.snap == nil {
		return Position{}
	}
	return v.snap.Position()
}

// Change is what an op did to a story, at the position of the row that brought it
// about.
type Change = oplog.Change

// Changes calls fn for what changed after the position, in the order in which it was
// applied, until fn returns false. It is not ok if that is not known: the position is
// not one of the log and the state as they are.
func (v *View) Changes(since Position, fn func(Change) (more bool)) (ok bool, err error) {
	if v.snap == nil {
		return since == Position{}, nil
	}
	return v.snap.Changes(since, fn)
}

// ChangesBefore calls fn for what changed, the last change first, until fn returns false: for what the
// rows with an arrival number below before brought about, or all rows if that is 0.
func (v *View) ChangesBefore(before int64, fn func(Change) (more bool)) error {
	if v.snap == nil {
		return nil
	}
	return v.snap.ChangesBefore(before, fn)
}

// Entry is one op of the history.
type Entry struct {
	Op *crdt.Op
	// Arrival is the number of the op's row, from 1.
	Arrival    int64
	ReceivedAt time.Time

	payload   []byte // as it is stored
	signature crdt.Signature
}

// Verified reports whether the op is what its author signed. Every op was verified when it came into the
// log, so an op that is not was changed since, in the file.
func (e *Entry) Verified() bool {
	op, err := crdt.Verify(e.payload, e.signature)
	return err == nil && op.ID == e.Op.ID
}

// newEntry returns the entry of a row and its op.
func newEntry(op *crdt.Op, row oplog.SignedRow) Entry {
	return Entry{op, row.Arrival, pipeline.TimeOf(row.ReceivedAt), row.Payload, row.Signature}
}

// History calls fn for the changes of one story, the last to arrive first, until fn
// returns false: those whose rows have an arrival number below before, or all if that
// is 0. Ops that are held, pending or damaged are not among them.
func (v *View) History(story string, before int64, fn func(Entry) (more bool)) error {
	if v.snap == nil {
		return nil
	}
	return v.snap.History(story, before, func(row oplog.SignedRow) (bool, error) {
		op := row.Op
		if op == nil {
			return true, nil
		}
		return fn(newEntry(op, row)), nil
	})
}

// Latest returns those of the last rows of the log whose ops have an effect, the newest last. Rows is
// how many rows it looks at.
func (v *View) Latest(rows int64) (latest []Entry, err error) {
	if v.snap == nil {
		return nil, nil
	}
	err = v.snap.Rows(max(0, v.snap.Position().Arrival-rows), func(row oplog.SignedRow) error {
		op := row.Op
		if op == nil {
			return nil
		}
		kind, _, _, err := v.snap.KindOf(op.ID)
		if err == nil && kind == oplog.Applied {
			latest = append(latest, newEntry(op, row))
		}
		return err
	})
	return latest, err
}

// NotApplied returns why ops of the log have no effect on stories, by their IDs: their authors are not
// trusted (held), they wait for other ops (pending), or they break a rule (refused).
func (v *View) NotApplied() (map[crdt.OpID]oplog.Kind, error) {
	kinds := map[crdt.OpID]oplog.Kind{}
	if v.snap == nil {
		return kinds, nil
	}
	for _, kind := range []oplog.Kind{oplog.Held, oplog.Pending, oplog.Refused} {
		err := v.snap.Exceptions(kind, func(e oplog.Exception) error {
			kinds[e.ID] = e.Kind
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return kinds, nil
}

// History calls fn for every op in the log, in order of arrival, until fn returns an
// error. Rows that cannot be read are passed over.
func (r *Replica) History(ctx context.Context, fn func(Entry) error) error {
	return r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		return snap.Rows(0, func(row oplog.SignedRow) error {
			op := row.Op
			if op == nil {
				return nil
			}
			return fn(newEntry(op, row))
		})
	})
}

// snapshot calls fn with a snapshot. The error is oplog.ErrNoLog if there is no database. Like
// View it may call fn twice.
func (r *Replica) snapshot(ctx context.Context, fn func(*oplog.Snapshot) error) error {
	err := r.use(ctx, func(log *oplog.Log) error {
		return log.View(ctx, func(snap *oplog.Snapshot) error {
			switch same, err := r.isSame(snap); {
			case err != nil:
				return err
			case !same:
				return errOverwritten
			}
			return fn(snap)
		})
	})
	if errors.Is(err, errOverwritten) {
		if err := r.recognise(ctx); err != nil {
			return err
		}
		return r.snapshot(ctx, fn) // another call has told of the other pipeline
	}
	return err
}

// snapshotIfThere is snapshot, and calls fn not at all if there is no database.
func (r *Replica) snapshotIfThere(ctx context.Context, fn func(*oplog.Snapshot) error) error {
	return ifThere(r.snapshot(ctx, fn))
}
