//go:build linux

package vfstest

import (
	"os"
	"path/filepath"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"
)

// SyncFile makes a file durable past SQLite, as package oplog does, by way of the
// handler of its folder.
func SyncFile(f *os.File) error {
	folder, base := filepath.Split(f.Name())
	shim.mu.Lock()
	w := shim.folders[filepath.Clean(folder)]
	c := &Call{Kind: Sync, Role: roleOf(base), Name: base, Beside: true}
	if w != nil {
		c.File = w.numbers[base]
	}
	shim.mu.Unlock()
	var err error
	do := func() int32 {
		if err = f.Sync(); err != nil {
			return sqlite3.SQLITE_IOERR_FSYNC
		}
		return sqlite3.SQLITE_OK
	}
	if w == nil {
		do()
	} else if rc := w.handle(c, do); rc != sqlite3.SQLITE_OK {
		err = &os.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO}
	}
	return err
}
