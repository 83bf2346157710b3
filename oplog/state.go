package oplog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/huskies/huskies-mcp/db"
)

// fits reports whether the state reflects the whole log, and the decisions whom to
// trust. Newer is true for a state that a newer build wrote.
func fits(s *db.GetStateRow) (ok, newer bool) {
	switch {
	case s.Format > stateFormat:
		return false, true
	case s.Format < stateFormat, s.Arrival != s.LogLast, s.Decision != s.LastDecision, s.Key != s.LastKey:
		return false, false
	}
	return string(s.OpID) == string(s.LogID), false
}

func (l *Log) newerState(format int64) error {
	return l.refuseFile(CodeNewer, fmt.Errorf("its state has format %d, this build knows %d", format, stateFormat))
}

// bringUpToDate makes a state that fits the log, if there is none. The caller holds
// the lock.
func (l *Log) bringUpToDate(ctx context.Context) error {
	row, err := l.queries.GetState(ctx)
	if err != nil {
		return l.fail("read state", err)
	}
	ok, newer := fits(&row)
	switch {
	case newer:
		return l.newerState(row.Format)
	case ok && !l.Doubted():
		return nil
	}
	if err := l.rebuild(ctx); err != nil {
		return err
	}
	if row.LogLast == 0 && row.Arrival == 0 {
		l.cfg.Logger.Debug("state was made for an empty log")
		return nil
	}
	l.noteRebuilt("it did not match the log or this replica's key, or was damaged")
	return nil
}

// Rebuild makes the state anew from the log: the replay of all ops. It is the only
// repair of a state. The caller holds the lock.
func (l *Log) Rebuild(ctx context.Context) error {
	if err := l.rebuild(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	l.noteRebuilt("it was asked for")
	return nil
}

// noteRebuilt says on the log that the state was made anew, and why.
func (l *Log) noteRebuilt(why string) {
	l.cfg.Logger.Info("state was rebuilt from the log", "why", why)
}

// rebuild makes the state anew in one transaction.
func (l *Log) rebuild(ctx context.Context) error {
	l.before(ctx)
	if _, err := l.file.St.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return l.fail("begin transaction", err)
	}
	err := l.checkVersion(ctx)
	if err == nil {
		err = l.rebuildWithin(ctx)
	}
	if err != nil {
		return errors.Join(l.fail("rebuild the state", err), l.rollback(ctx))
	}
	if _, err := l.file.St.ExecContext(ctx, "COMMIT"); err != nil {
		_ = l.rollback(ctx)
		return l.fail("rebuild the state", err) // nothing of the log has changed
	}
	l.doubted.Store(false)
	l.cutWAL(ctx)
	return nil
}

// cutWAL moves what a rebuild left in the write-ahead log into the database file: it is as
// large as the state, and would stay. If that fails, a later checkpoint does it.
func (l *Log) cutWAL(ctx context.Context) {
	var busy, frames, moved int
	_ = l.file.Conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
}

// rebuildWithin makes the state anew. The caller is in a transaction.
func (l *Log) rebuildWithin(ctx context.Context) error {
	trust, err := replayTrust(ctx, l.queries)
	if err != nil {
		return err
	}
	report := newProgress(l)
	defer report.end()
	// The model of a large log is collected earlier than other garbage, and its memory is given back:
	// a server lives for days after a rebuild.
	defer debug.FreeOSMemory()
	defer debug.SetGCPercent(debug.SetGCPercent(rebuildGCPercent))
	r, err := replayLog(ctx, l.queries, trust, func(arrival, last int64) { report.at(arrival/2, last) })
	if err != nil {
		return err
	}
	if err := l.keepLost(ctx, r); err != nil {
		return err
	}
	r.written = func(rows, of int64) { report.at((r.arrival+r.arrival*rows/of)/2, r.arrival) }
	for arrival, id := range r.misnamed { // the signature says which op it is
		renamed, err := l.queries.RenameOp(ctx, db.RenameOpParams{OpID: id[:], Arrival: arrival})
		if err != nil {
			return err
		}
		if arrival == r.arrival && renamed > 0 {
			r.last = id
		}
	}
	id, err := newStateID(l.cfg.Rand)
	if err != nil {
		return err
	}
	return rebuild(ctx, l.queries, l.file.St, r, trust, id)
}

// rebuildGCPercent is how much memory may be garbage during a rebuild, in percent of what is in use.
const rebuildGCPercent = 30

// newStateID draws the ID of a state: 32 random bits.
func newStateID(rand io.Reader) (int64, error) {
	var b [4]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint32(b[:])), nil
}
