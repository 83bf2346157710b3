package oplog

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
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
	// Seed, if it is not nil, is that of the key which a database begins with that Create makes, instead of a
	// fresh one: 32 bytes. Several databases may have it.
	Seed []byte
	// Machine names the machine, the same at every start and unlike that of any
	// other machine, so that a copied file is told from one that stayed. Empty: it
	// cannot be told.
	Machine string
	Logger  *slog.Logger
	// Legacy, if it is not nil, is what a database that Create makes begins with, instead of a fresh key.
	Legacy *Legacy
	// Before, if it is not nil, is called before ops that are there are brought to a newer schema.
	// It is also called before the state is rebuilt because it is damaged or somebody asked for
	// it. The caller of the log holds the lock meanwhile.
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
	// key is nil if there is none. Views look at it while the writer finds out that it is another one.
	key     atomic.Pointer[ed25519.PrivateKey]
	queries *db.Queries // by the file's statements; the writer's

	scratch scratch
	noted   notedRows
	known   knownTrust
	// doubted: the state was found damaged. The next write rebuilds it.
	doubted atomic.Bool
}

var (
	// ErrNoLog: there is no log at the path, or an empty file.
	ErrNoLog = errors.New("there is no op log yet")
	// ErrOutdated: the log is there, but made by an older build.
	ErrOutdated = errors.New("the op log must be brought up to date")
)

func newLog(cfg Config, path string) *Log {
	return &Log{cfg: cfg, file: dbfile.New(dbfile.Config{Path: cfg.Path, ReadOnly: cfg.ReadOnly}, path)}
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

// Doubt makes the next write rebuild the state.
func (l *Log) Doubt() { l.doubted.Store(true) }

// Doubted reports whether the next write rebuilds the state, because the state was found
// damaged.
func (l *Log) Doubted() bool { return l.doubted.Load() }

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

func (l *Log) rollback(ctx context.Context) error {
	if _, err := l.file.Conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		return l.fail("roll back", err)
	}
	return nil
}
