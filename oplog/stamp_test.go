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

// TestStampOfABackup: as long as a backup is read that nobody has written to, another's
// write-ahead log says nothing; once there is one, it is time to open the log anew.
func TestStampOfABackup(t *testing.T) {
	reader, backup := openBackup(t)
	if p := reader.Presence(); p != Present {
		t.Errorf("before: %d", p)
	}
	writer, err := Create(t.Context(), testConfig(t, backup))
	check(t, err)
	appendOps(t, writer, "b")
	if stamp := reader.Stamp(); stamp != (Stamp{}) {
		t.Errorf("stamp %v", stamp)
	}
	if p := reader.Presence(); p != Turned {
		t.Errorf("after: %d", p)
	}
	check(t, reader.Sync())
	check(t, writer.Close())
	if rows := readAll(t, reader, 0); len(rows) != 2 {
		t.Errorf("%d rows", len(rows))
	}
	again, err := Open(t.Context(), testConfig(t, backup))
	check(t, err)
	defer again.Close()
	if !again.Ready() {
		t.Error("opened anew, it is not ready")
	}
}
