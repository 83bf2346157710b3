package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// restoreWorld is a project and a folder for state of its own, with backups as people have them.
func restoreWorld(t *testing.T) (db, state string) {
	t.Helper()
	state = t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	t.Setenv("HUSKIES_NO_AUTO_BACKUP", "")
	folder := filepath.Join(t.TempDir(), ".huskies")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, "pipeline.db"), state
}

// must runs huskies-mcp on a database and returns its standard output.
func must(t *testing.T, db string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("huskies-mcp", append([]string{"--db", db}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, out, stderr.String())
	}
	return string(out)
}

// TestRestoreUnderServers: the pipeline's folder is removed under a server, as git clean removes it.
// The server refuses what it is asked, until a restore has put the pipeline back. Then it and others
// show the same as before, and write.
func TestRestoreUnderServers(t *testing.T) {
	db, _ := restoreWorld(t)
	gone := startSession(t, db)
	gone.must(t, "write_item", arguments{"story_id": "1_story_a", "stage": "1_backlog", "name": "first"})
	gone.must(t, "write_item", arguments{"story_id": "2_story_b", "stage": "2_current", "depends_on": []int{1}})
	gone.end(t)
	s := startSession(t, db)
	before, list := s.pipelineText(t), must(t, db, "list")

	if err := os.RemoveAll(filepath.Dir(db)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := s.call("write_item", arguments{"story_id": "3_story_c", "stage": "1_backlog"})
		var refused toolError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "huskies-mcp restore") {
			t.Fatalf("a write to a pipeline that was removed: got %v, want a refusal that names restore", err)
		}
	}
	fresh := startSession(t, db)
	if a := fresh.must(t, "list_items", nil); !strings.Contains(a.text, `"warning":"the pipeline is empty, but there is a backup`) {
		t.Errorf("a new server says %s", a.text)
	}
	must(t, db, "restore", "--latest", "--yes")
	cursors := func(text string) string { return anyCursor.ReplaceAllString(text, "") }
	for _, s := range []*session{s, fresh} {
		if got := cursors(s.pipelineText(t)); got != cursors(before) {
			t.Errorf("a server shows\n%s\nwant\n%s", got, before)
		}
	}
	if got := must(t, db, "list"); got != list {
		t.Errorf("list shows\n%s\nwant\n%s", got, list)
	}
	s.must(t, "write_item", arguments{"story_id": "3_story_c", "stage": "1_backlog"})
	fresh.must(t, "write_item", arguments{"story_id": "4_story_d", "stage": "1_backlog"})
	must(t, db, "verify")
}

// TestRestoreOfWhatWasBefore: servers go on with a pipeline that a restore took back in place, each with
// its claims as far as they are in the backup.
func TestRestoreOfWhatWasBefore(t *testing.T) {
	db, _ := restoreWorld(t)
	s, other := startSession(t, db), startSession(t, db)
	s.must(t, "write_item", arguments{"story_id": "1_story_a", "stage": "1_backlog"})
	s.must(t, "write_item", arguments{"story_id": "2_story_b", "stage": "1_backlog"})
	s.must(t, "claim_item", arguments{"story_id": "1_story_a"})
	good := filepath.Join(t.TempDir(), "good.db")
	must(t, db, "backup", good)
	before := anyCursor.ReplaceAllString(s.pipelineText(t), "")

	other.must(t, "claim_item", arguments{"story_id": "2_story_b"})
	other.must(t, "write_item", arguments{"story_id": "2_story_b", "name": "ruined"})
	other.must(t, "write_item", arguments{"story_id": "9_story_z", "stage": "1_backlog"})
	timeLeft := regexp.MustCompile(`\d+[smh] left`)
	list := func() string { return timeLeft.ReplaceAllString(must(t, db, "list", "--all"), "time left") }
	ruined := list()

	kept := regexp.MustCompile(`What was there before is in (.*)`).FindStringSubmatch(must(t, db, "restore", good, "--yes"))
	for _, s := range []*session{s, other} {
		if got := anyCursor.ReplaceAllString(s.pipelineText(t), ""); got != before {
			t.Errorf("a server shows\n%s\nwant\n%s", got, before)
		}
	}
	if _, err := other.call("write_item", arguments{"story_id": "1_story_a", "name": "taken"}); err == nil {
		t.Error("the claim that is in the backup keeps nobody away")
	}
	s.must(t, "advance_item", arguments{"story_id": "1_story_a"})
	other.must(t, "claim_item", arguments{"story_id": "2_story_b"})
	must(t, db, "verify")
	must(t, db, "restore", kept[1], "--yes") // undone
	if got := list(); got != ruined {
		t.Errorf("after the restore was undone list shows\n%s\nwant\n%s", got, ruined)
	}
}

// TestKilledRestore: a restore that is killed at any moment leaves the pipeline as it was or as the
// backup has it, and the next one removes what it left.
func TestKilledRestore(t *testing.T) {
	db, state := restoreWorld(t)
	s := startSession(t, db)
	s.must(t, "write_item", arguments{"story_id": "1_story_a", "stage": "1_backlog"})
	good := filepath.Join(t.TempDir(), "good.db")
	must(t, db, "backup", good)
	then := must(t, db, "list")
	s.must(t, "write_item", arguments{"story_id": "2_story_b", "stage": "1_backlog"})
	now := must(t, db, "list")
	for delay := 4 * time.Millisecond; ; delay += 4 * time.Millisecond {
		cmd := exec.Command("huskies-mcp", "--db", db, "restore", good, "--yes")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killer := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
		ended := cmd.Wait() == nil
		killer.Stop()
		got := must(t, db, "list")
		if got != then && got != now {
			t.Fatalf("killed after %v: list shows\n%s", delay, got)
		}
		if ended {
			break
		}
		if got == then { // killed after its commit
			s.must(t, "write_item", arguments{"story_id": "2_story_b", "stage": "1_backlog"})
			now = must(t, db, "list")
		}
	}
	must(t, db, "verify")
	must(t, db, "restore", "--latest", "--yes")
	for _, pattern := range []string{filepath.Join(filepath.Dir(db), "*part*"), filepath.Join(state, "*", "*", "*", "*part*")} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("it left %v", left)
		}
	}
}

// TestBackupsHoldNoKey: no byte of the private key is in the folder for state.
func TestBackupsHoldNoKey(t *testing.T) {
	db, state := restoreWorld(t)
	must(t, db, "add", "a story")
	seed := seedOf(t, db)
	must(t, db, "rebuild")
	must(t, db, "add", "another")
	files, _ := filepath.Glob(filepath.Join(state, "*", "*", "*", "*.db"))
	if len(files) < 2 {
		t.Fatalf("the backups are %v", files)
	}
	for _, file := range files {
		if b, err := os.ReadFile(file); err != nil || bytes.Contains(b, seed) {
			t.Errorf("%s has the key (%v)", file, err)
		}
	}
}
