package oplog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// Legacy is what a database has that no bundle has, for the database that takes its place: the
// replica's keys with their homes, the decisions whom to trust, the leases, and the rows of damaged
// ops. The file may be damaged, and somebody else may have made it: its keys are believed because a
// person named the file.
type Legacy struct {
	// Lost are tables of which rows are missing or cannot be read.
	Lost []string

	rows    map[string][][]any // by table
	damaged []storedRow
	entered bool // into a new database
}

// legacyTables are the tables of which a Legacy has the rows. No value is read further than any value
// of ours goes.
var legacyTables = []struct{ name, columns, read string }{
	{tableIdentities, "id, seed, author, created_at, machine, path", "id, substr(seed, 1, 64), substr(author, 1, 64), created_at, substr(machine, 1, 256), substr(path, 1, 4096)"},
	{TrustTable, "author, name, trusted, decided_at", "substr(author, 1, 64), substr(name, 1, 256), trusted, decided_at"},
	{LeasesTable, "claim, session, seconds, expires_at", "substr(claim, 1, 64), substr(session, 1, 256), seconds, expires_at"},
}

const (
	// maxLegacyRows bounds the rows of each table: more decisions, or claims that last, than people
	// and agents of one project ever make.
	maxLegacyRows = 100_000
	// maxLegacyBytes bounds the damaged rows, which are in memory at once.
	maxLegacyBytes = 64 << 20
)

// ReadLegacy reads what the database at cfg.Path has that no bundle has. It opens the file for
// looking only. A key that is damaged is an error: a fresh one must not stand in for it unasked.
func ReadLegacy(ctx context.Context, cfg Config) (*Legacy, error) {
	if err := dbfile.CheckPlain(cfg.Path); err != nil { // keys are taken from no link
		return nil, err
	}
	l, state, err := openDamaged(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }() // nothing was written
	if state.version < newestSchema {
		return nil, ErrOutdated
	}
	from := &Legacy{rows: make(map[string][][]any)}
	for _, table := range legacyTables {
		if slices.Contains(state.missing, table.name) {
			from.lose(table.name)
			continue
		}
		if err := from.readTable(ctx, l, table.name, table.read); err != nil {
			return nil, err
		}
	}
	if err := from.soundKeys(); err != nil {
		return nil, &Error{Op: "read the keys", Path: cfg.Path, Code: CodeKeysLost, Err: fmt.Errorf("this replica's identity is damaged: %w", err)}
	}
	if slices.Contains(state.missing, tableOps) {
		return from, nil
	}
	return from, from.readDamaged(ctx, l)
}

// readTable reads the rows of a table as far as they can be read.
func (f *Legacy) readTable(ctx context.Context, l *Log, table, columns string) (err error) {
	defer func() {
		if unreadable(err) {
			f.lose(table)
			err = nil
		}
		err = l.fail("read table "+table, err)
	}()
	rows, err := l.file.Conn.QueryContext(context.WithoutCancel(ctx), fmt.Sprintf(`SELECT %s FROM main."%s" ORDER BY rowid LIMIT %d`, columns, table, maxLegacyRows))
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		row, dst := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			dst[i] = &row[i]
		}
		if err := rows.Scan(dst...); err != nil {
			return err
		}
		f.rows[table] = append(f.rows[table], row)
	}
	return rows.Err()
}

func (f *Legacy) lose(table string) {
	if !slices.Contains(f.Lost, table) {
		f.Lost = append(f.Lost, table)
	}
}

// soundKeys returns what is damaged of the keys.
func (f *Legacy) soundKeys() error {
	rows := f.rows[tableIdentities]
	switch {
	case slices.Contains(f.Lost, tableIdentities):
		return errors.New("the table of the keys cannot be read")
	case len(rows) == 0:
		return errNoKey
	}
	for _, row := range rows {
		if row[1] == nil { // a backup left it out
			continue
		}
		seed, _ := row[1].([]byte)
		author, _ := row[2].([]byte)
		if _, err := keyOf(seed, author); err != nil {
			return err
		}
	}
	return nil
}

// readDamaged reads the rows that hold no op which its author signed. What builds on them would wait
// for ever without them, see docs/decisions/0001-damaged-rows.md.
func (f *Legacy) readDamaged(ctx context.Context, l *Log) error {
	size := 0
	return l.readDamaged(ctx, func(r *storedRow) error {
		seq, ok := r.seq.(int64)
		whole := r.err == nil && ok && seq >= 1 && len(r.id) == len(crdt.OpID{}) && len(r.author) == len(crdt.Author{}) && len(r.signature) == len(crdt.Signature{})
		newer := len(r.found) > 0 && r.found[0].Kind == FoundVersion // a newer build may salvage it
		if !whole || newer || r.op != nil && r.signed {
			return nil
		}
		if size += len(r.payload); size <= maxLegacyBytes {
			f.damaged = append(f.damaged, *r)
		}
		return nil
	})
}

// Entered reports whether [Create] made a new database with the legacy.
func (f *Legacy) Entered() bool { return f.entered }

// enter puts the rows of the legacy into the database, which is new. Those that break a constraint
// are damaged.
func (l *Log) enter(ctx context.Context, from *Legacy) error {
	for _, table := range legacyTables {
		for _, row := range from.rows[table.name] {
			marks := strings.TrimSuffix(strings.Repeat("?, ", len(row)), ", ")
			_, err := l.file.Conn.ExecContext(ctx, fmt.Sprintf(`INSERT INTO "%s" (%s) VALUES (%s)`, table.name, table.columns, marks), row...)
			var se *sqlite.Error
			switch {
			case errors.As(err, &se) && se.Code()&0xff == sqlite3.SQLITE_CONSTRAINT && table.name != tableIdentities:
				from.lose(table.name)
			case err != nil:
				return err
			}
		}
	}
	from.entered = true
	return nil
}

// AppendDamaged adds the damaged rows of the legacy as they stand there, but for those of ops that
// are here, so that what builds on them goes on. It returns how many it added. The state is rebuilt
// when the transaction ends.
func (tx *Tx) AppendDamaged(from *Legacy) (added int, err error) {
	slices.SortStableFunc(from.damaged, func(a, b storedRow) int { return cmp.Compare(a.seq.(int64), b.seq.(int64)) })
	seen := make(map[crdt.OpID]bool)
	for i := range from.damaged {
		r := &from.damaged[i]
		id := crdt.OpID(r.id)
		found, err := findOp(tx.ctx, tx.log.queries, id)
		if err != nil {
			return added, tx.log.fail("read op", err)
		}
		if found != nil || seen[id] {
			continue
		}
		seen[id] = true
		_, err = tx.log.queries.AppendOp(tx.ctx, db.AppendOpParams{
			OpID: r.id, Author: r.author, Seq: r.seq.(int64), Payload: r.payload, Signature: r.signature, ReceivedAt: tx.log.cfg.Now().UnixMilli(),
		})
		if err != nil {
			return added, tx.log.fail("append op "+id.Short(), err)
		}
		tx.wrote, tx.rebuild = true, true
		added++
	}
	return added, nil
}
