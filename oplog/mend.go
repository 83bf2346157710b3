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
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// MendReport says what became of the rows of a log that was mended.
type MendReport struct {
	// Ops are in the copy. Of them, PutRight had a column that did not say what
	// the payload says, and Damaged are as they were, since the payload or the
	// signature is not sound: only the op itself mends them ([Tx.Repair]).
	Ops, PutRight, Damaged int64
	// Twice were held by another row too, Unreadable rows could not be read.
	Twice, Unreadable int64
	// Uncounted: there may be more rows that could not be read, behind all that are here.
	Uncounted bool
	// Waiting ops are in the copy and not applied: what they build on is not.
	Waiting int64
	// Renumbered: rows have other numbers, since there were gaps between them.
	Renumbered bool
	// Missing tables are empty in the copy, tables that are Cut have the rows that can
	// be read.
	Missing, Cut []string
	// KeysLost: of the replica's keys nothing can be read, and the copy gets a fresh one.
	KeysLost bool
	// Keys are those that MendApart kept apart from the file, else nil.
	Keys *Keys
}

// Mend copies the log at cfg.Path as [Backup] does, and puts right what the sound
// payloads vouch for: columns beside them, ops that two rows hold, gaps between the
// arrival numbers of ops and of what stands beside them, repairs of ops that are not
// here, tables that are missing. It goes on behind rows that cannot be read, also those
// behind the end of a file that was cut. Nothing in the log itself is changed.
//
// A copy must be of use: the error names the log if no op can be read, or if the keys
// were asked for and are not sound.
func Mend(ctx context.Context, cfg Config, to string, withKey bool) (MendReport, error) {
	report, err := makeMended(ctx, cfg, to, withKey)
	if err == nil && withKey {
		err = storageError("write backup", to, report.Keys.putInto(to))
	}
	report.Keys = nil
	return report, err
}

// MendApart is Mend with the keys, which it keeps apart from the file as [BackupApart] does.
func MendApart(ctx context.Context, cfg Config, to string) (MendReport, error) {
	return makeMended(ctx, cfg, to, true)
}

// makeMended is Mend, or with withKey MendApart.
func makeMended(ctx context.Context, cfg Config, to string, withKey bool) (report MendReport, err error) {
	path, err := dbfile.Resolve(cfg.Path)
	if err != nil {
		return report, storageError("find database", cfg.Path, err)
	}
	if to, err = filepath.Abs(to); err != nil { // SQLite reads a URI
		return report, storageError("write backup", to, err)
	}
	if _, err := os.Stat(path); err != nil {
		return report, storageError("find database", path, err)
	}
	cfg.ReadOnly = true // a damaged write-ahead log is kept, too
	l := newLog(cfg, path)
	defer l.Close()
	defer func() { err = unmendable(err) }()
	if err := l.file.Connect(ctx, verifySettings); err != nil {
		return report, l.failOpen(err)
	}
	state, err := l.inspect(ctx)
	switch {
	case err != nil && (state.version == 0 || !unreadable(err)):
		return report, l.failOpen(err)
	case state.version == 0:
		return report, ErrNoLog
	case state.version < newestSchema:
		return report, ErrOutdated
	}
	if !state.readable() {
		return report, l.foreignError(state)
	}
	if slices.Contains(state.missing, tableOps) {
		return report, l.complete(state)
	}
	if err := createEmpty(ctx, to); err != nil {
		return report, storageError("write backup", to, err)
	}
	l.version, l.file.Journal = state.version, state.journal
	m := &mender{log: l, withKey: withKey, ops: newMendedOps()}
	m.report.Missing = state.missing
	if withKey {
		m.report.Keys = &Keys{}
	}
	if err = m.run(ctx, to); err == nil {
		err = syncFile(to)
	}
	if ctx.Err() != nil { // what the storage says of an interruption is of no use
		return m.report, ctx.Err()
	}
	return m.report, storageError("write backup", to, err)
}

// remedyUnmendable is what to do about a file of which no mended copy can be made.
const remedyUnmendable = "keep a copy of the database with its -wal file, check the disk, and restore a backup; " +
	"if there is none, move the database away and import a bundle of all ops from another replica into a new one"

// unmendable says of a file that is too damaged what to do but to mend it.
func unmendable(err error) error {
	var e *Error
	if !errors.As(err, &e) || !e.Damaged() {
		return err
	}
	last := *e
	last.Next = remedyUnmendable
	return &last
}

// mender is one run of Mend.
type mender struct {
	log     *Log
	withKey bool
	tx      *sql.Tx // fills the copy
	ops     *mendedOps
	report  MendReport
	// last is the arrival number of the row before, received when it was added.
	last, received int64
}

