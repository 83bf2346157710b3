package oplog

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// Config says how to open a log.
type Config struct {
	// Path of the database file, absolute.
	Path string
	// Now gives the time that new rows carry.
	Now func() time.Time
	// Rand gives the seed of a new identity: 32 bytes, once a home.
	Rand io.Reader
	// Machine names the machine, the same at every start and unlike that of any
	// other machine, so that a copied file is told from one that stayed. Empty: it
	// cannot be told.
	Machine string
	Logger  *slog.Logger
	// Legacy, if it is not nil, is what a database that Create makes begins with, instead of a fresh key.
	Legacy *Legacy
	// Before, if it is not nil, is called before ops that are there are brought to a newer schema,
	// and before the state is rebuilt because it is damaged or somebody asked for it. The caller
	// of the log holds the lock meanwhile.
	Before func(ctx context.Context)
	// KeyHelp says how a person changes the key. It is logged where others could read the key.
	KeyHelp string
	// Progress, if it is not nil, hears how far a rebuild has come, in rows of the log, and
	// how many rows there are.
	Progress func(rows, of int64)
	// ReadOnly is for looking at a file that may be in trouble: nothing is ever
	// written to it, also not by SQLite when it is closed, and a wait for other
	// programs is short.
	ReadOnly bool
}

// Log is one process's access to the op log and its state. [Log.View] may be called by
// any number of goroutines at once. All else is for one goroutine at a time, which is
// the writer.
type Log struct {
	cfg     Config
	file    *dbfile.File
	version int // of its schema
	key     ed25519.PrivateKey
	queries *db.Queries // by the file's statements; the writer's

	scratch scratch
	noted   notedRows
	// doubted: the state was found damaged. The next write rebuilds it.
	doubted atomic.Bool
}

var (
	// ErrNoLog: there is no log at the path, or an empty file.
	ErrNoLog = errors.New("there is no op log yet")
	// ErrOutdated: the log is there, but made by an older build.
	ErrOutdated = errors.New("the op log must be brought up to date")
)

// Open opens the log at cfg.Path, which must be there; otherwise the error is ErrNoLog,
// for [Create] to mend. It needs no lock, so a process that holds the lock, or hangs
// with it, keeps nobody from reading. It changes nothing and leaves no file that was
// not there but SQLite's own. An older file, a backup, or a file that was moved or
// copied here can be read but is not [Log.Ready] before Create was called on it.
func Open(ctx context.Context, cfg Config) (*Log, error) {
	path, err := dbfile.Resolve(cfg.Path)
	if err != nil {
		return nil, storageError("find database", cfg.Path, err)
	}
	if err := dbfile.CheckPlain(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, ErrNoLog
	}
	l := newLog(cfg, path)
	if err := l.open(context.WithoutCancel(ctx)); err != nil {
		_ = l.Close()
		return nil, err
	}
	if l.key == nil && l.version == newestSchema {
		cfg.Logger.Info("this is not yet the home of any key in the database: the first write finds out whether it was moved or copied here", "path", path)
	}
	return l, nil
}

