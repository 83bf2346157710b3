package dbfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Immutable is the setting of a connection to a file on a disk that is mounted read-only, where
// SQLite cannot make the -shm file.
const Immutable = "&immutable=1"

// lookingMode returns what a connection that only looks needs besides its settings. One that SQLite
// allows to write brings a -wal file that others left into the database when it is closed, and
// rolls back what a -journal file says. One that SQLite does not allow to write leaves the -shm
// file behind that it had to make. So the mode depends on what is there. On a disk that nobody can
// write to SQLite needs neither file, if the database is all there is.
func (f *File) lookingMode() string {
	left := LookAt(f.Path+"-wal").Size() > 0
	if !left && LookAt(f.Path+"-journal").Size() == 0 {
		if OnReadOnlyDisk(filepath.Dir(f.Path)) {
			return Immutable
		}
		return ""
	}
	f.madeIndex = left && LookAt(f.Path+"-shm").Info == nil
	return "&mode=ro"
}

// keepOpen makes another connection, which may not write, and returns what closes it. As
// long as it is there ours is not the last to be closed: that one would bring into the
// database what others have left in the write-ahead log since it was opened.
func (f *File) keepOpen() (release func()) {
	release = func() {}
	if LookAt(f.Path+"-wal").Size() == 0 {
		return release
	}
	other, err := Open(f.Path, "mode=ro&_pragma=busy_timeout(1000)")
	if err != nil {
		return release
	}
	var n int
	_ = other.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&n) // it takes its lock with the first read
	return func() { _ = other.Close() }
}

// cleanUp removes the -shm file that looking made, unless somebody uses the database by now. All
// our connections must be closed.
func (f *File) cleanUp() {
	if f.madeIndex {
		_ = WithoutUsers(f.Path, func() error { return os.Remove(f.Path + "-shm") })
	}
}

// CheckReadOnlyDisk returns the error of opening the file if err came of a disk that nobody can
// write to, else nil. SQLite says of such a disk only that it cannot make a file.
func (f *File) CheckReadOnlyDisk(err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) || !OnReadOnlyDisk(filepath.Dir(f.Path)) {
		return nil
	}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		err = fmt.Errorf("%w (SQLite says: %w)", syscall.EROFS, err)
	}
	code := CodeReadOnlyDisk
	if f.cfg.ReadOnly {
		code = CodeReadOnlyWAL
	}
	return &Error{Op: "open database", Path: f.cfg.Path, Code: code, Err: err}
}
