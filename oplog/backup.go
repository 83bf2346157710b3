package oplog

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/migrations"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// BackupReport says what is in a backup.
type BackupReport struct {
	Ops int64
	// Damage is what is wrong in the copy, and so in the log: what a backup from before
	// may still have.
	Damage []Finding
	// Keys are those that BackupApart kept apart from the file, else nil.
	Keys *Keys
}

// Backup copies the log at cfg.Path, as it is at one moment, into the file at to,
// which is there and empty. Others go on writing meanwhile. Then it verifies the copy,
// since SQLite copies damaged rows as well as sound ones. Without withKey the replica's
// keys are left out: they never reach the file, nor its disk. When Backup returns nil
// the copy is durable; after an error the file holds anything, and its caller removes
// it. The error is ErrNoLog or ErrOutdated as that of [Open].
func Backup(ctx context.Context, cfg Config, to string, withKey bool) (BackupReport, error) {
	report, err := makeBackup(ctx, cfg, to, withKey)
	if err == nil && withKey {
		err = storageError("write backup", to, report.Keys.putInto(to))
	}
	report.Keys = nil
	return report, err
}

// BackupApart is Backup with the keys, but the file has a stand-in for each key, and the report's
// Keys put the keys in their places. So no file has the keys before all else is done.
func BackupApart(ctx context.Context, cfg Config, to string) (BackupReport, error) {
	return makeBackup(ctx, cfg, to, true)
}

// makeBackup is Backup, or with withKey BackupApart.
func makeBackup(ctx context.Context, cfg Config, to string, withKey bool) (report BackupReport, err error) {
	path, err := dbfile.Resolve(cfg.Path)
	if err != nil {
		return report, storageError("find database", cfg.Path, err)
	}
	if to, err = filepath.Abs(to); err != nil { // SQLite reads a URI
		return report, storageError("write backup", to, err)
	}
	cfg.ReadOnly = cfg.ReadOnly || dbfile.OnReadOnlyDisk(filepath.Dir(path))
	l := newLog(cfg, path)
	defer l.Close()
	if err := l.file.Connect(ctx, dbfile.Settings); err != nil {
		return report, l.failOpen(err)
	}
	state, err := l.inspect(ctx)
	if err == nil {
		err = l.foreignError(state)
	}
	switch {
	case err != nil:
		return report, l.failOpen(err)
	case state.version == 0:
		return report, ErrNoLog
	case state.version < newestSchema:
		return report, ErrOutdated
	}
	if err := createEmpty(ctx, to, newestSchema); err != nil {
		return report, storageError("write backup", to, err)
	}
	for _, table := range state.missing { // the copy has it, so nothing else would say so
		report.Damage = append(report.Damage, missingTable(table))
	}
	if withKey {
		report.Keys = &Keys{}
	}
	var stored map[int64][]byte
	if stored, err = l.copyTo(ctx, to, state.missing, withKey, &report); dbfile.Damaged(err) {
		err = l.fail("copy database", err) // not the new file is
	}
	if err == nil {
		err = report.verify(ctx, cfg, to)
	}
	if err == nil {
		err = storeKeys(ctx, to, stored)
	}
	if err == nil {
		err = syncFile(to)
	}
	if ctx.Err() != nil { // what the storage says of an interruption is of no use
		return report, ctx.Err()
	}
	return report, storageError("write backup", to, err)
}

// verify finds what is damaged in the copy.
func (r *BackupReport) verify(ctx context.Context, cfg Config, to string) error {
	_, err := Verify(ctx, Verification{
		Path: to, Logger: cfg.Logger,
		Check: func(*crdt.Op) error { return nil }, // that an op is refused damages nothing
		Found: func(f Finding) {
			if f.Damage() {
				r.Damage = append(r.Damage, f)
			}
		},
	})
	return err
}

// backupSettings make no second file. What a crash leaves of a backup is of no
// use anyhow.
const backupSettings = "_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_dqs=0"

// createEmpty makes the schema of a version in the file of a backup, without any row.
func createEmpty(ctx context.Context, to string, version int) error {
	backup, err := dbfile.Open(to, backupSettings)
	if err != nil {
		return err
	}
	statements := "BEGIN;" + strings.Join(migrations.All()[:version], "\n") +
		fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", applicationID, version)
	_, err = backup.ExecContext(ctx, statements)
	return errors.Join(err, backup.Close())
}

// copyTo copies every row of our tables but the missing ones, in one read transaction. Names
// that stand in the file never become part of a statement: somebody else may have made the
// file. Tables that both files make by the same statement SQLite copies page by page, indexes
// too, as VACUUM INTO does; but that would write the keys first, to be deleted afterwards. With
// withKey it returns what is to be stored in the place of each key.
func (l *Log) copyTo(ctx context.Context, to string, missing []string, withKey bool, report *BackupReport) (stored map[int64][]byte, err error) {
	if err := l.attach(ctx, to); err != nil {
		return nil, err
	}
	for _, table := range ownTables {
		if slices.Contains(missing, table) {
			continue
		}
		if err := l.copyTable(ctx, table, keylessColumns); err != nil {
			return nil, err
		}
	}
	if withKey && !slices.Contains(missing, tableIdentities) {
		if stored, err = l.readKeys(ctx, report); err != nil {
			return nil, err
		}
	}
	if err := l.file.Conn.QueryRowContext(ctx, "SELECT count(*) FROM backup.crdt_ops").Scan(&report.Ops); err != nil {
		return nil, err
	}
	_, err = l.file.Conn.ExecContext(ctx, "COMMIT; DETACH backup")
	return stored, err
}

// copyTable copies the rows of a table, of the identities these columns.
func (l *Log) copyTable(ctx context.Context, table, identityColumns string) error {
	columns := "*"
	if table == tableIdentities {
		columns = identityColumns
	}
	_, err := l.file.Conn.ExecContext(ctx, fmt.Sprintf(`INSERT INTO backup."%s" SELECT %s FROM main."%s"`, table, columns, table))
	return err
}

// keylessColumns are those of the identities, without the keys.
const keylessColumns = "id, NULL, author, created_at, machine, path"

// attach begins the transaction that fills the file of a backup.
func (l *Log) attach(ctx context.Context, to string) error {
	if _, err := l.file.Conn.ExecContext(ctx, "ATTACH ? AS backup", to); err != nil {
		return err
	}
	_, err := l.file.Conn.ExecContext(ctx, "PRAGMA backup.journal_mode = OFF; PRAGMA backup.synchronous = OFF; BEGIN")
	return err
}
