package oplog

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
)

// copyIdentities copies the replica's keys, or without them who they signed as. With a
// key that is not sound the copy could not be opened. Without any row it could not
// either: one that names nobody makes it a backup without a key, which gets a fresh one.
func (m *mender) copyIdentities(ctx context.Context) error {
	columns := "id, seed, author, created_at, machine, path"
	rows, err := m.readBeside(ctx, tableIdentities, columns)
	if err != nil {
		return err
	}
	var damage error
	kept := 0
	for _, row := range rows {
		if damage == nil {
			damage = soundKey(row)
		}
		seed, _ := row[1].([]byte)
		row[1] = nil
		if m.withKey && len(seed) == ed25519.SeedSize {
			row[1] = m.report.Keys.add(seed)
		}
		added, err := m.putBeside(ctx, tableIdentities, columns, row...)
		if err != nil {
			return err
		}
		if added {
			kept++
		}
	}
	switch {
	case slices.Contains(m.report.Missing, tableIdentities), slices.Contains(m.report.Cut, tableIdentities):
		damage = errors.New("the table of the keys cannot be read")
	case kept == 0:
		damage = errNoKey
	}
	if m.withKey && damage != nil {
		return &Error{
			Op: "read the keys", Path: m.log.cfg.Path, Err: fmt.Errorf("this replica's identity is damaged: %w", damage),
			Next: "restore a backup; if there is none, repeat the command without --with-key: that copy has the ops, and signs with a fresh key",
		}
	}
	if kept > 0 {
		return nil
	}
	m.report.KeysLost = true
	_, err = m.putBeside(ctx, tableIdentities, "author, created_at, machine, path", []byte{}, 0, "", "")
	return err
}

// soundKey returns what is damaged of a key, if the row has one.
func soundKey(row []any) error {
	if row[1] == nil {
		return nil
	}
	seed, _ := row[1].([]byte)
	author, _ := row[2].([]byte)
	_, err := keyOf(seed, author)
	return err
}

// copyBeside copies what else stands beside the ops, with numbers that have no gaps.
func (m *mender) copyBeside(ctx context.Context) error {
	for _, table := range []struct{ name, columns string }{
		{TrustTable, "author, name, trusted, decided_at"},
		{tableRepairs, "op_id, repaired_at"},
		{LeasesTable, "claim, session, seconds, expires_at"},
	} {
		rows, err := m.readBeside(ctx, table.name, table.columns)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if table.name == tableRepairs && !m.ops.have(row[0]) {
				continue
			}
			if _, err := m.putBeside(ctx, table.name, table.columns, row...); err != nil {
				return err
			}
		}
	}
	return nil
}

// readBeside returns the rows of a table as far as they can be read.
func (m *mender) readBeside(ctx context.Context, table, columns string) (all [][]any, err error) {
	if slices.Contains(m.report.Missing, table) {
		return nil, nil
	}
	defer func() {
		if unreadable(err) {
			m.cut(table)
			err = nil
		}
		err = m.log.fail("read table "+table, err)
	}()
	rows, err := m.log.file.Conn.QueryContext(context.WithoutCancel(ctx), fmt.Sprintf(`SELECT %s FROM main."%s" ORDER BY rowid`, columns, table))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, dst := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			dst[i] = &row[i]
		}
		if err := rows.Scan(dst...); err != nil {
			return all, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// putBeside adds a row to a table of the copy. One that breaks a constraint is damaged.
func (m *mender) putBeside(ctx context.Context, table, columns string, row ...any) (added bool, err error) {
	added, err = m.put(ctx, table, columns, row...)
	if err == nil && !added {
		m.cut(table)
	}
	return added, err
}

// cut notes that the copy does not have all rows of a table.
func (m *mender) cut(table string) {
	if !slices.Contains(m.report.Cut, table) {
		m.report.Cut = append(m.report.Cut, table)
	}
}
