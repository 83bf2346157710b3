package oplog

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
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

// Presence looks at the path: one stat(2). What is written to a file that is not there
// any more is lost to everybody else.
func (l *Log) Presence() Presence {
	there, err := os.Stat(l.cfg.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return Removed
	case err == nil && !os.SameFile(l.file, there):
		return Replaced
	}
	if l.journal != dbfile.WALMode {
		if _, err := os.Stat(l.path + "-wal"); err == nil {
			return Turned
		}
	}
	return Present
}
