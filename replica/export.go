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
// needs to know to send only what is missing here. It reads all rows; with damaged
// ones the error is ErrIncomplete.
func (r *Replica) Heads(ctx context.Context) (heads []crdt.OpID, err error) {
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		err := snap.Rows(0, func(row oplog.SignedRow) error {
			if row.Op == nil {
				return ErrIncomplete
			}
			return nil
		})
		if err == nil {
			heads, err = snap.Heads()
		}
		return err
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
// heads has already. Pending and held ops are exported too. fn is called after the
// rows were read, page by page, and may take its time.
func (r *Replica) Export(ctx context.Context, since []crdt.OpID, fn func(crdt.SignedOp) error) (report ExportReport, err error) {
	has, last, err := r.ancestors(ctx, since, &report)
	if err != nil {
		return report, err
	}
	out := &exporter{report: &report, fn: fn}
	for after := int64(0); after < last; {
		page, err := r.exportPage(ctx, after, has, &report)
		if err != nil {
			return report, err
		}
		if len(page) == 0 {
			break
		}
		for _, row := range page {
			if after = row.arrival; after > last || row.skip {
				continue
			}
			if err := out.add(row.op); err != nil {
				return report, err
			}
		}
	}
	return report, out.flush()
}

// exportRow is a row of the log on its way out.
type exportRow struct {
	arrival int64
	op      crdt.SignedOp
	skip    bool
}

// errEnough ends a reading of the log.
var errEnough = errors.New("read enough")

// exportPage reads up to batchSize rows after an arrival number.
func (r *Replica) exportPage(ctx context.Context, after int64, has map[crdt.OpID]bool, report *ExportReport) (page []exportRow, err error) {
	before := *report
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		page, *report = nil, before
		return snap.Rows(after, func(row oplog.SignedRow) error {
			if len(page) == batchSize {
				return errEnough
			}
			out := exportRow{arrival: row.Arrival}
			op := row.Op
			switch {
			case op == nil:
				report.Damaged++
				out.skip = true
			case has[op.ID]:
				out.skip = true
			default:
				out.op = crdt.SignedOp{ID: op.ID, Payload: row.Payload, Signature: row.Signature}
				kind, _, there, err := snap.KindOf(op.ID)
				if err != nil {
					return err
				}
				if out.skip = there && kind == oplog.Refused; out.skip {
					report.Refused++
				}
			}
			page = append(page, out)
			return nil
		})
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return page, err
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

// ancestors returns the ops since and all they build on, and the last row of the log.
func (r *Replica) ancestors(ctx context.Context, since []crdt.OpID, report *ExportReport) (has map[crdt.OpID]bool, last int64, err error) {
	parents := make(map[crdt.OpID][]crdt.OpID)
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		last = snap.Position().Arrival
		if len(since) == 0 {
			return nil
		}
		return snap.Rows(0, func(row oplog.SignedRow) error {
			if op := row.Op; op != nil {
				parents[op.ID] = slices.Clone(op.Parents)
			}
			return nil
		})
	})
	if err != nil {
		return nil, 0, err
	}
	has = make(map[crdt.OpID]bool, len(parents))
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
	return has, last, nil
}

// OpsAfter returns up to most ops of the log that arrived after the given arrival
// number, in order of arrival, and the arrival number to go on from.
func (r *Replica) OpsAfter(ctx context.Context, arrival int64, most int) (ops []crdt.SignedOp, next int64, err error) {
	next = arrival
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		ops, next = nil, arrival
		return snap.Rows(arrival, func(row oplog.SignedRow) error {
			if len(ops) == most {
				return errEnough
			}
			next = row.Arrival
			if op := row.Op; op != nil {
				ops = append(ops, crdt.SignedOp{ID: op.ID, Payload: row.Payload, Signature: row.Signature})
			}
			return nil
		})
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return ops, next, err
}

// Missing returns up to most IDs, above the ID after, of ops that pending ops wait for and that are
// not here, or only in damaged rows: those to ask others for.
func (r *Replica) Missing(ctx context.Context, after crdt.OpID, most int) (missing []crdt.OpID, err error) {
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		for missing = nil; ; {
			page, err := snap.Missing(after, batchSize)
			if err != nil {
				return err
			}
			for _, after = range page {
				kind, _, there, err := snap.KindOf(after)
				if err != nil {
					return err
				}
				if there && kind != oplog.Damaged {
					continue // it waits itself, or is refused for ever
				}
				if missing = append(missing, after); len(missing) == most {
					return nil
				}
			}
			if len(page) < batchSize {
				return nil
			}
		}
	})
	return missing, err
}
