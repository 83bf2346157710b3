//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package dbfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// LockFile is the lock's file, kept open between locks: to open and close it
// costs a write more than the lock itself, and gofrs/flock does so each time.
// The flock(2) is of the open file description.
type LockFile struct {
	Path string
	file *os.File
	info fs.FileInfo
}

// OpenLockFile opens the file at path, which it makes if need be.
func OpenLockFile(path string) (*LockFile, error) {
	f, err := OpenPlain(path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		refused := err
		if f, err = OpenPlain(path, os.O_RDONLY, 0); errors.Is(err, fs.ErrNotExist) { // to read is enough to lock it
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
	return &LockFile{Path: path, file: f, info: info}, nil
}

// Lock waits for the lock. Nothing interrupts it; when the file is closed
// meanwhile the lock is let go as soon as it comes.
func (l *LockFile) Lock() error { return l.flock(syscall.LOCK_EX) }

// TryLock takes the lock if it is free.
func (l *LockFile) TryLock() (ok bool, err error) {
	err = l.flock(syscall.LOCK_EX | syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// Unlock lets the lock go.
func (l *LockFile) Unlock() error { return l.flock(syscall.LOCK_UN) }

func (l *LockFile) flock(how int) error {
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

// IsAtPath reports whether the file is still the one at its path.
func (l *LockFile) IsAtPath() bool {
	there, err := os.Stat(l.Path)
	return err == nil && os.SameFile(l.info, there)
}

// Close closes the file, which lets the lock go.
func (l *LockFile) Close() { _ = l.file.Close() }
