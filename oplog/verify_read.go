package oplog

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// verifyRows is how many rows are verified in one piece: tens of milliseconds of
// signatures.
const verifyRows = 128

// maxArrival is the greatest arrival number at which reading can go on behind.
const maxArrival = math.MaxInt64 - 1

// rowSource reads the rows of a log of which parts may not be readable.
type rowSource struct {
	log     *Log
	queries *db.Queries
	stmt    *sql.Stmt // OpsToVerify
	last    int64     // as far as is read
	lastID  []byte    // of that row, if it can be read
	// index has the ops by arrival number, as SQLite's index knows them. It is read
	// when the table cannot be.
	index map[int64]crdt.OpID
}

// open looks how far the log goes now, and returns the last arrival number as far
// as it is known.
func (s *rowSource) open(ctx context.Context) (last int64, err error) {
	ctx = context.WithoutCancel(ctx)
	if s.stmt, err = s.log.file.Conn.PrepareContext(ctx, db.OpsToVerify); err != nil {
		return 0, err
	}
	last, err = s.queries.LastArrival(ctx)
	if unreadable(err) {
		s.readIndex(ctx)
		for arrival := range s.index {
			last = max(last, arrival)
		}
		s.last = maxArrival // whatever there is
		return last, nil
	}
	if err != nil {
		return 0, err
	}
	last = max(last, s.lastIndexed(ctx))
	s.last = min(last, maxArrival)
	s.lastID, err = s.queries.OpAt(ctx, s.last)
	if errors.Is(err, sql.ErrNoRows) || unreadable(err) {
		err = nil
	}
	return last, err
}

// lastIndexed returns the greatest arrival number that SQLite's index knows, 0 if it
// cannot be read. That of the table stands on one page, which may be damaged.
func (s *rowSource) lastIndexed(ctx context.Context) (last int64) {
	const query = "SELECT COALESCE(max(arrival), 0) FROM main.crdt_ops INDEXED BY sqlite_autoindex_crdt_ops_1"
	if err := s.log.file.Conn.QueryRowContext(ctx, query).Scan(&last); err != nil {
		return 0
	}
	return last
}

func (s *rowSource) close() { _ = s.stmt.Close() }

// errChanged: the log is not the one that was read.
var errChanged = errors.New("the database was replaced, or went back to an earlier state, while it was verified")

// unchanged returns an error if the log is not the one any more that open saw:
// then rows were taken for damaged or missing that were others'.
func (s *rowSource) unchanged(ctx context.Context) error {
	if s.lastID == nil {
		return nil
	}
	id, err := s.queries.OpAt(context.WithoutCancel(ctx), s.last)
	switch {
	case unreadable(err):
		return nil
	case errors.Is(err, sql.ErrNoRows), err == nil && string(id) != string(s.lastID), s.log.Presence() != Present:
		return &Error{Op: "verify", Path: s.log.cfg.Path, Code: CodeChanged, Err: errChanged}
	}
	return err
}

// next returns the rows from the given arrival number on, nil at the end. Rows
// that cannot be read are one row with an error.
func (s *rowSource) next(ctx context.Context, first int64) (*batch, error) {
	ctx = context.WithoutCancel(ctx) // an interrupt would throw the connection away
	b := &batch{done: make(chan struct{}, 1), end: first}
	if first > s.last {
		return nil, nil
	}
	err := s.read(ctx, b, s.last, verifyRows)
	if err != nil && !unreadable(err) {
		return nil, err
	}
	if err == nil && len(b.rows) > 0 && b.end == first {
		err = errDisorder // or the same rows would be read for ever
	}
	if err != nil {
		first = b.end
		end, skipErr := s.skip(ctx, first)
		if skipErr != nil {
			return nil, skipErr
		}
		b.end = end
		b.rows = append(b.rows, s.unreadableRows(ctx, first, end-1, err)...)
		return b, nil
	}
	if len(b.rows) == 0 {
		return nil, nil
	}
	return b, nil
}

// read adds up to n rows from b.end to last to b and moves b.end behind them. Where the
// rows do not stand in order, it moves behind the greatest, never back.
func (s *rowSource) read(ctx context.Context, b *batch, last int64, n int) error {
	rows, err := s.stmt.QueryContext(ctx, b.end, last, n)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r storedRow
		if err := rows.Scan(&r.arrival, &r.id, &r.author, &r.seq, &r.payload, &r.signature); err != nil {
			return err
		}
		b.rows = append(b.rows, r)
		b.end = max(b.end, r.arrival+1)
	}
	return rows.Err()
}

// skip returns an arrival number behind the given one, which cannot be read, at
// which reading can go on. It tries one number after the other, then in growing
// steps, since a page of the file may hold thousands of rows or all.
func (s *rowSource) skip(ctx context.Context, first int64) (int64, error) {
	const oneByOne = 256
	first = max(first, 0)
	bad, step := first, int64(1)
	for {
		if bad > s.last-step {
			return s.last + 1, nil
		}
		ok, err := s.readableFrom(ctx, bad+step)
		if err != nil {
			return 0, err
		}
		if ok {
			break
		}
		bad += step
		step = max(1, (bad-first)/oneByOne)
	}
	good := bad + step
	for good-bad > 1 {
		middle := bad + (good-bad)/2
		ok, err := s.readableFrom(ctx, middle)
		if err != nil {
			return 0, err
		}
		if ok {
			good = middle
		} else {
			bad = middle
		}
	}
	return good, nil
}

// readableFrom reports whether the row at the arrival number, or the next after
// it, can be read.
func (s *rowSource) readableFrom(ctx context.Context, arrival int64) (bool, error) {
	b := batch{end: arrival}
	err := s.read(ctx, &b, s.last, 1)
	if unreadable(err) {
		return false, nil
	}
	return err == nil && (len(b.rows) == 0 || b.end > arrival), err
}

// unreadableRows stands for the rows from first to last. If the index has rows in
// that range, it is cut to those: arrival numbers from nothing to the first row
// of a file are no rows.
func (s *rowSource) unreadableRows(ctx context.Context, first, last int64, err error) []storedRow {
	s.readIndex(ctx)
	r := storedRow{arrival: max(first, 1), last: last, err: err}
	least, greatest := int64(math.MaxInt64), int64(math.MinInt64)
	for arrival, id := range s.index {
		if first <= arrival && arrival <= last {
			least, greatest = min(least, arrival), max(greatest, arrival)
			r.ops = append(r.ops, id)
		}
	}
	if len(r.ops) > 0 && last == maxArrival {
		r.last = greatest
	}
	if len(r.ops) > 0 && first < 1 {
		r.arrival = least
	}
	return []storedRow{r}
}

// readIndex reads the index once, as far as it can be.
func (s *rowSource) readIndex(ctx context.Context) {
	if s.index != nil {
		return
	}
	s.index = make(map[int64]crdt.OpID)
	rows, err := s.log.file.Conn.QueryContext(ctx, db.IndexedOps)
	if err != nil {
		return
	}
	defer rows.Close()
	for rows.Next() {
		var stored []byte
		var arrival int64
		if rows.Scan(&stored, &arrival) == nil && len(stored) == len(crdt.OpID{}) {
			s.index[arrival] = crdt.OpID(stored)
		}
	}
	_ = rows.Err() // what was read is better than nothing
}

// unreadable reports whether err says that a part of the file cannot be read, as
// opposed to all of it or not now.
func unreadable(err error) bool {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return false
	}
	code := se.Code() & 0xff
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_IOERR
}
