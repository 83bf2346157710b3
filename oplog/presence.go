package oplog

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Presence tells whether the file that was opened is still the one at the log's
// path.
type Presence uint8

const (
	// Present: it is.
	Present Presence = iota
	// Removed: there is no file any more.
	Removed
	// Replaced: there is another one.
	Replaced
	// Turned: it is, but was a backup and is written to by now.
	Turned
)

// Presence looks at the path. What is written to a file that is not there any
// more is lost to everybody else. That a folder above was moved may be noticed only
// lookAgain later, unless LookAgain was called before.
func (l *Log) Presence() (p Presence) {
	l.watch.look(func() bool {
		there, err := os.Stat(l.cfg.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			p = Removed
		case err == nil && !os.SameFile(l.file, there):
			p = Replaced
		}
		return err == nil && p == Present
	})
	if p == Present && l.wal.optional {
		if _, err := os.Stat(l.wal.path); err == nil {
			return Turned
		}
	}
	return p
}

// LookAgain makes the next Presence look at the path in any case.
func (l *Log) LookAgain() { l.watch.forget() }
