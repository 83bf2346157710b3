//go:build !linux

package dbfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLockHolderUnknown: what is no process ID is not passed on as one.
func TestLockHolderUnknown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	defer holdLock(t, path+".lock")()
	for _, text := range []string{"", "-1", "1 2", "x", strings.Repeat("1", 30)} {
		if err := os.WriteFile(path+".lock", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := NewLock(path).Acquire(within(t, short))
		var e *Error
		if !errors.As(err, &e) || e.Process != 0 || e.Path != path+".lock" {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
