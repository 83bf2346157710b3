package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// namelessFile makes a file without a name on the disk of a folder (O_TMPFILE, open(2)). It is gone
// with the process unless link has given it a name.
func namelessFile(dir string) (f *os.File, link func(path string) error, err error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	self := fmt.Sprintf("/proc/self/fd/%d", fd)
	f = os.NewFile(uintptr(fd), dir)
	if _, err := os.Stat(self); err != nil { // without /proc it could never get a name
		_ = f.Close()
		return nil, nil, err
	}
	link = func(path string) error {
		err := unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		if err != nil {
			return &os.LinkError{Op: "link", Old: self, New: path, Err: err}
		}
		return nil
	}
	return f, link, nil
}
