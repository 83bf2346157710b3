//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// moved keeps descriptor 1 open: a file that nobody has any more is closed, and the
// next one to be opened would take its number.
var moved []*os.File

// moveStdout returns standard output under another descriptor and puts standard
// error in its place: so whatever writes to descriptor 1, be it C, a raw system call
// or a child process, cannot get between the messages of the protocol either.
func moveStdout(stdout *os.File) *os.File {
	fd, err := unix.FcntlInt(stdout.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return stdout // closed, as it may be
	}
	if err := unix.Dup2(int(os.Stderr.Fd()), int(stdout.Fd())); err != nil {
		_ = unix.Close(fd)
		return stdout
	}
	moved = append(moved, stdout)
	return os.NewFile(uintptr(fd), stdout.Name())
}
