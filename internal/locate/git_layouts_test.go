package locate

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLocateGit finds the database in the layouts that git itself makes.
func TestLocateGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git on PATH")
	}
	root := tempRoot(t)
	run := func(dir string, args ...string) {
		t.Helper()
		args = append([]string{"-c", "user.name=a", "-c", "user.email=a@example.org", "-C", filepath.Join(root, dir)}, args...)
		cmd := exec.Command(git, args...)
		// In a hook, GIT_DIR and its kin name the repository that is being committed to.
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") })
		cmd.Env = append(cmd.Env, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run(".", "init", "--quiet", "repo")
	run("repo", "commit", "--quiet", "--allow-empty", "--message", "first")
	run("repo", "worktree", "add", "--quiet", "-b", "one", "../one")
	run("repo", "worktree", "add", "--quiet", "-b", "two", "inside/two")
	run("repo", "-c", "worktree.useRelativePaths=true", "worktree", "add", "--quiet", "-b", "three", "../three")
	run(".", "clone", "--quiet", "--bare", "repo", "bare.git")
	run("bare.git", "worktree", "add", "--quiet", "-b", "four", "../four")
	run(".", "init", "--quiet", "--separate-git-dir=store", "separate")
	run("separate", "commit", "--quiet", "--allow-empty", "--message", "first")
	run("separate", "worktree", "add", "--quiet", "-b", "five", "../five")
	run(".", "init", "--quiet", "super")
	run("super", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", filepath.Join(root, "repo"), "lib \"x\"")
	run("super/lib \"x\"", "worktree", "add", "--quiet", "-b", "six", filepath.Join(root, "six"))
	run("repo", "worktree", "add", "--quiet", "-b", "moved", "../before")
	run("repo", "worktree", "move", "../before", "../moved")
	run("repo", "worktree", "add", "--quiet", "-b", "copied", "../original")
	if err := os.CopyFS(filepath.Join(root, "copied"), os.DirFS(filepath.Join(root, "original"))); err != nil {
		t.Fatal(err)
	}

	const atRoot, inMain = "new, at the root of the repository", "new, in the main worktree of the linked git worktree "
	tests := []struct{ name, wd, home, why string }{
		{"main worktree", "repo", "repo", atRoot},
		{"git directory", "repo/.git/refs", "repo", atRoot},
		{"beside the main worktree", "one", "repo", inMain},
		{"inside the main worktree", "repo/inside/two", "repo", inMain},
		{"relative paths", "three", "repo", inMain},
		{"of a bare clone", "four", "bare.git", inMain},
		{"the bare clone", "bare.git", "bare.git", "new, in the working directory"},
		{"separate git directory", "separate", "separate", atRoot},
		{"of a separate git directory", "five", "five", atRoot},
		{"submodule", "super/lib \"x\"", "super", atRoot},
		{"of a submodule", "six", "super", inMain},
		{"moved", "moved", "repo", inMain},
		{"copied", "copied", "copied", atRoot},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wd, why := filepath.Join(root, tt.wd), tt.why
			if tt.name == "relative paths" {
				text, err := os.ReadFile(filepath.Join(wd, ".git"))
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(text), root) {
					t.Skip("git before 2.48 writes absolute paths only")
				}
			}
			if why == inMain {
				why += wd
			}
			wantLocation(t, wd, Location{Path: filepath.Join(root, tt.home, File), Why: why})
		})
	}
}
