package oplog

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
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
	if l.Key() == nil && l.version == newestSchema {
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
	if err := dbfile.CheckFiles(l.file.Path); err != nil { // before an empty database is made beside it
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
	if l.Key() == nil {
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
