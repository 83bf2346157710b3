//go:build !linux

package oplog

import "errors"

// withoutUsers calls nothing there: closing a file would drop SQLite's own locks.
func withoutUsers(string, func() error) error { return errors.ErrUnsupported }
