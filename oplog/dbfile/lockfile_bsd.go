//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package dbfile

// write writes to the file's beginning.
func (l *LockFile) write(b []byte) error {
	_, err := l.file.WriteAt(b, 0)
	return err
}
