package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestInterruptedBackup: a signal in the middle of it leaves no file behind.
func TestInterruptedBackup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := startSession(t, path)
	s.must(t, "write_item", arguments{"story_id": "1_story", "stage": "1_backlog"})
	s.end(t)
	// Rows without sense, but many bytes.
	if err := runSQL(path, `INSERT INTO crdt_ops (op_id, author, seq, payload, signature, received_at)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
		SELECT randomblob(32), zeroblob(32), 1, zeroblob(60000), zeroblob(64), 1 FROM n`); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	cmd := exec.Command("huskies-mcp", "--db", path, "backup", filepath.Join(out, "b.db"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	guard := time.AfterFunc(hangGuard, func() { _ = cmd.Process.Kill() })
	defer guard.Stop()
	for size := int64(0); size < 1<<20; { // until it has written a part
		select {
		case err := <-ended:
			t.Fatalf("it ended with %v before it wrote much: %s", err, &stderr)
		case <-time.After(time.Millisecond):
		}
		files, _ := filepath.Glob(filepath.Join(out, "b.db*"))
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				size = max(size, info.Size())
			}
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // if it has ended, the next line says so
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.ExitCode() != 1 || stderr.String() != "huskies-mcp: interrupted: no backup was written\n" {
		t.Errorf("got %v and %q", err, &stderr)
	}
	if left, _ := os.ReadDir(out); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// TestProcessesMeetACopy: many processes write to a copied database at once. One
// of them makes its key, all of them sign with it, and one says so.
func TestProcessesMeetACopy(t *testing.T) {
	const processes = 6
	original := filepath.Join(t.TempDir(), "x.db")
	s := startSession(t, original)
	s.must(t, "write_item", arguments{"story_id": "1_story", "stage": "1_backlog"})
	s.end(t)
	b, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	said := make([]string, processes)
	errs := make([]error, processes)
	var running sync.WaitGroup
	for i := range processes {
		running.Go(func() {
			cmd := exec.Command("huskies-mcp", "--db", path, "call", "write_item", fmt.Sprintf(`{"story_id":"%d_story","stage":"1_backlog"}`, i+2))
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			errs[i] = cmd.Run()
			said[i] = stderr.String()
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err, said)
	}
	if n := strings.Count(strings.Join(said, ""), "this replica has a fresh key"); n != 1 {
		t.Errorf("said %d times that the key is fresh: %q", n, said)
	}
	ops := readLog(t, path)
	if len(ops) != 1+processes {
		t.Fatalf("%d ops, want %d", len(ops), 1+processes)
	}
	for _, op := range ops[1:] {
		if op.Author != ops[1].Author || op.Author == ops[0].Author {
			t.Errorf("op of %s is signed by %s; the original is %s's", op.Story, op.Author, ops[0].Author)
		}
	}
}