// Create opens the log at cfg.Path as Open does, and makes what is missing: the
// file (mode 0600), write-ahead logging, the schema, a key whose home is here. The
// caller holds the path's [Lock], so any number of processes may start on a new
// file at once.
func Create(ctx context.Context, cfg Config) (*Log, error) {
	path, err := dbfile.Resolve(cfg.Path)
	if err != nil {
		return nil, storageError("find database", cfg.Path, err)
	}
	l := newLog(cfg, path)
	if err := l.create(context.WithoutCancel(ctx)); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

func newLog(cfg Config, path string) *Log {
	return &Log{cfg: cfg, file: dbfile.New(dbfile.Config{Path: cfg.Path, ReadOnly: cfg.ReadOnly}, path)}
}

// open connects to the file, which is there, and takes it as it is.
func (l *Log) open(ctx context.Context) error {
	settings := dbfile.Settings + dbfile.Defensive
	if l.cfg.ReadOnly {
		settings = dbfile.LookingSettings
	}
	if err := l.file.Connect(ctx, settings); err != nil {
		return l.failOpen(err)
	}
	state, err := l.inspect(ctx)
	if err == nil {
		err = l.foreignError(state)
	}
	if err != nil {
		return l.failOpen(err)
	}
	if state.version == 0 {
		return ErrNoLog
	}
	return l.start(ctx, state)
}

// create does the work of Create.
func (l *Log) create(ctx context.Context) error {
	if err := dbfile.RefuseLinked(l.file.Path); err != nil {
		return err
	}
	if err := createFile(l.file.Path, l.cfg.Logger); err != nil {
		return l.fail("create database", err)
	}
	if err := l.file.Connect(ctx, dbfile.Settings+dbfile.Defensive); err != nil {
		return l.failOpen(err)
	}
	state, err := l.inspect(ctx)
	if err == nil {
		err = l.foreignError(state)
	}
	if err != nil {
		return l.failOpen(err)
	}
	if state.journal != dbfile.WALMode { // a new file, or a backup
		if state.journal, err = l.file.TurnToWAL(ctx); err != nil {
			return l.fail("prepare database", err)
		}
	}
	if state.version < newestSchema {
		if state.version > 0 {
			l.before(ctx)
		}
		if err := l.migrate(ctx, state.version); err != nil {
			return l.fail("prepare database", err)
		}
		if state, err = l.inspect(ctx); err != nil {
			return l.failOpen(err)
		}
	}
	if err := l.start(ctx, state); err != nil {
		return err
	}
	if l.key == nil {
		if err := l.moveIn(ctx); err != nil {
			return l.fail("prepare database", err)
		}
	}
	return l.bringUpToDate(ctx)
}

// start makes the connection ready to read and write. The key is nil if its home is
// not here, or the schema is older than homes.
func (l *Log) start(ctx context.Context, state fileState) (err error) {
	if err := l.complete(state); err != nil {
		return err
	}
	l.version, l.file.Journal = state.version, state.journal
	if l.version >= homesSchema {
		if err := l.findKey(state.identities); err != nil {
			return err
		}
	}
	l.makePrivate()
	if err := l.file.Start(ctx); err != nil {
		return l.fail("prepare database", err)
	}
	l.queries = db.New(l.file.St)
	return nil
}

// before tells the caller that the log is about to change what no op has changed, if there is
// anything to lose.
func (l *Log) before(ctx context.Context) {
	var any bool
	if l.cfg.Before == nil {
		return
	}
	if err := l.file.Conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM crdt_ops)").Scan(&any); err == nil && any {
		l.cfg.Before(ctx)
	}
}

// Close closes the file. It does not wait for a lock. No View may be running.
func (l *Log) Close() error {
	return errors.Join(l.scratch.close(), l.file.Close())
}

// Write runs fn in one transaction and commits what it wrote, durably. The caller holds
// the path's [Lock]. When it returns an error nothing was acknowledged: after an error
// of fn nothing is on disk; after one that is uncertain the change may be, and then
// [Log.Settle] finds out.
func (l *Log) Write(ctx context.Context, fn func(*Tx) error) error {
	ctx = context.WithoutCancel(ctx)
	if err := dbfile.RefuseLinked(l.file.Path); err != nil {
		return err
	}
	tx, err := l.begin(ctx)
	if err != nil {
		return err
	}
	err = fn(tx)
	if err == nil {
		err = tx.finish()
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

// Doubt makes the next write rebuild the state.
func (l *Log) Doubt() { l.doubted.Store(true) }

// Doubted reports whether the next write rebuilds the state, because the state was found
// damaged.
func (l *Log) Doubted() bool { return l.doubted.Load() }

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
			l.key = nil
			if err := l.moveIn(ctx); err != nil {
				return nil, l.fail("prepare database", err)
			}
			continue
		}
		if !errors.Is(err, errStale) && !errors.Is(err, ErrState) && !dbfile.Damaged(err) {
			return nil, l.fail("begin transaction", err)
		}
		if err := l.rebuild(ctx, "the state does not fit the log, or is damaged"); err != nil {
			return nil, err
		}
	}
	return nil, l.fail("begin transaction", errStale)
}

// checkVersion looks whether a newer build has changed the schema since this
// process opened the file. The caller is in a transaction.
func (l *Log) checkVersion(ctx context.Context) error {
	var version int
	if err := l.file.St.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version != l.version {
		return l.newerSchema(version)
	}
	return nil
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

func (l *Log) rollback(ctx context.Context) error {
	if _, err := l.file.Conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		return l.fail("roll back", err)
	}
	return nil
}
