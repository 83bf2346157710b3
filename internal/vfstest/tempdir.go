package vfstest

import (
	"os"
	"testing"
)

// TempDir is t.TempDir in memory where there is such a place: who lets a disk
// fail thousands of times need not wait for a real one.
func TempDir(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "vfstest-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}
