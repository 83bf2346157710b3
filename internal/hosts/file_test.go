package hosts

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// put writes a file of a test's project.
func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestFileKeepsModeAndLink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has other links, and no such modes")
	}
	project := t.TempDir()
	real := filepath.Join(project, ".agents", "codex", "config.toml")
	put(t, real, "old", 0o640)
	link := filepath.Join(project, ".codex", "config.toml")
	if err := os.Mkdir(filepath.Dir(link), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../.agents/codex/config.toml", link); err != nil {
		t.Fatal(err)
	}
	f, err := ReadFile(project, ".codex/config.toml")
	if err != nil || string(f.Text) != "old" || !f.Exists {
		t.Fatalf("got %+v, %v", f, err)
	}
	if err := f.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != "../.agents/codex/config.toml" {
		t.Errorf("the link is %q (%v)", to, err)
	}
	info, err := os.Stat(real)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v (%v)", info.Mode(), err)
	}
	if text, err := os.ReadFile(real); err != nil || string(text) != "new" {
		t.Errorf("the text is %q (%v)", text, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(real), ".huskies-*")); err != nil || len(left) > 0 {
		t.Errorf("there is %v (%v)", left, err)
	}
}

func TestFileRefuses(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a link needs rights on Windows that a test may not have")
	}
	project, outside := t.TempDir(), t.TempDir()
	put(t, filepath.Join(outside, "mcp.json"), "{}", 0o644)
	for name, target := range map[string]string{
		"file": filepath.Join(outside, "mcp.json"), "folder": outside, "broken": "nowhere", "above": "..",
	} {
		if err := os.Symlink(target, filepath.Join(project, name)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(project, ".git", "config"), "", 0o644)
	put(t, filepath.Join(project, ".huskies", "pipeline.db"), "", 0o644)
	for name, target := range map[string]string{
		"git": ".git/config", "dir": ".git", "db": ".huskies/pipeline.db", ".huskies/init.json": "pipeline.db", ".huskies/.gitignore": "../plain/x",
	} {
		if err := os.Symlink(target, filepath.Join(project, name)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(project, "plain", "x"), "", 0o644)
	large := filepath.Join(project, "large")
	put(t, large, "", 0o644)
	if err := os.Truncate(large, maxFile+1); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"file": ErrOutside, "folder/mcp.json": ErrOutside, "folder/new.json": ErrOutside, "above/x": ErrOutside,
		"broken": ErrBrokenLink, "broken/x": ErrBrokenLink, "plain": ErrNotRegular, "large": ErrTooLarge,
		"git": ErrKept, "dir/config": ErrKept, "dir/new": ErrKept, "db": ErrKept, ".huskies/init.json": ErrKept, ".huskies/.gitignore": ErrKept,
	} {
		if _, err := ReadFile(project, name); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	if _, err := ReadFile(project, "large/x"); err == nil {
		t.Error("a file can be a folder")
	}
}

// TestFileSeesChanges: nobody's change is overwritten that came after reading.
func TestFileSeesChanges(t *testing.T) {
	project := t.TempDir()
	path := filepath.Join(project, "x")
	fresh, err := ReadFile(project, "x")
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, "theirs", 0o644)
	if err := fresh.Write([]byte("ours")); !errors.Is(err, ErrChanged) {
		t.Errorf("a new file: got %v", err)
	}
	read, err := ReadFile(project, "x")
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, "again", 0o644)
	if err := read.Write([]byte("ours")); !errors.Is(err, ErrChanged) {
		t.Errorf("a changed file: got %v", err)
	}
	if err := read.Remove(); !errors.Is(err, ErrChanged) {
		t.Errorf("removing a changed file: got %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "again" {
		t.Errorf("the text is %q", text)
	}
	if os.Geteuid() != 0 && runtime.GOOS != "windows" {
		put(t, path, "again", 0o444)
		if read, err = ReadFile(project, "x"); err != nil {
			t.Fatal(err)
		}
		if err := read.Write([]byte("ours")); !errors.Is(err, os.ErrPermission) {
			t.Errorf("a read-only file: got %v", err)
		}
	}
}
