// Package durable makes what is done to files survive a power loss. A file system may keep the name of a
// file in its memory after the file was synced, so a new name counts once its folder was synced, too.
package durable

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// SyncFolder makes the names in a folder durable. It does nothing where the system or the file system cannot
// sync folders.
func SyncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	err = folder.Sync()
	// PostgreSQL takes the same two errors for "cannot be synced" (src/backend/storage/file/fd.c).
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EBADF) {
		err = nil
	}
	return errors.Join(err, folder.Close())
}

// Rename gives a file another name in the same folder, durably. What is in the file must be durable already.
// After an error of the sync the file has its new name, which a power loss may take.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(to))
}
