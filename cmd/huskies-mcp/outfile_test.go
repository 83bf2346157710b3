package main

import (
	"bytes"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestC37_KilledBackup: a backup with the key that is killed at any moment leaves no byte of the
// key, and the next backup removes what it left.
func TestC37_KilledBackup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := startSession(t, path)
	s.must(t, "write_item", arguments{"story_id": "1_story", "stage": "1_backlog"})
	s.end(t)
	if err := runSQL(path, `INSERT INTO crdt_ops (op_id, author, seq, payload, signature, received_at)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
		SELECT randomblob(32), zeroblob(32), 1, zeroblob(60000), zeroblob(64), 1 FROM n`); err != nil {
		t.Fatal(err)
	}
	seed, out, left := seedOf(t, path), t.TempDir(), 0
	whole := filepath.Join(out, "b.db")
	for delay := 5 * time.Millisecond; ; delay += 10 * time.Millisecond {
		cmd := exec.Command("huskies-mcp", "--db", path, "backup", "--with-key", whole)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killer := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // it was killed, or the database is damaged
		killer.Stop()
		if _, err := os.Stat(whole); err == nil {
			break
		}
		left += len(readFolder(t, out))
		for name, text := range readFolder(t, out) {
			if bytes.Contains(text, seed) {
				t.Errorf("killed after %v it left the key in %s", delay, name)
			}
		}
	}
	if left == 0 {
		t.Error("it was never killed in the middle")
	}
	files := readFolder(t, out)
	if len(files) != 1 || !bytes.Contains(files["b.db"], seed) {
		t.Errorf("in the end there are %d files, with the key in b.db: %v", len(files), bytes.Contains(files["b.db"], seed))
	}
}

// TestC37_LeftoversOfOthers: the files of a process that is at work, and files that only look
// alike, are not removed.
func TestC37_LeftoversOfOthers(t *testing.T) {
	path, out := filepath.Join(t.TempDir(), "x.db"), t.TempDir()
	s := startSession(t, path)
	s.must(t, "write_item", arguments{"story_id": "1_story", "stage": "1_backlog"})
	s.end(t)
	at, err := createPart(filepath.Join(out, "work"))
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	if err := lockPart(at); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"left.123.huskies-part", "film.123.part", "x.huskies-part"} {
		if err := os.WriteFile(filepath.Join(out, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := exec.Command("huskies-mcp", "--db", path, "backup", filepath.Join(out, "b.db")).Run(); err != nil {
		t.Fatal(err)
	}
	files := readFolder(t, out)
	_, work := files[filepath.Base(at.Name())]
	_, gone := files["left.123.huskies-part"]
	if len(files) != 4 || !work || gone {
		t.Errorf("there are %d files; that of a process at work: %v, what was left: %v", len(files), work, gone)
	}
}

// readFolder returns the files of a folder.
func readFolder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, entry := range entries {
		if files[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// seedOf returns the private key in a database.
func seedOf(t *testing.T, path string) (seed []byte) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT seed FROM crdt_node_identity").Scan(&seed); err != nil || len(seed) != 32 {
		t.Fatalf("the key has %d bytes (%v)", len(seed), err)
	}
	return seed
}
