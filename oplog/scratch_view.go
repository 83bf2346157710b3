package oplog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/migrations"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// view calls fn with a snapshot of a state that is made from the log if there is none
// yet, or the log has moved on.
func (s *scratch) view(ctx context.Context, l *Log, fn func(*Snapshot) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	if s.st == nil {
		if err := s.open(ctx, l); err != nil {
			_ = s.closeLocked()
			return l.fail("open database", err)
		}
	}
	err := l.viewBy(ctx, s.st, func(snap *Snapshot) error {
		if id, err := idInMemory(ctx, snap.q, snap.row.OpID); err != nil || id != snap.row.StateID {
			return errors.Join(err, errStale)
		}
		return fn(snap)
	})
	if !errors.Is(err, errStale) {
		return err
	}
	var answer error
	err = s.rebuildThen(ctx, l, func() error {
		answer = l.viewWithin(ctx, s.st, fn)
		return nil // the state is good, whatever fn says
	})
	if err != nil {
		_ = s.closeLocked()
		return l.fail("read ops", err)
	}
	return answer
}

// open makes the tables in memory and attaches the file.
func (s *scratch) open(ctx context.Context, l *Log) error { return s.openIn(ctx, l, inMemory) }

// openIn makes the tables and attaches the file.
func (s *scratch) openIn(ctx context.Context, l *Log, where string) (err error) {
	if s.db, err = dbfile.OpenTemporary(where); err != nil {
		return err
	}
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return err
	}
	s.st = dbfile.NewStatements(s.conn)
	if _, err := s.conn.ExecContext(ctx, strings.Join(migrations.All(), "\n")); err != nil {
		return err
	}
	mode := "mode=ro"
	if l.file.Immutable() {
		mode += dbfile.Immutable
	}
	if _, err := s.conn.ExecContext(ctx, "ATTACH ? AS file", dbfile.URL(l.file.Path, mode)); err != nil {
		return err
	}
	return s.uncover(ctx, l.version)
}

// logTables are the tables that are not derived from ops, with the version of the
// schema in which each came to be as it is.
var logTables = []struct {
	name  string
	since int
}{
	{tableOps, 1},
	{TrustTable, 2},
	{tableRepairs, 2},
	{tableIdentities, homesSchema},
	{LeasesTable, 4},
	{RootsTable, membersSchema},
	{"hub", hubSchema},
	{"hub_outbox", hubSchema},
	{"hub_marks", hubSchema},
	{"hub_skipped", hubSchema},
}

// uncover makes the names of the log's tables mean those of the file, where it has
// them.
func (s *scratch) uncover(ctx context.Context, version int) error {
	for _, table := range logTables {
		if version >= table.since {
			if _, err := s.conn.ExecContext(ctx, fmt.Sprintf("DROP TABLE main.%s", table.name)); err != nil {
				return err
			}
		}
	}
	if version >= homesSchema {
		return nil
	}
	_, err := s.conn.ExecContext(ctx, `INSERT INTO main.crdt_node_identity (id, seed, author, created_at, machine, path)
		SELECT id, NULL, author, created_at, '', '' FROM file.crdt_node_identity`)
	return err
}

// rebuildThen makes the state anew and calls fn in the same transaction, since others may write to
// the log at any time.
func (s *scratch) rebuildThen(ctx context.Context, l *Log, fn func() error) error {
	if _, err := s.st.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed { // fn may have panicked
			_, _ = s.st.ExecContext(ctx, "ROLLBACK")
		}
	}()
	err := s.replay(ctx, l, db.New(s.st))
	if err == nil {
		err = fn()
	}
	if err == nil {
		_, err = s.st.ExecContext(ctx, "COMMIT")
		committed = err == nil
	}
	return err
}

// replay makes the state anew within a transaction.
func (s *scratch) replay(ctx context.Context, l *Log, q *db.Queries) error {
	trust, err := replayTrust(ctx, q)
	if err != nil {
		return err
	}
	r, err := replayLog(ctx, q, trust, l.cfg.Progress)
	if err != nil {
		return err
	}
	id, err := idInMemory(ctx, q, r.last[:])
	if err != nil {
		return err
	}
	return rebuild(ctx, q, s.st, r, trust, id)
}

// idInMemory returns the ID of a state that is made in memory up to an op. It is another one when anything but an op
// may have changed the state. The numbers of decisions and repairs tell, since only a restore takes any away.
func idInMemory(ctx context.Context, q *db.Queries, last []byte) (int64, error) {
	row, err := q.GetState(ctx)
	if err != nil {
		return 0, err
	}
	repairs, err := q.Repairs(ctx)
	if err != nil {
		return 0, err
	}
	first, err := q.FirstOp(ctx)
	if none(err) != nil {
		return 0, err
	}
	root, err := readRoot(ctx, q)
	id := uint32(row.LastDecision) + uint32(len(repairs))
	if len(first) >= 4 { // another pipeline may have been copied into the file
		id ^= binary.BigEndian.Uint32(first)
	}
	if root != (crdt.Author{}) && len(last) >= 4 { // any op may change whose ops count
		id ^= binary.BigEndian.Uint32(last)
	}
	return int64(id), err
}
