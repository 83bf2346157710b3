package oplog

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOtherDescriptorsDropNoLocks: that something in this process opens, reads
// and closes the database file must not drop SQLite's lock on it, as it drops
// POSIX locks (https://sqlite.org/howtocorrupt.html, section 2.2): another
// process could take itself for the last user and remove the write-ahead log
// under us, and commits would be lost.
func TestOtherDescriptorsDropNoLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	appendOps(t, mustCreate(t, path), "a")
	if !sharedLock(t, path) {
		t.Fatal("an open log holds no lock on its file: this test looks in the wrong place")
	}
	fileHash(t, path) // opens, reads and closes
	if !sharedLock(t, path) {
		t.Error("the lock is gone")
	}
}

// sharedLock reports whether anybody holds a lock on the bytes of the file that
// SQLite's SHARED lock covers (https://sqlite.org/src/file/src/os.h). It asks as
// the owner of an open file description, whom also this process's own locks
// stand in the way of (fcntl(2), F_OFD_GETLK).
func sharedLock(t *testing.T, path string) bool {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const (
		getLock     = 36 // F_OFD_GETLK
		sharedFirst = 0x40000000 + 2
		sharedSize  = 510
	)
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Start: sharedFirst, Len: sharedSize}
	if err := syscall.FcntlFlock(f.Fd(), getLock, &lock); err != nil {
		t.Fatal(err)
	}
	return lock.Type != syscall.F_UNLCK
}
