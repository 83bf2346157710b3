//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package oplog

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lockFile is the lock's file, kept open between locks: to open and close it
// costs a write more than the lock itself, and gofrs/flock does so each time.
// The flock(2) is of the open file description.
type lockFile struct {
	path string
	file *os.File
	info fs.FileInfo
}

// openLockFile opens the file at path, which it makes if need be.
func openLockFile(path string) (*lockFile, error) {
	f, err := openPlain(path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		refused := err
		if f, err = openPlain(path, os.O_RDONLY, 0); errors.Is(err, fs.ErrNotExist) { // to read is enough to lock it
			err = refused
		}
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && linksOf(info) > 1 {
		err = manyNames(path) // some systems write into it who holds the lock
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &lockFile{path: path, file: f, info: info}, nil
}

// lock waits for the lock. Nothing interrupts it; when the file is closed
// meanwhile the lock is let go as soon as it comes.
func (l *lockFile) lock() error { return l.flock(syscall.LOCK_EX) }

// tryLock takes the lock if it is free.
func (l *lockFile) tryLock() (ok bool, err error) {
	err = l.flock(syscall.LOCK_EX | syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// unlock lets the lock go.
func (l *lockFile) unlock() error { return l.flock(syscall.LOCK_UN) }

func (l *lockFile) flock(how int) error {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return err
	}
	var flockErr error
	err = raw.Control(func(fd uintptr) {
		for flockErr = syscall.EINTR; flockErr == syscall.EINTR; {
			flockErr = syscall.Flock(int(fd), how)
		}
	})
	if err == nil && flockErr != nil {
		err = os.NewSyscallError("flock", flockErr)
	}
	return err
}

// isAtPath reports whether the file is still the one at its path.
func (l *lockFile) isAtPath() bool {
	there, err := os.Stat(l.path)
	return err == nil && os.SameFile(l.info, there)
}

func (l *lockFile) close() { _ = l.file.Close() }
