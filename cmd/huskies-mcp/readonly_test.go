package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestReadOnlyLeavesTheFileAlone: a server that only reads changes nothing in the database, also at its end, when
// another that was killed has left its changes in the write-ahead log.
func TestReadOnlyLeavesTheFileAlone(t *testing.T) {
	db := filepath.Join(t.TempDir(), "x.db")
	writer := startSession(t, db)
	writer.must(t, "write_item", arguments{"story_id": "1_story", "stage": "1_backlog"})
	writer.end(t) // and the write-ahead log with it

	t.Setenv("HUSKIES_READ_ONLY", "1")
	reader := startSession(t, db)
	t.Setenv("HUSKIES_READ_ONLY", "0")
	reader.must(t, "read_item", arguments{"story_id": "1_story"})
	killed := startSession(t, db)
	killed.must(t, "write_item", arguments{"story_id": "2_story", "stage": "1_backlog"})
	killed.killed = true
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed.end(t)
	before, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	reader.must(t, "read_item", arguments{"story_id": "2_story"})
	reader.end(t)
	after, err := os.ReadFile(db)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the database was changed (%v)", err)
	}
	if info, err := os.Stat(db + "-wal"); err != nil || info.Size() == 0 {
		t.Errorf("the write-ahead log is gone (%v)", err)
	}
	startSession(t, db).must(t, "read_item", arguments{"story_id": "2_story"})
}