// run reads on one connection and writes on another, since where a read fails on one
// SQLite writes nothing more on it.
func (m *mender) run(ctx context.Context, to string) (err error) {
	out, err := dbfile.Open(to, backupSettings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if m.tx, err = out.BeginTx(ctx, nil); err != nil {
		return err
	}
	for _, copyPart := range []func(context.Context) error{m.copyIdentities, m.copyOps, m.copyBeside} {
		if err := copyPart(ctx); err != nil {
			return err // the caller removes the file
		}
	}
	return m.tx.Commit()
}

// copyOps copies the ops in order of arrival.
func (m *mender) copyOps(ctx context.Context) error {
	src := &rowSource{log: m.log, queries: db.New(m.log.file.Conn)}
	if _, err := src.open(ctx); err != nil {
		return m.log.fail("read ops", err)
	}
	defer src.close()
	for first := int64(math.MinInt64); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := src.next(ctx, first)
		if err != nil {
			return m.log.fail("read ops", err)
		}
		if b == nil && m.report.Ops == 0 && (m.report.Unreadable > 0 || m.report.Uncounted) {
			return &Error{Op: "read ops", Path: m.log.cfg.Path, Err: errors.New("not one can be read"), Next: remedyUnmendable}
		}
		if b == nil {
			m.report.Waiting = m.ops.waiting
			return m.log.fail("read ops", src.unchanged(ctx))
		}
		first = b.end
		b.verify(func(*crdt.Op) error { return nil })
		for i := range b.rows {
			if err := m.copyOp(ctx, &b.rows[i]); err != nil {
				return err
			}
		}
	}
}

// copyOp copies one row. What is twice is left out, and a row of which so much is lost
// that it says no more than one that cannot be read.
func (m *mender) copyOp(ctx context.Context, r *storedRow) error {
	if r.err != nil {
		m.leaveOut(r)
		return nil
	}
	id, author, seq := r.id, r.author, r.seq
	sound := r.op != nil && r.signed
	if sound {
		id, author, seq = r.op.ID[:], r.op.Author[:], int64(r.op.Seq)
	}
	if err := m.readReceived(ctx, r.arrival); err != nil {
		return err
	}
	added, err := m.put(ctx, tableOps, "op_id, author, seq, payload, signature, received_at", id, author, seq, r.payload, r.signature, m.received)
	if err != nil {
		return err
	}
	m.report.Renumbered = m.report.Renumbered || r.arrival != m.last+1
	m.last = r.arrival
	switch {
	case !added && sound:
		m.report.Twice++
	case !added:
		m.report.Unreadable++
	case !sound:
		m.report.Damaged++
	case len(r.found) > 0:
		m.report.PutRight++
	}
	if added {
		m.report.Ops++
	}
	switch stored, _ := seq.(int64); {
	case added && r.op != nil:
		m.ops.add(r.op)
	case added:
		m.ops.addDamaged(crdt.OpID(id), uint64(stored))
	}
	return nil
}

// leaveOut counts rows that cannot be read, by what the index knows of them, or by their
// numbers.
func (m *mender) leaveOut(r *storedRow) {
	m.report.Renumbered = true
	switch {
	case len(r.ops) > 0:
		m.report.Unreadable += int64(len(r.ops))
	case r.last == maxArrival:
		m.report.Uncounted = true
	default:
		m.report.Unreadable += max(r.last-r.arrival+1, 1)
	}
}

// readReceived reads when a row was added. Where that is damaged it is as of the row
// before, which came no later.
func (m *mender) readReceived(ctx context.Context, arrival int64) error {
	var received any
	err := m.log.file.Conn.QueryRowContext(context.WithoutCancel(ctx), "SELECT received_at FROM main.crdt_ops WHERE arrival = ?", arrival).Scan(&received)
	if err != nil && !errors.Is(err, sql.ErrNoRows) && !unreadable(err) {
		return m.log.fail("read ops", err)
	}
	if at, ok := received.(int64); ok {
		m.received = at
	}
	return nil
}

// put adds a row to the copy, unless it breaks a constraint of the table.
func (m *mender) put(ctx context.Context, table, columns string, row ...any) (added bool, err error) {
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(row)), ", ")
	_, err = m.tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO "%s" (%s) VALUES (%s)`, table, columns, marks), row...)
	var se *sqlite.Error
	if errors.As(err, &se) && se.Code()&0xff == sqlite3.SQLITE_CONSTRAINT {
		return false, nil
	}
	return err == nil, err
}
