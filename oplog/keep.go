package oplog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/huskies/huskies-mcp/internal/durable"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// keepLost makes a copy of the database beside it, if a rebuild is about to lose edits: those of
// rows that have been damaged since their ops were applied, of which the state is the only trace.
// The caller is in a transaction, and the copy is of what was committed before.
func (l *Log) keepLost(ctx context.Context, r *replay) error {
	state, err := l.queries.GetState(ctx)
	if err != nil || state.Format == 0 {
		return err // there is no state yet
	}
	lost, err := l.lostBy(ctx, r)
	if err != nil || len(lost) == 0 {
		return err
	}
	path, err := l.copyBeside(ctx)
	if err != nil {
		return fmt.Errorf("keep a copy of what the rebuild loses: %w", err)
	}
	l.cfg.Logger.Error("rows were damaged since their ops were applied, and the rebuild loses their edits: import a bundle that has the ops; a copy of the database keeps what was there",
		"copy", path, "ops", strings.Join(lost[:min(len(lost), maxNamedLost)], " "), "count", len(lost))
	return nil
}

// lostBy returns the IDs of ops whose edits are in the state, and whose rows are damaged.
func (l *Log) lostBy(ctx context.Context, r *replay) (lost []string, err error) {
	damaged := make(map[int64][]byte)
	for arrival, e := range r.exceptions {
		if kind := Kind(e.Kind); kind == Damaged || kind == Assumed {
			damaged[arrival] = e.OpID
		}
	}
	if len(damaged) == 0 {
		return nil, nil
	}
	applied, err := l.queries.AppliedArrivals(ctx)
	for _, arrival := range applied {
		if id, is := damaged[arrival]; is {
			lost = append(lost, fmt.Sprintf("%x", id))
		}
	}
	return lost, err
}

// maxNamedLost bounds the ops that one line of the log names.
const maxNamedLost = 20

// copyBeside copies the database as it was committed last into a new file beside it, keys included,
// readable by its owner alone. The name begins as the database's, so that git ignores the copy too.
func (l *Log) copyBeside(ctx context.Context) (path string, err error) {
	path = l.file.Path + ".before-rebuild-" + l.cfg.Now().UTC().Format("20060102T150405.000")
	f, err := dbfile.OpenPlain(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return path, nil // made by a rebuild that failed in this very moment
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return "", err
	}
	db, err := dbfile.Open(l.file.Path, dbfile.Settings)
	if err != nil {
		return "", err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	if err = errors.Join(err, db.Close()); err == nil {
		err = errors.Join(syncFile(path), durable.SyncFolder(filepath.Dir(path)))
	}
	if err != nil {
		_ = os.Remove(path)
	}
	return path, err
}
