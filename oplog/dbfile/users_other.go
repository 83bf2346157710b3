//go:build !linux

package dbfile

import "errors"

// WithoutUsers calls nothing there: closing a file would drop SQLite's own locks.
func WithoutUsers(string, func() error) error { return errors.ErrUnsupported }
