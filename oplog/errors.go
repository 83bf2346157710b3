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
	// Code says what stands in the way of an operation.
	Code = dbfile.Code
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

// The codes of errors of the log. Those of the file itself are in package dbfile.
const (
	CodeLongPath      Code = "long_path"     // of a new database
	CodeNotOurs       Code = "not_ours"      // a database of another program
	CodeNewer         Code = "newer"         // a newer build made the schema or the state
	CodeNewerOp       Code = "newer_op"      // a newer build wrote an op
	CodeTablesGone    Code = "tables_gone"   // another program took out tables
	CodeForeign       Code = "foreign"       // there is more in the file than we made
	CodeAltered       Code = "altered"       // our own tables are not as we made them
	CodeIdentity      Code = "identity"      // the key is damaged
	CodeKeysLost      Code = "keys_lost"     // a new database cannot have the keys
	CodeUnsalvageable Code = "unsalvageable" // nothing can be read
	CodeChanged       Code = "changed"       // the file changed while it was verified
	CodeRowGone       Code = "row_gone"      // a row is gone that was read before
)

// refuseFile returns the error for a file that is left as it is.
func (l *Log) refuseFile(code Code, err error) error {
	return &Error{Op: "open database", Path: l.cfg.Path, Code: code, Err: err}
}

// ErrLockTimeout says that the lock was not free in time.
var ErrLockTimeout = dbfile.ErrLockTimeout

// errNewerOp: the log holds an op of a version that this build does not read.
var errNewerOp = errors.New("the log holds ops of a newer version")

// errStale: the state does not say what the log's rows give, so it must be rebuilt.
var errStale = errors.New("the state does not fit the log")

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

// fail wraps an error of the storage.
func (l *Log) fail(op string, err error) error {
	return storageError(op, l.cfg.Path, err)
}

// storageError wraps an error of the storage. Errors that callers of the
// log, or the log itself, branch on stay as they are.
func storageError(op, path string, err error) error {
	if errors.Is(err, ErrNoLog) || errors.Is(err, ErrOutdated) || errors.Is(err, errStale) {
		return err
	}
	var known *Error
	if errors.Is(err, errNewerOp) && !errors.As(err, &known) {
		return &Error{Op: op, Path: path, Code: CodeNewerOp, Err: err}
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
