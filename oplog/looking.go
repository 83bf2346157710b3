package oplog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// immutable is the setting of a connection to a file on a disk that is mounted read-only, where
// SQLite cannot make the -shm file.
const immutable = "&immutable=1"

// lookingMode returns what a connection that only looks needs besides its settings. One that SQLite
// allows to write brings a -wal file that others left into the database when it is closed, and
// rolls back what a -journal file says. One that SQLite does not allow to write leaves the -shm
// file behind that it had to make. So the mode depends on what is there. On a disk that nobody can
// write to SQLite needs neither file, if the database is all there is.
func (l *Log) lookingMode() string {
	left := dbfile.LookAt(l.path+"-wal").Size() > 0
	if !left && dbfile.LookAt(l.path+"-journal").Size() == 0 {
		if dbfile.OnReadOnlyDisk(filepath.Dir(l.path)) {
			return immutable
		}
		return ""
	}
	l.madeIndex = left && dbfile.LookAt(l.path+"-shm").Info == nil
	return "&mode=ro"
}

// keepOpen makes another connection, which may not write, and returns what closes it. As
// long as it is there ours is not the last to be closed: that one would bring into the
// database what others have left in the write-ahead log since it was opened.
func (l *Log) keepOpen() (release func()) {
	release = func() {}
	if dbfile.LookAt(l.path+"-wal").Size() == 0 {
		return release
	}
	other, err := dbfile.Open(l.path, "mode=ro&_pragma=busy_timeout(1000)")
	if err != nil {
		return release
	}
	var n int
	_ = other.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&n) // it takes its lock with the first read
	return func() { _ = other.Close() }
}

// cleanUp removes the -shm file that looking made, unless somebody uses the database by now. All
// our connections must be closed.
func (l *Log) cleanUp() {
	if l.madeIndex {
		_ = dbfile.WithoutUsers(l.path, func() error { return os.Remove(l.path + "-shm") })
	}
}

// failOpen is fail for opening the database. SQLite says of a disk that nobody can write to only
// that it cannot make a file.
func (l *Log) failOpen(err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) || !dbfile.OnReadOnlyDisk(filepath.Dir(l.path)) {
		return l.fail("open database", err)
	}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		err = fmt.Errorf("%w (SQLite says: %w)", syscall.EROFS, err)
	}
	next := dbfile.RemedyReadOnlyDisk
	if l.cfg.ReadOnly {
		next = "the disk is mounted read-only, and what was written last stands in the -wal file: copy the database with its -wal file to a disk that can be written, and give the copy's --db"
	}
	return &Error{Op: "open database", Path: l.cfg.Path, Err: err, Next: next, Remedy: next}
}
