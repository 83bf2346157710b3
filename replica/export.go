package replica

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

// ErrIncomplete: rows of the log are damaged, so its heads would claim more than
// is here, and what is damaged would never be sent again.
var ErrIncomplete = errors.New("rows of the database are damaged")

// Heads returns the heads of all that is applied, sorted: what another replica
// needs to know to send only what is missing here. With damaged rows the error is
// ErrIncomplete.
func (r *Replica) Heads(ctx context.Context) (heads []crdt.OpID, err error) {
	err = r.read(ctx, func() error {
		if r.log == nil {
			return nil
		}
		if err := r.refresh(ctx); err != nil {
			return err
		}
		for _, state := range r.odd {
			if state == rowDamaged {
				return ErrIncomplete
			}
		}
		heads = r.state.Doc().Heads()
		return nil
	})
	return heads, err
}

// ExportReport says what an Export left out.
type ExportReport struct {
	Exported int
	// Damaged rows hold nothing that could be sent: the payload or the signature
	// is not what it was.
	Damaged int
	// Refused are ops that this replica keeps, but refuses itself.
	Refused int
	// Unknown are those of the heads given that are not in this log.
	Unknown []crdt.OpID
}

// Export calls fn with every op in the log, in order of arrival, but without
// those that the ops since and their ancestors are: what a replica with these
// heads has already. Pending and held ops are exported too. Other calls wait
// meanwhile.
func (r *Replica) Export(ctx context.Context, since []crdt.OpID, fn func(crdt.SignedOp) error) (report ExportReport, err error) {
	err = r.read(ctx, func() error {
		if r.log == nil {
			report.Unknown = since
			return nil
		}
		if err := r.refresh(ctx); err != nil {
			return err
		}
		has, err := r.ancestors(ctx, since, &report)
		if err != nil {
			return err
		}
		out := &exporter{report: &report, fn: fn}
		err = r.log.ReadSigned(ctx, 0, func(row oplog.SignedRow) error {
			if row.Arrival > r.cursor.arrival {
				return nil // came since, and may not be durable: it must not be elsewhere alone
			}
			op, err := r.entry(row)
			switch {
			case err != nil:
				return err
			case op == nil:
				report.Damaged++
				return nil
			case has[op.ID]:
				return nil
			case r.odd[op.ID] == rowRefused:
				report.Refused++
				return nil
			}
			return out.add(crdt.SignedOp{ID: op.ID, Payload: row.Payload, Signature: row.Signature})
		})
		if err != nil {
			return err
		}
		return out.flush()
	})
	return report, err
}

// exporter verifies ops on all processors and hands them on in their order.
// Replay does not look at signatures, but a bundle with one that is damaged would
// leave its reader without all that builds on the op.
type exporter struct {
	report *ExportReport
	fn     func(crdt.SignedOp) error
	ops    []crdt.SignedOp
}

func (e *exporter) add(op crdt.SignedOp) error {
	if e.ops = append(e.ops, op); len(e.ops) < batchSize {
		return nil
	}
	return e.flush()
}

func (e *exporter) flush() error {
	valid := make([]bool, len(e.ops))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(e.ops); i = next.Add(1) - 1 {
				_, err := crdt.Verify(e.ops[i].Payload, e.ops[i].Signature)
				valid[i] = err == nil
			}
		})
	}
	wg.Wait()
	for i, op := range e.ops {
		if !valid[i] {
			e.report.Damaged++
			continue
		}
		if err := e.fn(op); err != nil {
			return err
		}
		e.report.Exported++
	}
	e.ops = e.ops[:0]
	return nil
}

// ancestors returns the ops since and all they build on.
func (r *Replica) ancestors(ctx context.Context, since []crdt.OpID, report *ExportReport) (map[crdt.OpID]bool, error) {
	if len(since) == 0 {
		return nil, nil
	}
	parents := make(map[crdt.OpID][]crdt.OpID)
	err := r.log.Read(ctx, 0, func(row oplog.Row) error {
		op, err := r.decode(row)
		if op != nil {
			parents[op.ID] = slices.Clone(op.Parents)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	has := make(map[crdt.OpID]bool, len(parents))
	var next []crdt.OpID
	for _, id := range since {
		if _, here := parents[id]; here {
			next = append(next, id)
		} else {
			report.Unknown = append(report.Unknown, id)
		}
	}
	for len(next) > 0 {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		if !has[id] {
			has[id] = true
			next = append(next, parents[id]...)
		}
	}
	return has, nil
}
