//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package oplog

import (
	"os"

	"github.com/gofrs/flock"
)

// lockFile is the lock's file.
type lockFile struct {
	path string
	file *flock.Flock
}

// openLockFile returns the file at path; it is opened and made when it is locked.
func openLockFile(path string) (*lockFile, error) {
	if err := checkPlain(path); err != nil {
		return nil, err
	}
	return &lockFile{path, flock.New(path, flock.SetPermissions(0o600))}, nil
}

// lock waits for the lock. Nothing interrupts it.
func (l *lockFile) lock() error { return l.file.Lock() }

// tryLock takes the lock if it is free.
func (l *lockFile) tryLock() (ok bool, err error) { return l.file.TryLock() }

// unlock lets the lock go.
func (l *lockFile) unlock() error { return l.file.Unlock() }

// isAtPath reports whether the locked file is still the one at its path.
func (l *lockFile) isAtPath() bool {
	held, err := l.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(l.path)
	return err == nil && os.SameFile(held, there)
}

// write writes to the file's beginning.
func (l *lockFile) write(b []byte) error {
	f, err := openPlain(l.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	_ = f.Close()
	return err
}

func (l *lockFile) close() { _ = l.file.Close() }
