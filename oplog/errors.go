package oplog

import (
	"errors"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// The file itself is the business of package dbfile. What callers of the log meet of it has a name
// here.
type (
	// Error is a failure of the storage.
	Error = dbfile.Error
	// Lock is the right to write to a database.
	Lock = dbfile.Lock
	// Presence tells whether the file that was opened is still the one at the log's path.
	Presence = dbfile.Presence
)

// The kinds of presence.
const (
	Present  = dbfile.Present
	Removed  = dbfile.Removed
	Replaced = dbfile.Replaced
	Turned   = dbfile.Turned
)

// ErrLockTimeout says that the lock was not free in time.
var ErrLockTimeout = dbfile.ErrLockTimeout

// NewLock returns the lock of the database at path.
func NewLock(path string) *Lock { return dbfile.NewLock(path) }

// Resolve returns where the database at path is, with symbolic links followed as far as
// they lead. It returns path where that cannot be told.
func Resolve(path string) string {
	real, err := dbfile.Resolve(path)
	if err != nil {
		return path
	}
	return real
}

// disorder says that the rows of the log do not stand in order.
type disorder struct{}

func (disorder) Error() string { return "the table of ops is damaged" }

func (disorder) Is(target error) bool { return target == dbfile.ErrDamaged }

// fail wraps an error of the storage with what to do about it.
func (l *Log) fail(op string, err error) error {
	return storageError(op, l.cfg.Path, err)
}

// storageError wraps an error of the storage with what to do about it. Errors that callers of the
// log, or the log itself, branch on stay as they are.
func storageError(op, path string, err error) error {
	if errors.Is(err, ErrNoLog) || errors.Is(err, ErrOutdated) || errors.Is(err, errStale) {
		return err
	}
	var known *Error
	if errors.Is(err, errNewerOp) && !errors.As(err, &known) {
		next := "a newer huskies-mcp wrote into this database: install that one and start it again; nothing in the file was changed"
		return &Error{Op: op, Path: path, Err: err, Next: next, Remedy: next}
	}
	return dbfile.Wrap(op, path, err)
}

// failOpen is fail for opening the database.
func (l *Log) failOpen(err error) error {
	if refused := l.file.CheckReadOnlyDisk(err); refused != nil {
		return refused
	}
	return l.fail("open database", err)
}
