package oplog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"maps"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/db"
)

// checkState compares the state in the file with one that is made of the log. It does
// not look at a state that there is none of (format 0), that a build of another format
// wrote, or whose log is damaged: what was applied before a row rotted stays in the state.
func (v *verifier) checkState(ctx context.Context) {
	if v.damage || v.log.version < newestSchema {
		return
	}
	var s scratch
	defer func() { _ = s.close() }()
	err := s.openIn(ctx, v.log, onDisk)
	if err == nil {
		err = v.compareState(ctx, &s)
	}
	switch {
	case err == nil, errors.Is(err, errNewerOp), ctx.Err() != nil:
	case unreadable(err): // SQLite's check of the pages found nothing, so checkOpening says it
	default:
		v.found(Finding{Kind: FoundState, Problem: Problem{Code: ProblemStateUnread, Err: err}})
	}
}

// compareState compares both states in one transaction, so that they are of one moment.
func (v *verifier) compareState(ctx context.Context, s *scratch) error {
	if _, err := s.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	defer func() { _, _ = s.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") }()
	var format int64
	if err := s.conn.QueryRowContext(ctx, "SELECT format FROM file.state").Scan(&format); err != nil {
		return err
	}
	if format != stateFormat {
		return nil
	}
	if err := s.replay(ctx, v.log, db.New(s.st)); err != nil {
		return err
	}
	rebuilt := newStateSums()
	if err := dump(ctx, db.New(s.conn), rebuilt); err != nil {
		return err
	}
	if err := s.uncoverState(ctx); err != nil {
		return err
	}
	q := db.New(s.conn)
	row, err := q.GetState(ctx)
	if err != nil {
		return err
	}
	if ok, _ := fits(&row); !ok {
		v.found(Finding{Kind: FoundState, Problem: Problem{Code: ProblemStateOther}})
		return nil
	}
	kept := newStateSums()
	if err := dump(ctx, q, kept); err != nil {
		return err
	}
	for _, what := range kept.difference(rebuilt) {
		v.found(Finding{Kind: FoundState, Problem: Problem{Code: ProblemStateRows, Name: what}})
	}
	return nil
}

// uncoverState makes the names of the state's tables mean those of the file.
func (s *scratch) uncoverState(ctx context.Context) error {
	for _, table := range append(slices.Clone(stateTables), "state") {
		if _, err := s.conn.ExecContext(ctx, "DROP TABLE main."+table); err != nil {
			return err
		}
	}
	return nil
}

// stateSums takes in a dump and keeps a hash of the rows of each kind.
type stateSums struct {
	hashes map[string]hash.Hash
	line   []byte // what there is of a line
}

func newStateSums() *stateSums { return &stateSums{hashes: make(map[string]hash.Hash)} }

// Write is that of io.Writer.
func (s *stateSums) Write(p []byte) (int, error) {
	s.line = append(s.line, p...)
	for {
		end := bytes.IndexByte(s.line, '\n')
		if end < 0 {
			return len(p), nil
		}
		kind, _, _ := strings.Cut(string(s.line[:min(end, maxKind)]), " ")
		if s.hashes[kind] == nil {
			s.hashes[kind] = sha256.New()
		}
		_, _ = s.hashes[kind].Write(s.line[:end+1])
		s.line = append(s.line[:0], s.line[end+1:]...)
	}
}

// maxKind bounds the word with which a line of a dump begins.
const maxKind = 16

// difference returns the kinds of rows that are not the same in both dumps.
func (s *stateSums) difference(other *stateSums) (kinds []string) {
	sum := func(h hash.Hash) string {
		if h == nil {
			return ""
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	all := maps.Clone(s.hashes)
	maps.Copy(all, other.hashes)
	for kind := range all {
		if sum(s.hashes[kind]) != sum(other.hashes[kind]) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}
