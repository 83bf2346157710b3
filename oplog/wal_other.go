//go:build !linux

package oplog

import "os"

// syncData makes a file durable; on macOS also in the disk's cache.
func syncData(f *os.File) error { return f.Sync() }
