package oplog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// MendReport says what became of the rows of a log that was mended.
type MendReport struct {
	// Ops are in the copy. Of them, PutRight had a column that did not say what
	// the payload says, and Damaged are as they were, since the payload or the
	// signature is not sound: only the op itself mends them ([Tx.Repair]).
	Ops, PutRight, Damaged int64
	// Twice were held by another row too, Unreadable rows could not be read.
	Twice, Unreadable int64
	// Renumbered: rows have other numbers, since there were gaps between them.
	Renumbered bool
	// Missing tables are empty in the copy.
	Missing []string
}

// Mend copies the log at cfg.Path as [Backup] does, and puts right what the sound
// payloads vouch for: columns beside them, ops that two rows hold, gaps between the
// arrival numbers of ops and of what stands beside them, repairs of ops that are not
// here, tables that are missing. It goes on behind rows that cannot be read. Nothing
// in the log itself is changed.
func Mend(ctx context.Context, cfg Config, to string, withKey bool) (report MendReport, err error) {
	path, err := resolve(cfg.Path)
	if err != nil {
		return report, storageError("find database", cfg.Path, err)
	}
	if to, err = filepath.Abs(to); err != nil { // SQLite reads a URI
		return report, storageError("write backup", to, err)
	}
	if _, err := os.Stat(path); err != nil {
		return report, storageError("find database", path, err)
	}
	l := newLog(cfg, path)
	defer l.Close()
	if err := l.connect(ctx, verifySettings); err != nil {
		return report, l.fail("open database", err)
	}
	state, err := l.inspect(ctx)
	switch {
	case err != nil:
		return report, l.fail("open database", err)
	case state.version == 0:
		return report, ErrNoLog
	case state.version < newestSchema:
		return report, ErrOutdated
	}
	if slices.Contains(state.missing, tableOps) {
		return report, l.complete(state)
	}
	if err := createEmpty(ctx, to); err != nil {
		return report, storageError("write backup", to, err)
	}
	m := &mender{log: l, missing: state.missing, withKey: withKey}
	if err = m.run(ctx, to); err == nil {
		err = syncFile(to)
	}
	if ctx.Err() != nil { // what the storage says of an interruption is of no use
		return m.report, ctx.Err()
	}
	m.report.Missing = state.missing
	return m.report, storageError("write backup", to, err)
}

// mender is one run of Mend.
type mender struct {
	log     *Log
	missing []string
	withKey bool
	report  MendReport
	last    int64 // arrival number of the row before
}

// run copies the ops on two connections, since where a read fails on one SQLite writes
// nothing more on it, and then what stands beside them, on a third.
func (m *mender) run(ctx context.Context, to string) (err error) {
	out, err := openDatabase(to, backupSettings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	tx, err := out.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := m.copyOps(ctx, tx); err != nil {
		return err // the caller removes the file
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return m.copyBeside(ctx, to)
}

// copyBeside copies what stands beside the ops, with numbers that have no gaps.
func (m *mender) copyBeside(ctx context.Context, to string) error {
	l := newLog(m.log.cfg, m.log.path)
	defer l.Close()
	if err := l.connect(ctx, connectionSettings); err != nil {
		return err
	}
	if err := l.attach(ctx, to); err != nil {
		return err
	}
	identities := "*"
	if !m.withKey {
		identities = keylessColumns
	}
	for _, table := range []struct{ name, statement string }{
		{tableIdentities, "INSERT INTO backup.crdt_node_identity SELECT " + identities + " FROM main.crdt_node_identity"},
		{TrustTable, "INSERT INTO backup.trust_decisions (author, name, trusted, decided_at) SELECT author, name, trusted, decided_at FROM main.trust_decisions ORDER BY id"},
		{tableRepairs, "INSERT INTO backup.repairs (op_id, repaired_at) SELECT op_id, repaired_at FROM main.repairs " +
			"WHERE op_id IN (SELECT op_id FROM backup.crdt_ops) ORDER BY id"},
		{tableLeases, "INSERT INTO backup.leases SELECT * FROM main.leases"},
	} {
		if slices.Contains(m.missing, table.name) {
			continue
		}
		if _, err := l.conn.ExecContext(ctx, table.statement); err != nil {
			return fmt.Errorf("copy %s: %w", table.name, err)
		}
	}
	_, err := l.conn.ExecContext(ctx, "COMMIT; DETACH backup")
	return err
}

// copyOps copies the ops in order of arrival.
func (m *mender) copyOps(ctx context.Context, tx *sql.Tx) error {
	src := &rowSource{log: m.log, queries: db.New(m.log.conn)}
	if _, err := src.open(ctx); err != nil {
		return err
	}
	defer src.close()
	for first := int64(math.MinInt64); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := src.next(ctx, first)
		if err != nil {
			return err
		}
		if b == nil {
			return src.unchanged(ctx)
		}
		first = b.end
		b.verify(func(*crdt.Op) error { return nil })
		for i := range b.rows {
			if err := m.copyOp(ctx, src, tx, &b.rows[i]); err != nil {
				return err
			}
		}
	}
}

// copyOp copies one row. What is twice, or breaks a constraint of the table, is
// left out.
func (m *mender) copyOp(ctx context.Context, src *rowSource, tx *sql.Tx, r *storedRow) error {
	if r.err != nil {
		m.report.Unreadable += max(int64(len(r.ops)), 1)
		m.report.Renumbered = true
		return nil
	}
	receipt, err := src.queries.OpReceipt(context.WithoutCancel(ctx), r.arrival)
	if err != nil {
		return err
	}
	id, author, seq := r.id, r.author, r.seq
	sound := r.op != nil && r.signed
	if sound {
		id, author, seq = r.op.ID[:], r.op.Author[:], int64(r.op.Seq)
	}
	res, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO crdt_ops (op_id, author, seq, payload, signature, received_at) VALUES (?, ?, ?, ?, ?, ?)",
		id, author, seq, r.payload, r.signature, receipt.ReceivedAt)
	if err != nil {
		return err
	}
	added, err := res.RowsAffected()
	m.report.Renumbered = m.report.Renumbered || r.arrival != m.last+1
	m.last = r.arrival
	switch {
	case added == 0:
		m.report.Twice++
	case !sound:
		m.report.Damaged++
	case len(r.found) > 0:
		m.report.PutRight++
	}
	m.report.Ops += added
	return err
}
