package dbfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Presence tells whether the file that was opened is still the one at its
// path.
type Presence uint8

const (
	// Present says that it is.
	Present Presence = iota
	// Removed says that there is no file any more.
	Removed
	// Replaced says that another file is there.
	Replaced
	// Turned says that it is, but was a backup and is written to by now.
	Turned
)

// Presence looks at the path: one stat(2). What is written to a file that is not there
// any more is lost to everybody else.
func (f *File) Presence() Presence {
	there, err := os.Stat(f.cfg.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return Removed
	case err == nil && !os.SameFile(f.Info, there):
		return Replaced
	}
	if f.Journal != WALMode {
		if wal := LookAt(f.Path + "-wal"); wal.Size() > 0 || wal.Info != nil && !f.hadWAL {
			return Turned
		}
	}
	return Present
}
