package oplog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// CopyReport says what is in a copy of a log.
type CopyReport struct {
	Ops int64
	// First is the op of the first row: all copies of one pipeline have the same. Last is the op
	// of the last row. Both are zero if there is no op.
	First, Last crdt.OpID
	// Stories is how many stories there are that are not deleted, -1 if nobody knows.
	Stories int64
}

// Copy copies the log at cfg.Path, as it is at one moment, into the file at to, which is there and
// empty. The keys are left out, as [Backup] leaves them out. Unlike Backup it copies a log of any
// older schema, too, and checks the copy only as far as SQLite does that quickly. When Copy returns
// nil the copy is durable. After an error the file holds anything, and the caller must remove it.
// The error is ErrNoLog if there is nothing to copy.
func Copy(ctx context.Context, cfg Config, to string) (report CopyReport, err error) {
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
	if err := l.file.Connect(ctx, dbfile.Settings); errors.Is(err, fs.ErrNotExist) {
		return report, ErrNoLog
	} else if err != nil {
		return report, l.failOpen(err)
	}
	state, err := l.inspect(ctx)
	if err == nil {
		err = l.complete(state)
	}
	switch {
	case err != nil:
		return report, l.failOpen(err)
	case state.version == 0:
		return report, ErrNoLog
	}
	err = createEmpty(ctx, to, max(state.version, homesSchema))
	if err == nil {
		if report, err = l.copyOlder(ctx, to, state.version); dbfile.Damaged(err) {
			err = l.fail("copy database", err) // not the new file is
		}
	}
	if err == nil {
		err = quickCheck(ctx, to)
	}
	if err == nil {
		err = syncFile(to)
	}
	if ctx.Err() != nil { // what the storage says of an interruption is of no use
		return report, ctx.Err()
	}
	return report, storageError("write backup", to, err)
}

// formerIdentities are the columns of the identities in the schemas before homes, without the key.
const formerIdentities = "id, NULL, author, created_at, '', ''"

// copyOlder copies every row of our tables in a schema of the given version, in one read
// transaction.
func (l *Log) copyOlder(ctx context.Context, to string, version int) (r CopyReport, err error) {
	if err := l.attach(ctx, to); err != nil {
		return r, err
	}
	columns := keylessColumns
	if version < homesSchema {
		columns = formerIdentities
	}
	for _, table := range tablesOfSchema(version) {
		if err := l.copyTable(ctx, table, columns); err != nil {
			return r, err
		}
	}
	if r, err = l.reportCopy(ctx, version); err != nil {
		return r, err
	}
	_, err = l.file.Conn.ExecContext(ctx, "COMMIT; DETACH backup")
	return r, err
}

// tablesOfSchema returns our tables in a schema of the given version.
func tablesOfSchema(version int) []string {
	tables := []string{tableOps, tableIdentities}
	if version >= trustSchema {
		tables = append(tables, TrustTable, tableRepairs)
	}
	if version >= leasesSchema {
		tables = append(tables, LeasesTable)
	}
	if version >= membersSchema {
		tables = append(tables, RootsTable)
	}
	return tables
}

// reportCopy says what the transaction has copied.
func (l *Log) reportCopy(ctx context.Context, version int) (r CopyReport, err error) {
	const ends = "SELECT count(*), (SELECT op_id FROM crdt_ops ORDER BY arrival LIMIT 1), (SELECT op_id FROM crdt_ops ORDER BY arrival DESC LIMIT 1) FROM crdt_ops"
	var first, last []byte
	if err := l.file.Conn.QueryRowContext(ctx, ends).Scan(&r.Ops, &first, &last); err != nil {
		return r, err
	}
	copy(r.First[:], first)
	copy(r.Last[:], last)
	r.Stories = -1
	if version < stateSchema {
		return r, nil
	}
	row, err := db.New(l.file.Conn).GetState(ctx)
	if err != nil {
		return r, err
	}
	if ok, _ := fits(&row); ok {
		err = l.file.Conn.QueryRowContext(ctx, "SELECT coalesce(sum(stories), 0) FROM counts").Scan(&r.Stories)
	}
	return r, err
}

// quickCheck has SQLite look at the pages of a copy.
func quickCheck(ctx context.Context, path string) error {
	copied, err := dbfile.Open(path, "mode=ro&_dqs=0")
	if err != nil {
		return err
	}
	var said string
	err = copied.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said)
	if err == nil && said != "ok" {
		err = fmt.Errorf("%w: %s", dbfile.ErrDamaged, said)
	}
	return errors.Join(err, copied.Close())
}

// OpIDs returns the IDs of all ops in the log at cfg.Path, of whatever schema. It makes no state.
func OpIDs(ctx context.Context, cfg Config) (map[crdt.OpID]bool, error) {
	cfg.ReadOnly = true
	l, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	rows, err := l.file.Conn.QueryContext(ctx, "SELECT op_id FROM crdt_ops")
	if err != nil {
		return nil, l.fail("read ops", err)
	}
	defer rows.Close()
	ids := make(map[crdt.OpID]bool)
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return nil, l.fail("read ops", err)
		}
		if len(id) == len(crdt.OpID{}) { // else the row is damaged
			ids[crdt.OpID(id)] = true
		}
	}
	return ids, l.fail("read ops", rows.Err())
}
