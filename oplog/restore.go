package oplog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/internal/durable"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// RestoreReport says what became of a log that got the ops of a copy.
type RestoreReport struct {
	// FreshKey says that the log signs with a new key from now on, as Author.
	FreshKey bool
	Author   crdt.Author
	// Aside is where [Put] moved the database that stood at the path, "" if there was none.
	Aside string
}

// Restore makes the ops of the copy at from the log's, in one transaction. The copy must be one that
// [Copy] made and [Verify] found sound, and nobody else may have it open. Processes that have the
// database open go on with what is in it then, as after a rebuild.
//
// What only this replica knows stays: its keys, the authors whom it trusts, and the leases of claims
// that the copy has too. A key is given up if it signed ops that the copy lacks. Others may have
// these ops, and a key that signs at the same clocks again would tell two truths.
//
// The caller holds the path's [Lock].
func (l *Log) Restore(ctx context.Context, from string) (r RestoreReport, err error) {
	ctx = context.WithoutCancel(ctx)
	if err := dbfile.RefuseLinked(l.file.Path); err != nil {
		return r, err
	}
	if from, err = filepath.Abs(from); err != nil {
		return r, storageError("find backup", from, err)
	}
	if _, err := l.file.Conn.ExecContext(ctx, "ATTACH ? AS restored", from); err != nil {
		return r, l.fail("open backup", err)
	}
	defer func() { _, _ = l.file.Conn.ExecContext(ctx, "DETACH restored") }()
	var version int
	if err := l.file.Conn.QueryRowContext(ctx, "PRAGMA restored.user_version").Scan(&version); err != nil {
		return r, l.fail("open backup", err)
	}
	if version < homesSchema || version > newestSchema {
		return r, fmt.Errorf("restore %s: no copy has schema %d", from, version)
	}
	former := l.Key()
	r, err = l.restoreWithin(ctx, version)
	if err != nil {
		l.setKey(former)
		return r, err
	}
	l.doubted.Store(false)
	l.cfg.Logger.Info("a backup was put in the place of the ops", "fresh_key", r.FreshKey)
	l.cutWAL(ctx)
	return r, nil
}

// restoreWithin does the work of Restore in one transaction.
func (l *Log) restoreWithin(ctx context.Context, version int) (r RestoreReport, err error) {
	if _, err := l.file.Conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return r, l.fail("begin transaction", err)
	}
	err = l.checkVersion(ctx)
	if err == nil {
		err = l.takeRows(ctx, version)
	}
	if err == nil {
		r.FreshKey, err = l.keepKey(ctx)
	}
	if err == nil {
		err = l.rebuildWithin(ctx)
	}
	if err != nil {
		return r, errors.Join(l.fail("restore", err), l.rollback(ctx)) // the log is as it was
	}
	if _, err := l.file.Conn.ExecContext(ctx, "COMMIT"); err != nil {
		_ = l.rollback(ctx)
		return r, l.fail(dbfile.OpCommit, err)
	}
	r.Author = l.Author()
	return r, nil
}

// takeRows puts the rows of the attached copy, whose schema has the given version, in the places of
// ours.
func (l *Log) takeRows(ctx context.Context, version int) error {
	statements := []string{
		// A key that signed what the copy lacks never signs again.
		`UPDATE main.crdt_node_identity SET seed = NULL
		 WHERE author IN (SELECT author FROM main.crdt_ops WHERE op_id NOT IN (SELECT op_id FROM restored.crdt_ops))`,
		`DELETE FROM main.crdt_ops`,
		`INSERT INTO main.crdt_ops SELECT * FROM restored.crdt_ops ORDER BY arrival`,
		`DELETE FROM main.repairs`, // some are of rows that are gone
		`INSERT INTO main.repairs SELECT * FROM restored.repairs`,
		// The authors of the copy stay the replica's own.
		`INSERT INTO main.crdt_node_identity (seed, author, created_at, machine, path)
		 SELECT NULL, author, created_at, machine, path FROM restored.crdt_node_identity
		 WHERE author NOT IN (SELECT author FROM main.crdt_node_identity) ORDER BY id`,
		// All is read from the hub anew, also what was sent from here, and the hub gets what it lacks.
		`UPDATE main.hub SET replica = lower(hex(randomblob(10)))`,
		`DELETE FROM main.hub_marks`,
		`DELETE FROM main.hub_skipped`,
		`DELETE FROM main.hub_outbox`,
		`INSERT INTO main.hub_outbox SELECT arrival FROM main.crdt_ops WHERE EXISTS (SELECT 1 FROM main.hub)`,
		`DELETE FROM main.leases WHERE claim NOT IN (SELECT op_id FROM main.crdt_ops)`,
	}
	if version >= leasesSchema {
		statements = append(statements, `INSERT OR IGNORE INTO main.leases SELECT * FROM restored.leases`)
	}
	for _, statement := range statements {
		if _, err := l.file.Conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// keepKey makes out which key the log signs with after its rows were replaced, and makes a fresh one
// if none is left. The caller is in a transaction.
func (l *Log) keepKey(ctx context.Context) (fresh bool, err error) {
	rows, err := db.New(l.file.Conn).Identities(ctx)
	if err != nil {
		return false, err
	}
	if row := l.resident(rows); row != nil {
		return false, l.useKey(*row)
	}
	key, err := l.createIdentity(ctx)
	l.setKey(key)
	return true, err
}

// Put gives the copy at from, which [Copy] made in the same folder, the name of the database at
// cfg.Path. A database that is there is moved aside with its write-ahead log, and so is what is left
// of one. Nobody has a key for the copy yet, so that the first write makes one. The caller holds the
// path's [Lock].
func Put(cfg Config, from string) (r RestoreReport, err error) {
	path, err := dbfile.Resolve(cfg.Path)
	if err != nil {
		return r, storageError("find database", cfg.Path, err)
	}
	if err := dbfile.CheckFiles(path); err != nil {
		return r, err
	}
	dir := filepath.Dir(path)
	if filepath.Base(dir) == locate.Folder {
		if err := hideFromGit(dir, filepath.Base(path), cfg.Logger); err != nil {
			return r, storageError("restore", path, err)
		}
	}
	aside := path + ".before-restore-" + cfg.Now().UTC().Format("20060102T150405.000")
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} { // a -wal file without its database is of no use
		err := os.Rename(path+suffix, aside+suffix)
		switch {
		case err == nil && suffix == "":
			r.Aside = aside
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return r, storageError("restore", path, fmt.Errorf("move the database aside: %w", err))
		}
	}
	// After an error the place may be empty. What was there stands aside.
	return r, storageError("restore", path, durable.Rename(from, path))
}
