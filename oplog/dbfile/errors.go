package dbfile

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Error is a failure of the storage. Nothing was acknowledged; Next says in
// plain words what a person or an agent can do.
type Error struct {
	// Op says what was being done, e.g. "append op".
	Op   string
	Path string
	Next string
	Err  error
	// Remedy is Next without the doubt about what is on disk.
	Remedy string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Op, e.Path, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Uncertain reports whether the change may be on disk all the same.
func (e *Error) Uncertain() bool { return e.Op == OpCommit }

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

// Undone returns e for a change that was found not to be on disk.
func (e *Error) Undone() *Error {
	sure := *e
	sure.Next = "nothing was written. " + e.Remedy
	return &sure
}

// OpCommit is the operation after whose failure the change may be on disk.
const OpCommit = "commit"

// Wrap returns the error of an operation on the database at path with what to do about it. An error
// that is an [Error] already, or nil, is returned as it is.
func Wrap(op, path string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	e := &Error{Op: op, Path: path, Err: err, Remedy: remedy(path, err)}
	e.Next = e.Remedy
	if e.Uncertain() {
		e.Next = "read the item before you repeat the call: the change may have been made. " + e.Remedy
	}
	return e
}

// RemedyDamaged is what to do about a file whose structure is damaged.
const RemedyDamaged = "the database is damaged: keep a copy of it with its -wal file and restore a backup as the README says; " +
	"if there is none, huskies-mcp export --salvage FILE may save what can still be read"

const remedyFull = "the disk is full: free some space, then repeat the call"

// remedy says what to do about err, by SQLite's result code
// (https://sqlite.org/rescode.html) or the system's error.
func remedy(path string, err error) string {
	if Damaged(err) {
		return RemedyDamaged
	}
	var se *sqlite.Error
	if errors.As(err, &se) {
		if se.Code() == sqlite3.SQLITE_READONLY_DIRECTORY || se.Code() == sqlite3.SQLITE_READONLY_CANTINIT {
			return "SQLite makes files beside the database also to read it: let this user write to the folder, then repeat the call; or have its owner run huskies-mcp backup FILE, which can be read anywhere"
		}
		if se.Code() == sqlite3.SQLITE_IOERR_SHMSIZE { // for the -shm file, which the first to open the database makes
			return remedyFull
		}
		switch se.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return remedyFull
		case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
			return "it cannot be written: check the permissions of the file, of its folder, and of the -wal and -shm files beside it, then repeat the call"
		case sqlite3.SQLITE_CANTOPEN:
			return "the file cannot be opened: check that it may be read and written, and that the folder exists and may be written"
		case sqlite3.SQLITE_NOTADB:
			return "the file is not an SQLite database: give another --db, or move the file away; if it was the pipeline, restore a backup as the README says"
		case sqlite3.SQLITE_ERROR:
			if strings.Contains(se.Error(), "no such table") { // it was there when the log was opened
				return "another program took out a table: huskies-mcp verify says what to do"
			}
			return "another program changed the tables, or the file is damaged: keep a copy of it with its -wal file and restore a backup as the README says"
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return "another program holds the database, not by way of huskies-mcp: end its transaction, then repeat the call"
		case sqlite3.SQLITE_IOERR:
			return "the disk failed to read or write: check the disk and its free space, then repeat the call"
		}
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "check the permissions of " + path + " and its folder, then repeat the call"
	case errors.Is(err, fs.ErrNotExist):
		return "the folder does not exist, or a link leads nowhere: create it, or give another --db"
	case errors.Is(err, syscall.ENOTDIR):
		return "a part of the path is a file, not a folder: give another --db"
	case errors.Is(err, syscall.EROFS):
		return RemedyReadOnlyDisk
	case errors.Is(err, syscall.ENOSPC):
		return remedyFull
	}
	return "the error above says what stands in the way; when it is gone, repeat the call"
}

// RemedyReadOnlyDisk is what to do about a disk that nobody can write to.
const RemedyReadOnlyDisk = "the disk is mounted read-only: nothing can be written there. --read-only or HUSKIES_READ_ONLY=1 reads the pipeline; to write, mount the disk so that it can be written, or give a --db on another one"
