package oplog

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSessionsLive: a session lives from its mark to its end. What a killed process left counts
// for nothing and is removed, and nothing is left behind.
func TestSessionsLive(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	lives := func(id string, want bool) {
		t.Helper()
		if got := SessionLives(db, id); got != want {
			t.Errorf("%s lives: %t", id, got)
		}
	}
	hold := func(id string) func() {
		t.Helper()
		release, err := HoldSession(db, id)
		if err != nil {
			t.Fatal(err)
		}
		return release
	}
	lives("one", false)
	if _, err := os.Stat(db + "-sessions"); err == nil {
		t.Error("a look made the folder")
	}
	one, two := hold("one"), hold("../two")
	lives("one", true)
	lives("../two", true)
	info, err := os.Stat(sessionFile(db, "one"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	one()
	lives("one", false)
	lives("../two", true)
	one() // once is enough
	two()

	if err := os.MkdirAll(SessionFolder(db), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sessionFile(db, "killed"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lives("killed", false)
	if _, err := os.Stat(SessionFolder(db)); err == nil {
		t.Error("the folder is left behind")
	}
	again := hold("killed")
	lives("killed", true)
	again()
}

// TestSessionFolderIsALink: the folder of a hostile checkout may lead nowhere. A session ends with an
// error there, and does not try for ever.
func TestSessionFolderIsALink(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	check(t, os.Symlink(filepath.Join(t.TempDir(), "no", "folder"), SessionFolder(db)))
	done := make(chan error, 1)
	go func() {
		_, err := HoldSession(db, "one")
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("the link was followed")
		}
	case <-time.After(10 * time.Second):
		t.Error("it tries for ever")
	}
	if SessionLives(db, "one") {
		t.Error("it lives")
	}
}
