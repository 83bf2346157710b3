package replica

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

// past tells where in the log the changes of each story are: an index of the rows
// whose ops are applied. It is built when somebody first asks, and kept up from
// then on until the document is forgotten.
type past struct {
	arrivals map[string][]int64  // by story, ascending
	waiting  map[crdt.OpID]int64 // of pending ops
}

// add enters the row of an op with the given status.
func (p *past) add(op *crdt.Op, status crdt.Status, arrival int64) {
	switch status {
	case crdt.Pending:
		p.waiting[op.ID] = arrival
	case crdt.Applied:
		of, known := p.arrivals[op.Story]
		at, there := slices.BinarySearch(of, arrival)
		if there {
			return
		}
		story := op.Story
		if !known {
			story = strings.Clone(story)
		}
		p.arrivals[story] = slices.Insert(of, at, arrival)
	}
}

// release enters ops that were pending.
func (p *past) release(doc *crdt.Doc, ops []*crdt.Op) {
	for _, op := range ops {
		if doc.Applied(op.ID) {
			p.add(op, crdt.Applied, p.waiting[op.ID])
		}
		delete(p.waiting, op.ID)
	}
}

// remember enters what became of an op of the row at the arrival number, if there
// is an index. The caller holds mu.
func (r *Replica) remember(op *crdt.Op, res crdt.Result, arrival int64) {
	if r.past != nil {
		r.past.add(op, res.Status, arrival)
		r.past.release(r.state.Doc(), res.Released)
	}
}

// HistoryLocked calls fn for the changes of one story, the last to arrive first,
// until fn returns false: those whose rows have an arrival number below before, or
// all if that is 0. Ops that are held, pending or damaged are not among them. Only
// the functions that View and ViewAfter call may call it.
func (r *Replica) HistoryLocked(ctx context.Context, story string, before int64, fn func(Entry) (more bool)) error {
	if r.log == nil {
		return nil
	}
	if err := r.indexPast(ctx); err != nil {
		return err
	}
	arrivals := r.past.arrivals[story]
	if before > 0 {
		end, _ := slices.BinarySearch(arrivals, before)
		arrivals = arrivals[:end]
	}
	for _, arrival := range slices.Backward(arrivals) {
		row, err := r.log.SignedAt(ctx, arrival)
		if err != nil {
			return err
		}
		op, err := r.entry(row)
		if err != nil {
			return err
		}
		if op != nil && !fn(Entry{op, arrival, time.UnixMilli(row.ReceivedAt).UTC()}) {
			return nil
		}
	}
	return nil
}

// indexPast builds the index of what is applied, if there is none. The caller
// holds mu.
func (r *Replica) indexPast(ctx context.Context) error {
	if r.past != nil {
		return nil
	}
	p := &past{arrivals: make(map[string][]int64), waiting: make(map[crdt.OpID]int64)}
	doc := r.state.Doc()
	err := r.log.Read(ctx, 0, func(row oplog.Row) error {
		if row.Arrival > r.cursor.arrival { // another process is faster
			return errEnough
		}
		op, err := r.decode(row)
		if op == nil && err == nil {
			op, _, err = r.salvage(row)
		}
		switch {
		case op == nil || err != nil:
			return err
		case doc.Applied(op.ID):
			p.add(op, crdt.Applied, row.Arrival)
		case !doc.Has(op.ID):
			p.add(op, crdt.Pending, row.Arrival)
		}
		return nil
	})
	if err == nil || errors.Is(err, errEnough) {
		r.past, err = p, nil
	}
	return err
}
