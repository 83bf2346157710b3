package oplog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/internal/durable"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/migrations"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// applicationID marks our files in SQLite's header: "HUSK".
const applicationID = 0x4855534b

// newestSchema is the version that this build writes and reads.
var newestSchema = len(migrations.All())

// homesSchema is the first version in which keys have homes.
const homesSchema = 3

// trustSchema is the first version with decisions whom to trust, leasesSchema the first with leases, hubSchema the first
// with a hub, membersSchema the first with roots.
const (
	trustSchema   = 2
	leasesSchema  = 4
	hubSchema     = 6
	membersSchema = 9
)

// stateSchema is the first version in which the state is in the database.
const stateSchema = 5

// migrationGrace is how long live leases last at least after a file was brought to
// stateSchema: their holders' processes cannot renew them, and are to be started anew.
const migrationGrace = 10 * time.Minute

// Names of databases are so long at most, in bytes: SQLite takes paths of 512 on Unix
// (MAX_PATHNAME), file systems names of 255, and it makes files beside the database
// whose names end in "-journal".
const (
	maxPath     = 512 - len("-journal")
	maxFileName = 255 - len("-journal")
)

// CreateFolder makes the folder of the database at path if it is missing, but
// not what is above it: a mistyped path must not leave a trail.
func CreateFolder(path string) error {
	if len(path) > maxPath || len(filepath.Base(path)) > maxFileName {
		return &Error{
			Op: "create database", Path: path, Code: CodeLongPath,
			Err: fmt.Errorf("the path has %d bytes and its last part %d, at most %d and %d are possible", len(path), len(filepath.Base(path)), maxPath, maxFileName),
		}
	}
	dir := filepath.Dir(path)
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = durable.SyncFolder(filepath.Dir(dir))
	}
	return storageError("create folder", dir, err)
}

// createFile makes an empty database file, readable by its owner alone, if
// there is none. SQLite gives the -wal and -shm files the same mode. In a folder
// named .huskies, which is part of a project, it hides the files from git, since
// they hold a private key.
func createFile(path string, log *slog.Logger) error {
	dir := filepath.Dir(path)
	if filepath.Base(dir) == locate.Folder {
		if err := hideFromGit(dir, filepath.Base(path), log); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), durable.SyncFolder(dir))
}

// maxGitIgnore bounds what is read of a .gitignore, in bytes.
const maxGitIgnore = 64 << 10

// hideFromGit writes a .gitignore for the database and its side files, before
// there are any. One that is there is the user's: it is left as it is, with a
// warning unless it plainly covers them.
func hideFromGit(dir, name string, log *slog.Logger) error {
	path := filepath.Join(dir, ".gitignore")
	text := "# The pipeline's database holds a private key.\n" + name + "*\n.gitignore\n"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		have, err := dbfile.ReadPlain(path, maxGitIgnore)
		var not *Error
		if errors.As(err, &not) { // it is not opened, so nobody knows what git reads there
			log.Warn("database holds a private key, and its .gitignore is not a regular file: see that git ignores the database", "path", path)
			return nil
		}
		plain := false
		for line := range strings.Lines(string(have)) {
			line = strings.TrimSpace(line)
			switch {
			case line == "*" || line == name+"*":
				plain = true
			case strings.HasPrefix(line, "!") && line != "!.gitignore": // it may take the database out again
				plain = false
			}
		}
		if plain {
			return err
		}
		log.Warn("database holds a private key: make git ignore it", "add", name+"*", "to", path)
		return err
	}
	if err != nil {
		return err
	}
	if _, err = f.WriteString(text); err == nil {
		err = f.Sync() // after a power loss the key must not be there without this file
	}
	return errors.Join(err, f.Close())
}

// syncFile makes what is in a file durable. SQLite is done with it.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// fileState is what a database file says of itself.
type fileState struct {
	application, version, tables int
	journal                      string             // the journal mode
	missing                      []string           // tables, if the schema is current
	foreign                      []object           // that huskies-mcp did not make
	identities                   []db.IdentitiesRow // read if keys have homes in the schema
}

