package oplog

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// Salvage calls fn with each op of a log that may be damaged, in order of arrival: every op that can
// be read and that its author signed. An op that stands in several rows comes several times. Salvage
// goes on behind rows that cannot be read, also those behind the end of a file that was cut. It passes
// over what somebody else put into the file, if our own tables are as we made them. Skipped hears of
// each run of rows that is left out. The file is opened for looking only. Salvage returns how many ops
// there were.
//
// The error names the log if no op can be read, unless the log is sound and has none.
func Salvage(ctx context.Context, cfg Config, fn func(crdt.SignedOp) error, skipped func(Finding)) (ops int, err error) {
	defer func() { err = unsalvageable(err) }()
	l, state, err := openDamaged(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }() // nothing was written
	if slices.Contains(state.missing, tableOps) {
		return 0, l.complete(state)
	}
	rows := 0
	err = l.readDamaged(ctx, func(r *storedRow) error {
		rows++
		switch {
		case r.err != nil:
			skipped(r.unreadable())
		case r.op == nil || !r.signed:
			skipped(r.found[0])
		default:
			ops++
			return fn(crdt.SignedOp{ID: r.op.ID, Payload: r.payload, Signature: crdt.Signature(r.signature)})
		}
		return nil
	})
	if err == nil && ops == 0 && rows > 0 {
		err = &Error{Op: "read ops", Path: l.cfg.Path, Code: CodeUnsalvageable, Err: errors.New("not one can be read")}
	}
	return ops, err
}

// openDamaged opens a log that may be damaged, for looking only, and takes what can be read of it. It
// refuses files in which our own tables are not as we made them.
func openDamaged(ctx context.Context, cfg Config) (_ *Log, state fileState, err error) {
	path, err := dbfile.Resolve(cfg.Path)
	if err != nil {
		return nil, state, storageError("find database", cfg.Path, err)
	}
	if err := dbfile.CheckPlain(path); err != nil {
		return nil, state, err
	}
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, state, ErrNoLog
	}
	cfg.ReadOnly = true // a damaged write-ahead log is kept, too
	l := newLog(cfg, path)
	defer func() {
		if err != nil {
			_ = l.Close() // nothing was written
		}
	}()
	if err := l.file.Connect(ctx, verifySettings); err != nil {
		return nil, state, l.failOpen(err)
	}
	state, err = l.inspect(ctx)
	switch {
	case err != nil && (state.version == 0 || !unreadable(err)):
		return nil, state, l.failOpen(err)
	case state.version == 0:
		return nil, state, ErrNoLog
	case !state.readable():
		return nil, state, l.foreignError(state)
	}
	l.version, l.file.Journal, l.queries = state.version, state.journal, db.New(l.file.Conn)
	return l, state, nil
}

// readDamaged calls fn with each row of the log, verified by itself, and with each run of rows that
// cannot be read.
func (l *Log) readDamaged(ctx context.Context, fn func(*storedRow) error) error {
	src := &rowSource{log: l, queries: l.queries}
	if _, err := src.open(ctx); err != nil {
		return l.fail("read ops", err)
	}
	defer src.close()
	for first := int64(math.MinInt64); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := src.next(ctx, first)
		if err != nil {
			return l.fail("read ops", err)
		}
		if b == nil {
			return l.fail("read ops", src.unchanged(ctx))
		}
		first = b.end
		b.verify(func(*crdt.Op) error { return nil })
		for i := range b.rows {
			if err := fn(&b.rows[i]); err != nil {
				return err
			}
		}
	}
}

// unsalvageable says of a file that is too damaged that it cannot be salvaged.
func unsalvageable(err error) error {
	var e *Error
	if !errors.As(err, &e) || !e.Damaged() {
		return err
	}
	last := *e
	last.Code = CodeUnsalvageable
	return &last
}
