package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/bundle"
)

// project makes a folder with a pipeline of stories, and returns it.
func project(t *testing.T, name string, stories int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var csv bytes.Buffer
	csv.WriteString("id,name\n")
	for i := range stories {
		fmt.Fprintf(&csv, "%s-%d,Story %d of %s\n", name, i, i, name)
	}
	in(t, dir, csv.Bytes(), "add", "--from", "-")
	return dir
}

// in runs the command in a folder. It must succeed.
func in(t *testing.T, dir string, stdin []byte, args ...string) string {
	t.Helper()
	cmd := exec.Command("huskies-mcp", args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("huskies-mcp %q: %v: %s", args, err, out)
	}
	return string(out)
}

// TestSyncIsKilled: a sync that is killed at any moment leaves two sound pipelines and no file, and the next one
// goes on.
func TestSyncIsKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files that are open cannot be removed there")
	}
	here, there, temporary := project(t, "here", 400), project(t, "there", 400), t.TempDir()
	killed := 0
	for i := range 8 {
		cmd := exec.Command("huskies-mcp", "sync", "--merge", there)
		cmd.Dir, cmd.Env = here, append(os.Environ(), "TMPDIR="+temporary)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(i)*30*time.Millisecond, func() { _ = cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			killed++
		}
		timer.Stop()
		for _, dir := range []string{here, there} {
			in(t, dir, nil, "verify")
		}
	}
	if killed == 0 {
		t.Error("no sync was killed")
	}
	in(t, here, nil, "sync", "--merge", there)
	if a, b := in(t, here, nil, "heads"), in(t, there, nil, "heads"); a != b || a == "" {
		t.Errorf("heads differ:\n%s\n%s", a, b)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("files are left: %v (%v)", left, err)
	}
}

// TestSyncOfManyHeads: more heads than a command takes go by standard input.
func TestSyncOfManyHeads(t *testing.T) {
	const heads = 3000
	var lines []byte
	for i := range heads {
		seed := sha256.Sum256(fmt.Append(nil, i))
		op := crdt.Op{Seq: 1, Story: fmt.Sprintf("%d_story_x", i), Edits: []crdt.Edit{crdt.Set("stage", crdt.String("1_backlog"))}, Creates: true}
		signed, err := crdt.Sign(&op, ed25519.NewKeyFromSeed(seed[:]))
		if err != nil {
			t.Fatal(err)
		}
		lines = bundle.AppendLine(lines, signed)
	}
	here, there := t.TempDir(), project(t, "there", 1)
	in(t, here, lines, "import", "--create", "-")
	in(t, here, nil, "sync", "--merge", there)
	in(t, here, nil, "sync", there)
	a, b := in(t, here, nil, "heads"), in(t, there, nil, "heads")
	if a != b || bytes.Count([]byte(a), []byte("\n")) != heads+1 {
		t.Errorf("the heads differ, or are not %d:\n%.200s\n%.200s", heads+1, a, b)
	}
}

func TestQuotedWords(t *testing.T) {
	for command, want := range map[string][]string{
		"ssh -p 2222":               {"ssh", "-p", "2222"},
		`ssh  -i "my key" -o 'a b'`: {"ssh", "-i", "my key", "-o", "a b"},
		`"C:\Program Files\ssh" -v`: {`C:\Program Files\ssh`, "-v"},
		`a"b c"d ''`:                {"ab cd", ""},
		" ":                         nil,
	} {
		if got, err := quotedWords(command); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", command, got, err, want)
		}
	}
	if _, err := quotedWords(`ssh -i "my key`); err == nil {
		t.Error("a quote that is not closed is no error")
	}
}
