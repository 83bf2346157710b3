package dbfile

import (
	"io"
	"os"
	"syscall"
)

// WithoutUsers calls fn while nobody has the database at path open and nobody can open it, or
// returns an error. It takes the lock that SQLite takes before it removes the -shm file itself
// (the bytes are in os.h: PENDING_BYTE, RESERVED_BYTE and SHARED_SIZE behind them). The lock is of
// the open file description, so closing the file drops no other lock.
func WithoutUsers(path string, fn func() error) error {
	const (
		setLock   = 37 // F_OFD_SETLK, fcntl(2), which package syscall does not name
		firstByte = 0x40000000
		bytes     = 2 + 510
	)
	f, err := OpenPlain(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: firstByte, Len: bytes}
	var lockErr error
	if err := raw.Control(func(fd uintptr) { lockErr = syscall.FcntlFlock(fd, setLock, &lock) }); err != nil {
		return err
	}
	if lockErr != nil {
		return lockErr
	}
	return fn()
}
