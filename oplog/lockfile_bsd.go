//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package oplog

// write writes to the file's beginning.
func (l *lockFile) write(b []byte) error {
	_, err := l.file.WriteAt(b, 0)
	return err
}
