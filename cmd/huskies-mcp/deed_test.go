package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestForceAgainstANamesake: --force does what the refusal says of it, also when a live session of the person's
// own name holds the story.
func TestForceAgainstANamesake(t *testing.T) {
	t.Setenv("HUSKIES_AGENT", "coder-1")
	db := filepath.Join(t.TempDir(), "x.db")
	holder := startSession(t, db)
	holder.must(t, "write_item", arguments{"name": "One"})
	holder.must(t, "claim_item", arguments{})
	move := func(flags ...string) (string, error) {
		out, err := exec.Command("huskies-mcp", append([]string{"--db", db, "move", "1", "qa"}, flags...)...).CombinedOutput()
		return string(out), err
	}
	if said, err := move(); err == nil || !strings.Contains(said, `another session with your name "coder-1" holds it`) || !strings.Contains(said, "--force changes it all the same") {
		t.Errorf("got %q (%v)", said, err)
	}
	if said, err := move("--force"); err != nil || !strings.Contains(said, "1_story_one is in 3_qa, from 2_current") {
		t.Errorf("with --force: got %q (%v)", said, err)
	}
}
