package oplog

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// maxQuickCheck bounds the databases that Inspect reads through, in bytes: that
// many take about a second.
const maxQuickCheck = 256 << 20

// Inspection is what can be seen of a database file and of what stands beside
// it, also when it cannot be used. What was not looked at, since something
// before it failed, has its zero value.
type Inspection struct {
	// Path is the file that the path which was given leads to.
	Path string
	// Database, WAL, SHM, Journal (of a rollback, which ours has no more than
	// for a moment) and Lock are files, Folder is where they are.
	Database, WAL, SHM, Journal, Lock, Folder dbfile.Part

	// Err is why the file cannot be read, or is not for this build.
	Err error
	// Foreign says that the file was read and is not ours: it is no database, or
	// another program's.
	Foreign bool
	// Schema is the version of the file's schema: 0 while nothing is in it.
	// NewestSchema is this build's.
	Schema, NewestSchema int
	// JournalMode is SQLite's name of it; that of a log in use is "wal".
	JournalMode string
	// Pages of PageSize bytes each are in the file, FreePages of them unused.
	PageSize, Pages, FreePages int64
	// Identities are the replica's authors, or Identity is why no key can be used.
	Identities []Identity
	Identity   error

	// Checked says that all pages were looked at; Problems is what was found,
	// CheckErr what ended it.
	Checked  bool
	Problems []string
	CheckErr error
}

// Inspect looks at the database file at path and the files beside it. It takes
// no lock, changes nothing, and leaves no file that was not there but SQLite's
// own; every failure is a part of what it returns. Machine is that of [Config].
func Inspect(ctx context.Context, path, machine string) Inspection {
	real, err := dbfile.Resolve(path)
	if err != nil {
		return Inspection{Path: path, Database: dbfile.Part{Path: path, Err: err}, Err: storageError("find database", path, err)}
	}
	in := Inspection{
		Path:         real,
		Database:     dbfile.LookAt(real),
		WAL:          dbfile.LookAt(real + "-wal"),
		SHM:          dbfile.LookAt(real + "-shm"),
		Journal:      dbfile.LookAt(real + "-journal"),
		Lock:         dbfile.LookAt(real + ".lock"),
		Folder:       dbfile.LookAt(filepath.Dir(real)),
		NewestSchema: newestSchema,
	}
	if in.Database.Size() > 0 {
		in.read(context.WithoutCancel(ctx), path, machine)
	}
	return in
}

// read looks into the file.
func (in *Inspection) read(ctx context.Context, path, machine string) {
	l := newLog(Config{Path: path, Machine: machine, ReadOnly: true}, in.Path)
	defer l.Close()
	if err := l.file.Connect(ctx, dbfile.LookingSettings); err != nil {
		in.Err, in.Foreign = l.failOpen(err), isNoDatabase(err)
		return
	}
	state, err := l.inspect(ctx)
	if err == nil {
		err = l.complete(state)
	}
	in.Schema, in.JournalMode, in.Err = state.version, state.journal, l.failOpen(err)
	// The journal mode is what is read last before the mark is looked at.
	in.Foreign = isNoDatabase(err) || err != nil && state.journal != "" && state.application != applicationID
	if err == nil && state.version > 0 {
		in.Identities, in.Identity = l.inspectKeys(ctx, state)
	}
	if state.application != applicationID || len(state.foreign) > 0 {
		return // what is wrong with another program's file is not for us to say, and its checks may be endless
	}
	in.CheckErr = l.fail("check database", in.check(ctx, l))
}

// isNoDatabase reports whether SQLite says that the file is none of its own.
func isNoDatabase(err error) bool {
	var se *sqlite.Error
	return errors.As(err, &se) && se.Code()&0xff == sqlite3.SQLITE_NOTADB
}

// inspectKeys returns the replica's authors, also of a file of an older schema.
func (l *Log) inspectKeys(ctx context.Context, state fileState) ([]Identity, error) {
	l.queries = db.New(l.file.Conn)
	authors, err := ownAuthors(ctx, l.queries)
	if err != nil {
		return nil, l.damagedIdentity(err)
	}
	if state.version >= homesSchema {
		if err := l.findKey(state.identities); err != nil {
			return nil, err
		}
		return l.identities(state.identities), nil
	}
	var all []Identity
	for _, author := range authors { // one, which belongs where the file is opened
		all = append(all, Identity{Author: author, Path: l.file.Path, Present: true})
	}
	return all, nil
}

// check looks at the pages of the file, unless it is large.
func (in *Inspection) check(ctx context.Context, l *Log) error {
	for _, ask := range []struct {
		pragma string
		dst    *int64
	}{
		{"page_size", &in.PageSize},
		{"page_count", &in.Pages},
		{"freelist_count", &in.FreePages},
	} {
		if err := l.file.Conn.QueryRowContext(ctx, "PRAGMA "+ask.pragma).Scan(ask.dst); err != nil {
			return fmt.Errorf("%s: %w", ask.pragma, err)
		}
	}
	if in.PageSize*in.Pages > maxQuickCheck {
		return nil
	}
	in.Checked = true
	return l.complaints(ctx, l.file.Conn, "quick_check(5)", func(line string) { in.Problems = append(in.Problems, line) })
}
