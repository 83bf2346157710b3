package oplog

import (
	"cmp"
	"database/sql"
	"errors"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Change is what an op did to a story, at the position of the row that brought it
// about: its own, or that of the op for which it had waited.
type Change struct {
	Position Position
	pipeline.Change
	// Whole is the op itself.
	Whole *crdt.Op
	// Received is when the row that brought it about came here, in ms since 1970 UTC.
	Received int64
}

// scanPage is how many rows Changes reads at once.
const scanPage = 256

// Changes calls fn for what changed after the position, in the order in which it was
// applied, until fn returns false. It is not ok if that is not known: the position is
// not one of the log and the state as they are.
func (s *Snapshot) Changes(since Position, fn func(Change) (more bool)) (ok bool, err error) {
	if ok, err := s.has(since); err != nil || !ok {
		return false, err
	}
	for after := since.Arrival; ; {
		rows, err := s.q.SignedOpsAfter(s.ctx, db.SignedOpsAfterParams{Arrival: after, Limit: scanPage})
		if err != nil {
			return false, s.log.fail("read ops", err)
		}
		if len(rows) == 0 {
			return true, nil
		}
		more, err := s.changesOf(rows, fn)
		if err != nil || !more {
			return err == nil, err
		}
		after = rows[len(rows)-1].Arrival
	}
}

// ChangesBefore calls fn for what changed, the last change first, until fn returns false: for what the
// rows with an arrival number below before brought about, or all rows if that is 0.
func (s *Snapshot) ChangesBefore(before int64, fn func(Change) (more bool)) error {
	if before <= 0 || before > s.row.Arrival {
		before = s.row.Arrival + 1
	}
	for before > 1 {
		after := max(0, before-1-scanPage)
		rows, err := s.q.SignedOpsAfter(s.ctx, db.SignedOpsAfterParams{Arrival: after, Limit: before - 1 - after})
		if err != nil {
			return s.log.fail("read ops", err)
		}
		rows = slices.DeleteFunc(rows, func(r db.SignedOpsAfterRow) bool { return r.Arrival >= before })
		before = after + 1
		if len(rows) == 0 {
			continue
		}
		var page []Change
		if _, err := s.changesOf(rows, func(c Change) bool { page = append(page, c); return true }); err != nil {
			return err
		}
		for _, c := range slices.Backward(page) {
			if !fn(c) {
				return nil
			}
		}
	}
	return nil
}

// has reports whether a position is one of the log and the state as they are. The
// start of the log is one of every state.
func (s *Snapshot) has(p Position) (bool, error) {
	if p.Arrival == 0 {
		return true, nil
	}
	if p.State != uint32(s.row.StateID) || p.Arrival > s.row.Arrival {
		return false, nil
	}
	id, err := s.q.OpAt(s.ctx, p.Arrival)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil && positionOf(p.Arrival, id, s.row.StateID) == p, s.log.fail("read op", err)
}

// applied is an op that a row brought about.
type applied struct {
	at  db.SignedOpsAfterRow // the row that brought it about
	n   int64                // its place among those that the row released; 0: it is the row's own
	row db.SignedOpsAfterRow // its own
}

// changesOf tells what the rows brought about.
func (s *Snapshot) changesOf(rows []db.SignedOpsAfterRow, fn func(Change) bool) (more bool, err error) {
	all, err := s.broughtBy(rows)
	if err != nil {
		return false, s.log.fail("read ops", err)
	}
	for _, a := range all {
		op := s.log.signedRow(&a.row).Op
		if op == nil {
			continue // the row has rotted since it was applied
		}
		stages, err := s.q.HistoryAt(s.ctx, db.HistoryAtParams{ID: op.Story, Arrival: a.row.Arrival})
		if errors.Is(err, sql.ErrNoRows) {
			continue // a second row of one op, which only a damaged file has
		}
		if err != nil {
			return false, s.log.fail("read history", err)
		}
		change := pipeline.ChangeOf(op, pipeline.Stage(stages.Before.String), pipeline.Stage(stages.After.String))
		if !fn(Change{positionOf(a.at.Arrival, a.at.OpID, s.row.StateID), change, op, a.at.ReceivedAt}) {
			return false, nil
		}
	}
	return true, nil
}

// broughtBy returns the ops that the rows brought about, in the order in which they
// were applied.
func (s *Snapshot) broughtBy(rows []db.SignedOpsAfterRow) (all []applied, err error) {
	first, last := rows[0].Arrival, rows[len(rows)-1].Arrival
	span := db.LateBetweenParams{FirstArrival: first, LastArrival: last}
	late, err := s.q.LateBetween(s.ctx, span)
	if err != nil {
		return nil, err
	}
	skip := make(map[int64]bool)
	not, err := s.q.NotAppliedBetween(s.ctx, db.NotAppliedBetweenParams(span))
	if err != nil {
		return nil, err
	}
	for _, arrival := range not {
		skip[arrival] = true
	}
	by := make(map[int64]db.SignedOpsAfterRow, len(rows))
	for _, row := range rows {
		by[row.Arrival] = row
		if !skip[row.Arrival] {
			all = append(all, applied{row, 0, row})
		}
	}
	for _, l := range late {
		row, err := s.q.SignedOpAt(s.ctx, l.Arrival)
		if err != nil {
			return nil, err
		}
		all = append(all, applied{by[l.AtArrival], l.N, db.SignedOpsAfterRow(row)})
	}
	slices.SortFunc(all, func(a, b applied) int {
		return cmp.Or(cmp.Compare(a.at.Arrival, b.at.Arrival), cmp.Compare(a.n, b.n))
	})
	return all, nil
}
