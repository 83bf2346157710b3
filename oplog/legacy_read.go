package oplog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

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
			f.damaged = append(f.damaged, db.AppendOpParams{OpID: r.id, Author: r.author, Seq: seq, Payload: r.payload, Signature: r.signature})
		}
		return nil
	})
}
