//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package dbfile

import (
	"os"

	"github.com/gofrs/flock"
)

// LockFile is the lock's file.
type LockFile struct {
	Path string
	file *flock.Flock
}

// OpenLockFile returns the file at path; it is opened and made when it is locked.
func OpenLockFile(path string) (*LockFile, error) {
	if err := CheckPlain(path); err != nil {
		return nil, err
	}
	return &LockFile{path, flock.New(path, flock.SetPermissions(0o600))}, nil
}

// Lock waits for the lock. Nothing interrupts it.
func (l *LockFile) Lock() error { return l.file.Lock() }

// TryLock takes the lock if it is free.
func (l *LockFile) TryLock() (ok bool, err error) { return l.file.TryLock() }

// Unlock lets the lock go.
func (l *LockFile) Unlock() error { return l.file.Unlock() }

// IsAtPath reports whether the locked file is still the one at its path.
func (l *LockFile) IsAtPath() bool {
	held, err := l.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(l.Path)
	return err == nil && os.SameFile(held, there)
}

// write writes to the file's beginning.
func (l *LockFile) write(b []byte) error {
	f, err := OpenPlain(l.Path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	_ = f.Close()
	return err
}

// Close closes the file, which lets the lock go.
func (l *LockFile) Close() { _ = l.file.Close() }
