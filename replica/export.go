package replica

import (
	"context"
	"errors"
	"slices"

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
		if err := r.catchUp(ctx); err != nil {
			r.drop()
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
	// Damaged rows hold nothing that could be sent.
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
		if err := r.catchUp(ctx); err != nil {
			r.drop()
			return err
		}
		has, err := r.ancestors(ctx, since, &report)
		if err != nil {
			return err
		}
		return r.log.ReadSigned(ctx, 0, func(row oplog.SignedRow) error {
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
			report.Exported++
			return fn(crdt.SignedOp{ID: op.ID, Payload: row.Payload, Signature: row.Signature})
		})
	})
	return report, err
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
