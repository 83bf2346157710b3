//go:build unix

package doctor

import (
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// hasModes: files have permissions for their owner, a group and others.
const hasModes = true

// writable reports whether we may write to the file, or make files in the folder, without trying. A
// file that is gone is no hindrance: SQLite removes its side files when the last process ends.
func writable(path string) bool {
	err := unix.Access(path, unix.W_OK|unix.R_OK)
	return err == nil || errors.Is(err, unix.ENOENT)
}

// readOnlyDisk reports whether the file system of a folder is mounted so that nobody can write to
// it.
func readOnlyDisk(folder string) bool {
	return errors.Is(unix.Access(folder, unix.W_OK), unix.EROFS)
}

// names returns how many names (hard links) the file has.
func names(info fs.FileInfo) uint64 {
	if info == nil {
		return 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return uint64(st.Nlink)
}
