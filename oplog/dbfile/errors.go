package dbfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/huskies/huskies-mcp/internal/locate"
)

// Code says what stands in the way of an operation. Outlets say what to do about each code. Packages
// above have codes of their own.
type Code string

// The codes of this package's errors.
const (
	CodeDamaged      Code = "damaged"        // the structure of the file, or what stands in it
	CodeFull         Code = "full"           // the disk
	CodeDisk         Code = "disk"           // it failed to read or write
	CodeReadOnlyDisk Code = "read_only_disk" // nobody can write to it
	CodeReadOnlyWAL  Code = "read_only_wal"  // nor can it be read there, for its write-ahead log
	CodeUnwritable   Code = "unwritable"     // SQLite may not write the file
	CodeForbidden    Code = "forbidden"      // the system refuses it to this user
	CodeShared       Code = "shared"         // this user cannot make the files that SQLite reads with
	CodeNoOpen       Code = "no_open"        // SQLite cannot open the file
	CodeNotDatabase  Code = "not_database"   // it is no file of SQLite's
	CodeNoTable      Code = "no_table"       // a table is gone that was there
	CodeTables       Code = "tables"         // the tables are not as they were
	CodeBusy         Code = "busy"           // another program has the database, without our lock
	CodeLocked       Code = "locked"         // Process has our lock
	CodeNoFolder     Code = "no_folder"      // a part of the path is missing
	CodeNotFolder    Code = "not_folder"     // a part of the path is a file
	CodeNotPlain     Code = "not_plain"      // it is no regular file
	CodeManyNames    Code = "many_names"     // it has hard links
	CodeOtherOwner   Code = "other_owner"    // it is not of User
	CodeOther        Code = "other"          // as Err says
)

// Error is a failure of the storage. Nothing was acknowledged. Its text is for logs and for people who
// look for the cause.
type Error struct {
	// Op says what was being done, e.g. "append op".
	Op   string
	Path string
	Code Code
	Err  error
	// Folder is the nearest folder above Path that exists, if the system refuses Path itself, which is not
	// there or cannot be seen. Otherwise Folder is "".
	Folder string
	// Process is the process that has the lock, 0 if it is not known.
	Process int
	// User is the user who may not use the file.
	User int
	// Undone reports that the change was found not to be on disk.
	Undone bool
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Op, e.Path, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Uncertain reports whether the change may be on disk all the same.
func (e *Error) Uncertain() bool { return e.Op == OpCommit && !e.Undone }

// Busy reports whether another program, that does not take our lock, has the database.
func (e *Error) Busy() bool {
	var se *sqlite.Error
	return errors.As(e.Err, &se) && (se.Code()&0xff == sqlite3.SQLITE_BUSY || se.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

// Damaged reports whether the file's structure is.
func (e *Error) Damaged() bool {
	return Damaged(e.Err)
}

// NoDatabase reports whether SQLite says that the file is none of its own.
func (e *Error) NoDatabase() bool {
	var se *sqlite.Error
	return errors.As(e.Err, &se) && se.Code()&0xff == sqlite3.SQLITE_NOTADB
}

// Damaged reports whether err says that the file's structure is damaged. Tables are
// strict, so a column that database/sql cannot scan, for which it has no error of its
// own, is one that SQLite did not write like that.
func Damaged(err error) bool {
	var se *sqlite.Error
	if err == nil {
		return false
	}
	return errors.As(err, &se) && se.Code()&0xff == sqlite3.SQLITE_CORRUPT ||
		errors.Is(err, ErrDamaged) || strings.Contains(err.Error(), "sql: Scan error")
}

// ErrDamaged is wrapped by each error that says that what stands in the file is damaged.
var ErrDamaged = errors.New("the database is damaged")

// OpCommit is the operation after whose failure the change may be on disk.
const OpCommit = "commit"

// Wrap returns the error of an operation on the database at path. An error that is an [Error] already,
// or nil, is returned as it is.
func Wrap(op, path string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	e := &Error{Op: op, Path: path, Code: codeOf(err), Err: err}
	if _, missing := os.Lstat(path); missing != nil && e.Code == CodeForbidden {
		e.Folder = locate.NearestFolder(path)
	}
	return e
}

// codeOf returns the code of an error of SQLite's, by its result code
// (https://sqlite.org/rescode.html), or of the system's.
func codeOf(err error) Code {
	if Damaged(err) {
		return CodeDamaged
	}
	var se *sqlite.Error
	if errors.As(err, &se) {
		return codeOfSQLite(se)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return CodeForbidden
	case errors.Is(err, fs.ErrNotExist):
		return CodeNoFolder
	case errors.Is(err, syscall.ENOTDIR):
		return CodeNotFolder
	case errors.Is(err, syscall.EROFS):
		return CodeReadOnlyDisk
	case errors.Is(err, syscall.ENOSPC):
		return CodeFull
	}
	return CodeOther
}

func codeOfSQLite(err *sqlite.Error) Code {
	switch err.Code() {
	case sqlite3.SQLITE_READONLY_DIRECTORY, sqlite3.SQLITE_READONLY_CANTINIT:
		return CodeShared
	case sqlite3.SQLITE_IOERR_SHMSIZE: // for the -shm file, which the first to open the database makes
		return CodeFull
	}
	switch err.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return CodeFull
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return CodeUnwritable
	case sqlite3.SQLITE_CANTOPEN:
		return CodeNoOpen
	case sqlite3.SQLITE_NOTADB:
		return CodeNotDatabase
	case sqlite3.SQLITE_ERROR:
		if strings.Contains(err.Error(), "no such table") { // SQLite has no code for it. It was there when the log was opened.
			return CodeNoTable
		}
		return CodeTables
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return CodeBusy
	case sqlite3.SQLITE_IOERR:
		return CodeDisk
	}
	return CodeOther
}
