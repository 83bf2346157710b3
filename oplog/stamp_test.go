package oplog

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
)

// TestStamp: a stamp stays while nobody commits and is another one after each
// commit, whoever made it, also when the write-ahead log starts anew; and a log
// knows whether it was alone.
func TestStamp(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the index of the write-ahead log is looked at on Linux alone")
	}
	path := filepath.Join(t.TempDir(), "p.db")
	a, b := mustCreate(t, path), mustCreate(t, path)
	last := a.Stamp()
	changed := func(what string) {
		t.Helper()
		now := a.Stamp()
		if !now.Exact() || now == last || now != b.Stamp() {
			t.Errorf("%s: stamps %v and %v, was %v", what, now, b.Stamp(), last)
		}
		if now != a.Stamp() {
			t.Errorf("%s: the stamp changes by itself", what)
		}
		last = now
	}
	for i := range 3 {
		appendOps(t, a, fmt.Sprint("by a ", i))
		if a.Committed() != a.Stamp() {
			t.Error("after a commit of its own alone it does not know its stamp")
		}
		changed("its own commit")
		appendOps(t, b, fmt.Sprint("by b ", i))
		changed("another's commit")
		if a.Committed() == a.Stamp() {
			t.Error("after another's commit it takes its own for the last")
		}
		execRaw(t, path, "PRAGMA wal_checkpoint(TRUNCATE)")
		appendOps(t, b, fmt.Sprint("after the checkpoint ", i))
		changed("the first commit in a new write-ahead log")
	}
	readAll(t, a, 0)
	readAll(t, b, 0)
	if a.Stamp() != last {
		t.Error("reading changed the stamp")
	}
}
