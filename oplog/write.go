package oplog

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// Write runs fn in one transaction and commits what it wrote, durably. The caller holds
// the path's [Lock]. When it returns an error nothing was acknowledged: after an error
// of fn nothing is on disk; after one that is uncertain the change may be, and then
// [Log.Settle] finds out.
func (l *Log) Write(ctx context.Context, fn func(*Tx) error) error {
	ctx = context.WithoutCancel(ctx)
	if err := dbfile.RefuseLinked(l.file.Path); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil { // or the transaction would keep all others waiting
			_ = l.rollback(ctx)
			panic(p)
		}
	}()
	tx, err := l.begin(ctx)
	if err != nil {
		return err
	}
	err = fn(tx)
	if err == nil {
		err = tx.finish()
	}
	if isConstraint(err) { // no op breaks one where the state is as it should be
		err = fmt.Errorf("%w: %w", ErrState, err)
	}
	if errors.Is(err, ErrState) || dbfile.Damaged(err) {
		l.Doubt()
	}
	if err != nil || !tx.wrote {
		return errors.Join(err, l.rollback(ctx)) // nothing is on disk
	}
	if _, err := l.file.St.ExecContext(ctx, "COMMIT"); err != nil {
		// The connection may still be in the transaction, or SQLite may have
		// ended it; a rollback of no transaction is harmless.
		_ = l.rollback(ctx)
		return l.fail(dbfile.OpCommit, err)
	}
	if tx.rebuild {
		l.cutWAL(ctx)
	}
	return nil
}

// isConstraint reports whether SQLite says that a constraint of a table is broken.
func isConstraint(err error) bool {
	var se *sqlite.Error
	return errors.As(err, &se) && se.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}

// begin begins a transaction on a state that fits the log.
func (l *Log) begin(ctx context.Context) (*Tx, error) {
	for range 3 {
		if _, err := l.file.St.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
			return nil, l.fail("begin transaction", err)
		}
		tx, err := l.newTx(ctx)
		if err == nil {
			return tx, nil
		}
		_ = l.rollback(ctx)
		if errors.Is(err, errKeyGone) {
			l.setKey(nil)
			if err := l.moveIn(ctx); err != nil {
				return nil, l.fail("prepare database", err)
			}
			continue
		}
		if !errors.Is(err, errStale) && !errors.Is(err, ErrState) && !dbfile.Damaged(err) {
			return nil, l.fail("begin transaction", err)
		}
		if err := l.rebuild(ctx); err != nil {
			return nil, err
		}
		l.noteRebuilt("it did not match the log, or was damaged")
	}
	return nil, l.fail("begin transaction", errStale)
}

// Settle makes definite what is on disk after a commit failed: what this log shows
// then is durable, and what it does not show will not appear. Such a failure may have left a whole transaction in the write-ahead log that SQLite
// does not show now, but takes for committed when it recovers after a crash. So
// all that counts is moved to the database file, the write-ahead log is cut to
// nothing, and since SQLite does not sync that, a commit that changes nothing
// starts it anew. The caller holds the path's [Lock] and uses a Log opened after
// the failure.
func (l *Log) Settle(ctx context.Context) error {
	var busy, frames, moved int
	err := l.file.Conn.QueryRowContext(context.WithoutCancel(ctx), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
	if err == nil && busy != 0 {
		err = errors.New("a reader keeps the write-ahead log")
	}
	if err == nil {
		err = l.commitNothing(ctx)
	}
	return l.fail("settle", err)
}

// commitNothing makes a commit that writes a page as it was.
func (l *Log) commitNothing(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	_, err := l.file.Conn.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; PRAGMA user_version = %d; COMMIT", l.version))
	if err != nil {
		_ = l.rollback(ctx) // of no transaction is harmless
	}
	return err
}
