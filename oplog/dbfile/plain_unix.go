//go:build unix

package dbfile

import (
	"errors"
	"io/fs"
	"syscall"
)

// plainFlags keep an open from following a link in the last element of a path, and from waiting
// for the other end of a named pipe.
const plainFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// OwnerOf returns the ID of the user whose file it is.
func OwnerOf(info fs.FileInfo) (uid int, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// OnReadOnlyDisk reports whether the file system of a folder is mounted so that nobody can write to
// it.
func OnReadOnlyDisk(folder string) bool {
	const writing = 2 // W_OK, access(2)
	return errors.Is(syscall.Access(folder, writing), syscall.EROFS)
}

// linksOf returns how many names (hard links) a file has.
func linksOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}
