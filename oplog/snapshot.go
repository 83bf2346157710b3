package oplog

import (
	"context"
	"errors"
	"math"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Snapshot is the log and its state at one moment. It is good until the function that
// View called with it returns.
type Snapshot struct {
	log *Log
	ctx context.Context
	q   *db.Queries
	st  *dbfile.Statements // of q
	row db.GetStateRow
}

// View calls fn with a snapshot: a read transaction that waits for no writer, as none
// waits for it. Any number of Views may run at once. If the state in the file cannot
// be believed, View builds the state from the log in memory. That is so of an older
// file, of one that is not at home here, and of a state that does not fit its log. It
// calls fn a second time if the first call returned an error that says that the
// state's rows are damaged, so fn must begin anew each time.
func (l *Log) View(ctx context.Context, fn func(*Snapshot) error) error {
	if !l.Ready() {
		return l.scratch.view(ctx, l, fn)
	}
	r, err := l.file.Reader(ctx)
	if err != nil {
		return l.fail("open database", err)
	}
	defer l.file.PutReader(r)
	err = l.viewBy(ctx, r.St, fn)
	if errors.Is(err, errStale) || errors.Is(err, ErrState) || dbfile.Damaged(err) {
		l.Doubt()
		return l.scratch.view(ctx, l, fn)
	}
	return err
}

// viewBy calls fn with a snapshot on a connection. The error is errStale if the state
// there does not fit the log.
func (l *Log) viewBy(ctx context.Context, st *dbfile.Statements, fn func(*Snapshot) error) error {
	ctx = context.WithoutCancel(ctx) // an interrupt would throw the connection away
	if _, err := st.ExecContext(ctx, "BEGIN"); err != nil {
		return l.fail("read state", err)
	}
	defer func() { _, _ = st.ExecContext(ctx, "ROLLBACK") }()
	return l.viewWithin(ctx, st, fn)
}

// viewWithin is viewBy for a caller that is in a transaction.
func (l *Log) viewWithin(ctx context.Context, st *dbfile.Statements, fn func(*Snapshot) error) error {
	s := &Snapshot{log: l, ctx: ctx, q: db.New(st), st: st}
	var err error
	if s.row, err = s.q.GetState(ctx); err != nil {
		return l.fail("read state", err)
	}
	switch ok, newer := fits(&s.row); {
	case newer:
		return l.newerState(s.row.Format)
	case !ok:
		return errStale
	}
	return fn(s)
}

// Source returns the pipeline.
func (s *Snapshot) Source() pipeline.Source { return &source{ctx: s.ctx, q: s.q, conn: s.st} }

// Position returns the position that the snapshot reflects.
func (s *Snapshot) Position() Position { return positionOf(s.row.Arrival, s.row.OpID, s.row.StateID) }

// First returns the ID of the first row's op, the zero OpID if there is none.
func (s *Snapshot) First() (id crdt.OpID, err error) {
	stored, err := s.q.FirstOp(s.ctx)
	copy(id[:], stored)
	return id, s.log.fail("read ops", none(err))
}

// Fail wraps an error of the snapshot's source with what to do about it.
func (s *Snapshot) Fail(err error) error { return s.log.fail("read state", err) }

// Heads returns the heads of all that is applied, sorted by their IDs.
func (s *Snapshot) Heads() ([]crdt.OpID, error) {
	rows, err := s.q.Heads(s.ctx)
	heads := make([]crdt.OpID, len(rows))
	for i := range rows {
		if heads[i], err = opIDOf(rows[i].OpID); err != nil {
			break
		}
	}
	return heads, s.log.fail("read heads", err)
}

// Exception is a row of the log whose op is not applied as it stands there.
type Exception struct {
	Arrival int64
	Kind    Kind
	ID      crdt.OpID
	Author  crdt.Author // zero for a damaged row
	Seq     uint64
}

// Exceptions calls fn for the rows of a kind, in order of arrival, until fn returns
// an error.
func (s *Snapshot) Exceptions(kind Kind, fn func(Exception) error) error {
	var answer error
	err := eachException(s.ctx, s.q, kind, func(e Exception) error {
		answer = fn(e)
		return answer
	})
	if answer != nil {
		return answer
	}
	return s.log.fail("read exceptions", err)
}

// eachException calls fn for the rows of a kind, in order of arrival, until fn returns an error.
func eachException(ctx context.Context, q *db.Queries, kind Kind, fn func(Exception) error) error {
	for after := int64(0); ; {
		rows, err := q.Exceptions(ctx, db.ExceptionsParams{Kind: int64(kind), Arrival: after, Limit: pageSize})
		if err != nil {
			return err
		}
		for _, row := range rows {
			e := Exception{Arrival: row.Arrival, Kind: Kind(row.Kind), Seq: uint64(row.Seq), Author: author(row.Author)}
			copy(e.ID[:], row.OpID)
			if err := fn(e); err != nil {
				return err
			}
			after = row.Arrival
		}
		if len(rows) < pageSize {
			return nil
		}
	}
}

// Count returns how many rows of a kind other than Applied there are.
func (s *Snapshot) Count(kind Kind) (int, error) {
	n, err := s.q.CountExceptions(s.ctx, int64(kind))
	return int(n), s.log.fail("read exceptions", err)
}

// Missing returns up to most IDs, above the ID after, of ops that pending ops wait for.
func (s *Snapshot) Missing(after crdt.OpID, most int) ([]crdt.OpID, error) {
	rows, err := s.q.MissingParents(s.ctx, db.MissingParentsParams{Missing: after[:], Limit: int64(most)})
	missing := make([]crdt.OpID, len(rows))
	for i := range rows {
		if missing[i], err = opIDOf(rows[i]); err != nil {
			break
		}
	}
	return missing, s.log.fail("read pending ops", err)
}

// KindOf says what became of an op, and where it is; false if the log does not have it.
func (s *Snapshot) KindOf(id crdt.OpID) (kind Kind, arrival int64, ok bool, err error) {
	row, err := findOp(s.ctx, s.q, id)
	if err != nil || row == nil {
		return 0, 0, false, s.log.fail("read op", err)
	}
	return Kind(row.Kind), row.Arrival, true, nil
}

// Signature returns the stored signature of an op; there is false if no row has its ID.
func (s *Snapshot) Signature(id crdt.OpID, seq uint64) (sig crdt.Signature, there bool, err error) {
	stored, err := s.q.OpSignature(s.ctx, db.OpSignatureParams{Seq: int64(seq), OpID: id[:]})
	copy(sig[:], stored)
	return sig, err == nil, s.log.fail("read signature", none(err))
}

// Authors calls fn for each author of ops in the log, with how many there are.
func (s *Snapshot) Authors(fn func(a crdt.Author, ops int) error) error {
	rows, err := s.q.Authors(s.ctx)
	for _, row := range rows {
		if err := fn(author(row.Author), int(row.Ops)); err != nil {
			return err
		}
	}
	return s.log.fail("read authors", err)
}

// History calls fn for the applied ops of one story, the last to arrive first, until fn
// returns false: those whose rows have an arrival number below before, or all if that
// is 0.
func (s *Snapshot) History(story string, before int64, fn func(SignedRow) (more bool, err error)) error {
	return s.log.history(s.ctx, s.q, story, before, fn)
}

func (l *Log) history(ctx context.Context, q *db.Queries, story string, before int64, fn func(SignedRow) (more bool, err error)) error {
	if before <= 0 {
		before = math.MaxInt64
	}
	for limit := int64(16); ; limit = pageSize {
		rows, err := q.HistoryOf(ctx, db.HistoryOfParams{ID: story, Arrival: before, Limit: limit})
		if err != nil {
			return l.fail("read history", err)
		}
		for _, row := range rows {
			before = row.Arrival
			at, err := q.SignedOpAt(ctx, row.Arrival)
			if err != nil {
				return l.failRow(row.Arrival, err)
			}
			from := db.SignedOpsAfterRow(at)
			if more, err := fn(l.signedRow(&from)); err != nil || !more {
				return err
			}
		}
		if len(rows) < int(limit) {
			return nil
		}
	}
}

// AgentOf returns the agent that asked for an op, "" if the op does not say so or is not here.
func (s *Snapshot) AgentOf(id crdt.OpID) (string, error) { return s.log.agentOf(s.ctx, s.q, id) }

func (l *Log) agentOf(ctx context.Context, q *db.Queries, id crdt.OpID) (string, error) {
	found, err := findOp(ctx, q, id)
	if err != nil || found == nil {
		return "", l.fail("read op", err)
	}
	row, err := q.SignedOpAt(ctx, found.Arrival)
	if err != nil {
		return "", l.failRow(found.Arrival, err)
	}
	op, err := crdt.Decode(row.Payload)
	if err != nil {
		return "", nil // the row is damaged
	}
	return op.Agent, nil
}

// Row returns the row with the given arrival number, which must be there, without its op.
func (s *Snapshot) Row(arrival int64) (SignedRow, error) {
	row, err := s.q.SignedOpAt(s.ctx, arrival)
	if err != nil {
		return SignedRow{}, s.log.failRow(arrival, err)
	}
	from := db.SignedOpsAfterRow(row)
	return storedAs(&from), nil
}

// Rows calls fn for every row that arrived after the given arrival number, in order of
// arrival, until fn returns an error, which Rows returns as it is.
func (s *Snapshot) Rows(after int64, fn func(SignedRow) error) error {
	for {
		page, err := s.q.SignedOpsAfter(s.ctx, db.SignedOpsAfterParams{Arrival: after, Limit: pageSize})
		if err != nil {
			return s.log.fail("read ops", err)
		}
		for i := range page {
			if err := inOrder(after, page[i].Arrival); err != nil {
				return s.log.fail("read ops", err)
			}
			after = page[i].Arrival
			if err := fn(s.log.signedRow(&page[i])); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

// Identities returns the replica's authors in the order in which they came, without
// those of damaged rows. None is present while [Log.Key] is nil.
func (s *Snapshot) Identities() ([]Identity, error) {
	rows, err := s.q.Identities(s.ctx)
	return s.log.identities(rows), s.log.fail("read identities", err)
}