// inspect looks at the file, in one read transaction, since another process may
// be making the schema meanwhile. It returns why the file is not for us, if it
// is not.
func (l *Log) inspect(ctx context.Context) (s fileState, err error) {
	if _, err := l.file.Conn.ExecContext(ctx, "BEGIN"); err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, l.rollback(ctx)) }()
	for _, look := range []struct {
		query string
		dst   any
	}{
		{"SELECT count(*) FROM sqlite_schema", &s.tables},
		{"PRAGMA application_id", &s.application},
		{"PRAGMA user_version", &s.version},
		{"PRAGMA journal_mode", &s.journal},
	} {
		if err := l.file.Conn.QueryRowContext(ctx, look.query).Scan(look.dst); err != nil {
			return s, err
		}
	}
	switch {
	case s.application != applicationID && (s.application != 0 || s.version != 0 || s.tables != 0):
		return s, l.refuseFile(CodeNotOurs, errors.New("it is an SQLite database of another program"))
	case s.application == applicationID && s.version <= 0: // both are set in one transaction
		return s, l.refuseFile(dbfile.CodeDamaged, fmt.Errorf("its schema has version %d, which does not exist", s.version))
	case s.version > newestSchema:
		return s, l.newerSchema(s.version)
	case s.version > 0:
		err = l.inspectObjects(ctx, &s)
	}
	return s, err
}

// The tables of which a person hears: TrustTable has the decisions whom to trust, RootsTable those by whom members are decided,
// LeasesTable how long claims last.
const (
	TrustTable  = "trust_decisions"
	RootsTable  = "roots"
	LeasesTable = "leases"
)

// The names of the other tables.
const (
	tableOps        = "crdt_ops"
	tableIdentities = "crdt_node_identity"
	tableRepairs    = "repairs"
)

// ownTables are all tables of the newest schema.
var ownTables = []string{tableOps, tableIdentities, TrustTable, tableRepairs, LeasesTable, RootsTable}

// inspectObjects looks what the database consists of. If all of that is ours, and current, it
// reads the keys.
func (l *Log) inspectObjects(ctx context.Context, s *fileState) error {
	objects, err := readObjects(ctx, l.file.Conn)
	if err == nil {
		s.foreign, err = foreignObjects(objects)
	}
	if err == nil && s.version == newestSchema {
		err = s.miss(objects)
	}
	if err == nil && s.version >= homesSchema && s.readable() && !slices.Contains(s.missing, tableIdentities) {
		s.identities, err = db.New(l.file.Conn).Identities(ctx)
	}
	return err
}

// miss notes what the current schema has and the file has not.
func (s *fileState) miss(objects []object) error {
	tables, indexes, err := missingObjects(objects)
	s.missing = tables
	for _, name := range indexes {
		s.foreign = append(s.foreign, object{kind: "missing index", name: name})
	}
	return err
}

// complete returns an error if tables are missing, or if something is in the file that is not ours.
func (l *Log) complete(s fileState) error {
	if err := l.foreignError(s); err != nil {
		return err
	}
	if len(s.missing) == 0 {
		return nil
	}
	return l.refuseFile(CodeTablesGone, fmt.Errorf("another program took out: table %s", strings.Join(s.missing, ", table ")))
}

func (l *Log) newerSchema(version int) error {
	return l.refuseFile(CodeNewer, fmt.Errorf("its schema has version %d, this build knows %d", version, newestSchema))
}

// migrate brings the schema from the given version up to date, and makes the
// replica's key with it if the file is new, all in one transaction.
func (l *Log) migrate(ctx context.Context, version int) error {
	return l.transaction(ctx, func() error { return l.runMigrations(ctx, version) })
}

// transaction commits what fn does, or leaves the file as it was.
func (l *Log) transaction(ctx context.Context, fn func() error) error {
	if _, err := l.file.Conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		_, err = l.file.Conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		_ = l.rollback(ctx) // harmless if the failed commit has ended the transaction
	}
	return err
}

func (l *Log) runMigrations(ctx context.Context, version int) error {
	for i, statements := range migrations.All()[version:] {
		if _, err := l.file.Conn.ExecContext(ctx, statements); err != nil {
			return fmt.Errorf("migration %d: %w", version+i+1, err)
		}
	}
	switch {
	case version == 0 && l.cfg.Legacy != nil:
		if err := l.enter(ctx, l.cfg.Legacy); err != nil {
			return err
		}
	case version == 0:
		key, err := l.firstIdentity(ctx)
		if err != nil {
			return err
		}
		l.cfg.Logger.Info("created replica identity", "author", crdt.AuthorOf(key).Short(), "path", l.file.Path)
	case version < homesSchema:
		// Where the key was until now nobody wrote down: it is here.
		here := db.SetHomesParams{Machine: l.cfg.Machine, Path: l.file.Path}
		if err := db.New(l.file.Conn).SetHomes(ctx, here); err != nil {
			return err
		}
	}
	if version > 0 && version < stateSchema {
		// Older processes cannot renew theirs from now on.
		until := l.cfg.Now().Add(migrationGrace).UnixMilli()
		if err := db.New(l.file.Conn).ExtendLeases(ctx, db.ExtendLeasesParams{Until: until, Now: l.cfg.Now().UnixMilli()}); err != nil {
			return err
		}
	}
	_, err := l.file.Conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, newestSchema))
	return err
}
