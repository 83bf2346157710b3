package locate

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// linked is a main worktree /repo and its linked worktree /wt, as `git worktree add` lays them out.
func linked() map[string]string {
	return map[string]string{
		"repo/.git/worktrees/wt/commondir": "../..\n",
		"repo/.git/worktrees/wt/gitdir":    "$ROOT/wt/.git\n",
		"wt/.git":                          "gitdir: $ROOT/repo/.git/worktrees/wt\n",
		"wt/sub/":                          "",
	}
}

func TestLocate(t *testing.T) {
	type tree = map[string]string
	// Paths are relative to the test's directory, which texts call $ROOT. In a tree a name that ends in "/" is
	// a directory and a text that begins with "-> " makes a symlink.
	tests := []struct {
		name    string
		tree    tree
		with    tree // changes to tree; the text "gone" removes a file
		flag    string
		env     map[string]string
		wd      string
		path    string
		why     string
		above   string
		wantErr string // a part of the message
	}{
		// Named by the user.
		{
			name: "flag wins over variable and tree", tree: tree{"a/.huskies/pipeline.db": ""}, wd: "a",
			flag: "$ROOT/x.db", env: map[string]string{"HUSKIES_DB": "$ROOT/y.db"},
			path: "x.db", why: "named by --db",
		},
		{
			name: "variable wins over tree", tree: tree{"a/.huskies/pipeline.db": ""}, wd: "a",
			env:  map[string]string{"HUSKIES_DB": "../y.db", "CLAUDE_PROJECT_DIR": "/does/not/exist"},
			path: "y.db", why: "named by HUSKIES_DB",
		},
		{
			name: "directory given", tree: tree{"a/b/": ""}, wd: "a", flag: "b",
			wantErr: "--db names the directory $ROOT/a/b: give the path of a database file, such as $ROOT/a/b/.huskies/pipeline.db",
		},
		{
			name: "directory .huskies given", tree: tree{"a/.huskies/": ""}, wd: "a",
			env:     map[string]string{"HUSKIES_DB": ".huskies/"},
			wantErr: "HUSKIES_DB names the directory $ROOT/a/.huskies: give the path of a database file, such as $ROOT/a/.huskies/pipeline.db",
		},
		{
			name: "tilde", tree: tree{"a/": ""}, wd: "a", flag: "~/x.db",
			wantErr: `--db is "~/x.db", but a leading ~ is not expanded here: give the whole path`,
		},
		{
			name: "a variable of a shell", tree: tree{"a/": ""}, wd: "a", flag: "$PROJECT/x.db",
			wantErr: `--db is "$PROJECT/x.db", but $PROJECT is not expanded here, neither by us nor by the host that passed it on: give the whole path`,
		},
		{
			name: "a variable of a host", tree: tree{"a/": ""}, wd: "a", env: map[string]string{"HUSKIES_DB": "${workspaceFolder}/x.db"},
			wantErr: `but ${workspaceFolder} is not expanded here`,
		},
		{name: "a variable with a default", tree: tree{"a/": ""}, wd: "a", flag: "/x/${A:-b}/x.db", wantErr: "but ${A:-b} is not expanded"},
		{name: "a variable of Windows", tree: tree{"a/": ""}, wd: "a", flag: `%USERPROFILE%/x.db`, wantErr: "but %USERPROFILE% is not expanded"},
		{name: "no variables", tree: tree{"a/": ""}, wd: "a", flag: "50%off/$5/100%/a$.db", path: "a/50%off/$5/100%/a$.db", why: "named by --db"},
		{
			name: "a folder that the search finds may have such a name", tree: tree{"$HOME/${x}/.git/": ""}, wd: "$HOME/${x}",
			path: "$HOME/${x}/.huskies/pipeline.db", why: "new, at the root of the repository",
		},
		{name: "directory named ~", tree: tree{"a/": ""}, wd: "a", flag: "./~/x.db", path: "a/~/x.db", why: "named by --db"},

		// Where the search begins.
		{
			name: "project directory wins over wd", tree: tree{"a/.huskies/pipeline.db": "", "b/.huskies/pipeline.db": ""}, wd: "a",
			env:  map[string]string{"CLAUDE_PROJECT_DIR": "$ROOT/b"},
			path: "b/.huskies/pipeline.db", why: "found upwards from $ROOT/b",
		},
		{
			name: "new in the project directory", tree: tree{"a/": "", "b/": ""}, wd: "a",
			env:  map[string]string{"CLAUDE_PROJECT_DIR": "../b"},
			path: "b/.huskies/pipeline.db", why: "new, in CLAUDE_PROJECT_DIR",
		},
		{
			name: "project directory absent", tree: tree{"a/": ""}, wd: "a", env: map[string]string{"CLAUDE_PROJECT_DIR": "nope"},
			wantErr: "CLAUDE_PROJECT_DIR must name an existing directory: lstat $ROOT/a/nope",
		},
		{
			name: "project directory is a file", tree: tree{"a/f": ""}, wd: "a", env: map[string]string{"CLAUDE_PROJECT_DIR": "f"},
			wantErr: "CLAUDE_PROJECT_DIR must name an existing directory: $ROOT/a/f is none",
		},
		{
			name: "project directory with tilde", tree: tree{"a/": ""}, wd: "a", env: map[string]string{"CLAUDE_PROJECT_DIR": "~/p"},
			wantErr: `CLAUDE_PROJECT_DIR is "~/p", but a leading ~ is not expanded here`,
		},
		{name: "wd removed", wd: "gone", wantErr: "resolve the working directory: lstat $ROOT/gone"},

		// Upwards.
		{
			name: "nearest wins", tree: tree{"a/.huskies/pipeline.db": "", "a/b/.huskies/pipeline.db": "", "a/b/c/d/": ""}, wd: "a/b/c/d",
			path: "a/b/.huskies/pipeline.db", why: "found upwards from $ROOT/a/b/c/d",
		},
		{
			name: "not past the root of the repository", tree: tree{"a/.huskies/pipeline.db": "", "a/b/.git/": "", "a/b/c/": ""}, wd: "a/b/c",
			path: "a/b/.huskies/pipeline.db", why: "new, at the root of the repository", above: "a/.huskies/pipeline.db",
		},
		{
			name: "the root's own, with another above", tree: tree{"a/.huskies/pipeline.db": "", "a/b/.huskies/pipeline.db": "", "a/b/.git/": "", "a/b/c/": ""}, wd: "a/b/c",
			path: "a/b/.huskies/pipeline.db", why: "found upwards from $ROOT/a/b/c", above: "a/.huskies/pipeline.db",
		},
		{
			name: "not to the home folder", tree: tree{".huskies/pipeline.db": "", "home/.huskies/pipeline.db": "", "home/a/b/": ""}, wd: "home/a/b",
			env:  map[string]string{"HOME": "$ROOT/home"},
			path: "home/a/b/.huskies/pipeline.db", why: "new, in the working directory", above: "home/.huskies/pipeline.db",
		},
		{
			name: "below the home folder", tree: tree{"home/.huskies/pipeline.db": "", "home/a/.huskies/pipeline.db": "", "home/a/b/": ""}, wd: "home/a/b",
			env:  map[string]string{"HOME": "$ROOT/home"},
			path: "home/a/.huskies/pipeline.db", why: "found upwards from $ROOT/home/a/b", above: "home/.huskies/pipeline.db",
		},
		{
			name: "in the home folder itself, by a link", tree: tree{".huskies/pipeline.db": "", "home/.huskies/pipeline.db": "", "link": "-> home"}, wd: "home",
			env:  map[string]string{"HOME": "$ROOT/link"},
			path: "home/.huskies/pipeline.db", why: "found upwards from $ROOT/home", above: ".huskies/pipeline.db",
		},
		{
			name: "in a home folder that is a repository", tree: tree{"home/.huskies/pipeline.db": "", "home/.git/": "", "home/a/": ""}, wd: "home/a",
			env:  map[string]string{"HOME": "$ROOT/home"},
			path: "home/.huskies/pipeline.db", why: "found upwards from $ROOT/home/a",
		},
		{
			name: "past the home folder inside a repository", tree: tree{".huskies/pipeline.db": "", "home/.huskies/pipeline.db": "", ".git/": "", "home/a/": ""}, wd: "home/a",
			env:  map[string]string{"HOME": "$ROOT/home"},
			path: ".huskies/pipeline.db", why: "found upwards from $ROOT/home/a", above: "home/.huskies/pipeline.db",
		},
		{
			name: "only regular files count",
			tree: tree{"a/.huskies/pipeline.db": "", "a/b/.huskies/pipeline.db/": "", "a/b/c/.huskies": "a file", "a/b/c/d/.huskies/": ""},
			wd:   "a/b/c/d", path: "a/.huskies/pipeline.db", why: "found upwards from $ROOT/a/b/c/d",
		},
		{
			name: "new at the root of the repository", tree: tree{"a/.git/": "", "a/b/c/": ""}, wd: "a/b/c",
			path: "a/.huskies/pipeline.db", why: "new, at the root of the repository",
		},
		{
			name: "new outside of any repository", tree: tree{"a/b/": ""}, wd: "a/b",
			path: "a/b/.huskies/pipeline.db", why: "new, in the working directory",
		},
		{
			name: "symlink to a subdirectory", tree: tree{"a/.git/": "", "a/b/": "", "link": "-> a/b"}, wd: "link",
			path: "a/.huskies/pipeline.db", why: "new, at the root of the repository",
		},
		{
			name: "submodule", wd: "a/sub",
			tree: tree{"a/.git/modules/sub/HEAD": "", "a/sub/.git": "gitdir: ../.git/modules/sub\n"},
			path: "a/.huskies/pipeline.db", why: "new, at the root of the repository",
		},
		{
			name: "submodule with a pipeline of its own", wd: "a/sub",
			tree: tree{"a/.git/modules/sub/HEAD": "", "a/sub/.git": "gitdir: ../.git/modules/sub\n", "a/sub/.huskies/pipeline.db": ""},
			path: "a/sub/.huskies/pipeline.db", why: "found upwards from $ROOT/a/sub",
		},
		{
			name: "submodule of a submodule", wd: "a/sub/deep/x",
			tree: tree{
				"a/.git/modules/sub/modules/deep/HEAD": "", "a/sub/.git": "gitdir: ../.git/modules/sub\n",
				"a/sub/deep/.git": "gitdir: ../../.git/modules/sub/modules/deep\n", "a/sub/deep/x/": "",
			},
			path: "a/.huskies/pipeline.db", why: "new, at the root of the repository",
		},
		{
			name: "no submodule of the repository above", wd: "a/sub",
			tree: tree{"a/.git/modules/": "", "b/.git/modules/sub/HEAD": "", "a/sub/.git": "gitdir: ../../b/.git/modules/sub\n"},
			path: "a/sub/.huskies/pipeline.db", why: "new, at the root of the repository",
		},
		{
			name: "submodule of a project with a pipeline", wd: "a/sub",
			tree: tree{"a/.huskies/pipeline.db": "", "a/.git/modules/sub/HEAD": "", "a/sub/.git": "gitdir: ../.git/modules/sub\n"},
			path: "a/.huskies/pipeline.db", why: "found upwards from $ROOT/a/sub",
		},

		// Linked worktrees.
		{
			name: "linked, new", tree: linked(), wd: "wt/sub",
			path: "repo/.huskies/pipeline.db", why: "new, in the main worktree of the linked git worktree $ROOT/wt",
		},
		{
			name: "linked, found; its own is ignored", tree: linked(), wd: "wt/sub",
			with: tree{"repo/.huskies/pipeline.db": "", "wt/.huskies/pipeline.db": "", "wt/sub/.huskies/pipeline.db": ""},
			path: "repo/.huskies/pipeline.db", why: "found upwards from $ROOT/repo, main worktree of the linked git worktree $ROOT/wt",
		},
		{
			name: "linked, its own is ignored for a new one", tree: linked(), wd: "wt", with: tree{"wt/.huskies/pipeline.db": ""},
			path: "repo/.huskies/pipeline.db", why: "new, in the main worktree of the linked git worktree $ROOT/wt",
		},
		{
			name: "linked, above the main worktree", tree: linked(), wd: "wt", with: tree{".huskies/pipeline.db": ""},
			path: "repo/.huskies/pipeline.db", why: "new, in the main worktree of the linked git worktree $ROOT/wt", above: ".huskies/pipeline.db",
		},
		{
			name: "linked by relative paths", tree: linked(), wd: "wt",
			with: tree{"wt/.git": "gitdir: ../repo/.git/worktrees/wt\n", "repo/.git/worktrees/wt/gitdir": "../../../../wt/.git\n"},
			path: "repo/.huskies/pipeline.db", why: "new, in the main worktree of the linked git worktree $ROOT/wt",
		},
		{
			name: "linked through symlinks, and line ends of all kinds", tree: linked(), wd: "link/sub",
			with: tree{
				"link": "-> wt", "alias": "-> .", "wt/.git": "gitdir: $ROOT/alias/repo/.git/worktrees/wt\r\n",
				"repo/.git/worktrees/wt/gitdir": "$ROOT/link/.git", "repo/.git/worktrees/wt/commondir": "$ROOT/alias/repo/.git",
			},
			path: "repo/.huskies/pipeline.db", why: "new, in the main worktree of the linked git worktree $ROOT/wt",
		},
		{
			name: "linked by a relative path through a symlink", tree: linked(), wd: "wt",
			with: tree{"deep/er/": "", "link": "-> deep/er", "wt/.git": "gitdir: ../link/../../repo/.git/worktrees/wt\n"},
			path: "repo/.huskies/pipeline.db", why: "new, in the main worktree of the linked git worktree $ROOT/wt",
		},
		{
			name: "linked to a bare repository", wd: "wt",
			tree: tree{
				"repo.git/worktrees/wt/commondir": "../..\n", "repo.git/worktrees/wt/gitdir": "$ROOT/wt/.git\n",
				"wt/.git": "gitdir: $ROOT/repo.git/worktrees/wt\n", "repo.git/config": "[core]\n\tbare = true\n",
			},
			path: "repo.git/.huskies/pipeline.db", why: "new, in the main worktree of the linked git worktree $ROOT/wt",
		},
		{
			name: "repository nested in a linked worktree", tree: linked(), wd: "wt/sub", with: tree{"wt/sub/.git/": ""},
			path: "wt/sub/.huskies/pipeline.db", why: "new, at the root of the repository",
		},

		// In the pipeline's own folder.
		{
			name: "in .huskies, found", tree: tree{"a/.huskies/pipeline.db": ""}, wd: "a/.huskies",
			path: "a/.huskies/pipeline.db", why: "found upwards from $ROOT/a",
		},
		{
			name: "in .huskies, moved away", tree: tree{"a/.huskies/pipeline.db.old": ""}, wd: "a/.huskies",
			path: "a/.huskies/pipeline.db", why: "new, in the folder above the working directory",
		},
		{
			name: "in .huskies of a repository", tree: tree{"a/.git/": "", "a/.huskies/": ""}, wd: "a/.huskies",
			path: "a/.huskies/pipeline.db", why: "new, at the root of the repository",
		},
		{
			name: "in a repository that is called .huskies", tree: tree{".huskies/.git/": ""}, wd: ".huskies",
			path: ".huskies/.huskies/pipeline.db", why: "new, at the root of the repository",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := tempRoot(t)
			expand := func(s string) string { return strings.ReplaceAll(s, "$ROOT", root) }
			writeTree(t, root, tt.tree)
			writeTree(t, root, tt.with)
			before := listTree(t, root)

			got, err := placeAt(filepath.Join(root, tt.wd), func(key string) string { return expand(tt.env[key]) }).Find(expand(tt.flag))
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), expand(tt.wantErr)) {
					t.Errorf("got %+v, error %v; want error with %q", got, err, expand(tt.wantErr))
				}
			} else if err != nil {
				t.Errorf("got error %v", err)
			} else {
				want := Location{Path: filepath.Join(root, tt.path), Why: expand(tt.why)}
				if tt.above != "" {
					want.Above = filepath.Join(root, tt.above)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("location (-want +got):\n%s", diff)
				}
			}
			if diff := cmp.Diff(before, listTree(t, root)); diff != "" {
				t.Errorf("locate changed the tree (-before +after):\n%s", diff)
			}
		})
	}
}

// A .git file that the repository it leads to does not know, whether it is stale, broken or hostile, must
// leave the pipeline where that file is.
func TestLocateDistrustsGitFile(t *testing.T) {
	tests := []struct {
		name    string
		changes map[string]string
	}{
		{"main worktree is gone", map[string]string{"wt/.git": "gitdir: $ROOT/elsewhere/.git/worktrees/wt\n"}},
		{"no commondir", map[string]string{"repo/.git/worktrees/wt/commondir": "gone"}},
		{"no back link", map[string]string{"repo/.git/worktrees/wt/gitdir": "gone"}},
		{"back link to another worktree", map[string]string{"repo/.git/worktrees/wt/gitdir": "$ROOT/other/.git\n", "other/.git": ""}},
		{"back link to a worktree that is gone", map[string]string{"repo/.git/worktrees/wt/gitdir": "$ROOT/other/.git\n"}},
		{"back link to another file", map[string]string{"repo/.git/worktrees/wt/gitdir": "$ROOT/wt/git\n", "wt/git": ""}},
		{"back link is empty", map[string]string{"repo/.git/worktrees/wt/gitdir": ""}},
		{"commondir is empty", map[string]string{"repo/.git/worktrees/wt/commondir": ""}},
		{"commondir leads elsewhere", map[string]string{"repo/.git/worktrees/wt/commondir": "$ROOT/other/.git\n", "other/.git/": ""}},
		{"commondir is a directory", map[string]string{"repo/.git/worktrees/wt/commondir": "gone", "repo/.git/worktrees/wt/commondir/": ""}},
		{"commondir is a symlink", map[string]string{
			"repo/.git/worktrees/wt/commondir": "-> $ROOT/repo/.git/real", "repo/.git/real": "../..\n",
		}},
		{"not among the worktrees of the repository", map[string]string{
			"wt/.git": "gitdir: $ROOT/repo/.git/refs/wt\n", "repo/.git/refs/wt/gitdir": "$ROOT/wt/.git\n",
			"repo/.git/refs/wt/commondir": "../..\n",
		}},
		{"forged within the tree", map[string]string{
			"wt/.git": "gitdir: forged/worktrees/wt\n", "wt/forged/worktrees/wt/gitdir": "../../../.git\n",
			"wt/forged/worktrees/wt/commondir": "$ROOT/repo/.git\n",
		}},
		{"forged with a symlinked worktrees directory", map[string]string{
			"wt/.git": "gitdir: forged/worktrees/wt\n", "wt/forged/worktrees": "-> $ROOT/wt/real", "wt/real/wt/gitdir": "$ROOT/wt/.git\n",
			"wt/real/wt/commondir": "$ROOT/repo/.git\n",
		}},
		{"symlink to the .git file of a worktree", map[string]string{
			"good/.git": "gitdir: $ROOT/repo/.git/worktrees/wt\n", "repo/.git/worktrees/wt/gitdir": "$ROOT/good/.git\n",
			"wt/.git": "-> $ROOT/good/.git",
		}},
		{"no prefix", map[string]string{"wt/.git": "$ROOT/repo/.git/worktrees/wt\n"}},
		{"nothing after the prefix", map[string]string{"wt/.git": "gitdir: \n"}},
		{"empty", map[string]string{"wt/.git": ""}},
		{"NUL", map[string]string{"wt/.git": "gitdir: $ROOT/repo/.git/worktrees/wt\x00\n"}},
		{"second line", map[string]string{"wt/.git": "gitdir: $ROOT/repo/.git/worktrees/wt\nx\n"}},
		{"too long", map[string]string{"wt/.git": "gitdir: $ROOT/repo/.git/worktrees/wt" + strings.Repeat("\n", maxGitLink)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := tempRoot(t)
			writeTree(t, root, linked())
			writeTree(t, root, tt.changes)
			wantLocation(t, filepath.Join(root, "wt", "sub"), Location{
				Path: filepath.Join(root, "wt", File), Why: "new, at the root of the repository",
			})
		})
	}
}

// Opening a FIFO would hang the server before it has said a word.
func TestLocateFIFO(t *testing.T) {
	mkfifo, err := exec.LookPath("mkfifo")
	if err != nil {
		t.Skip("no mkfifo on this system")
	}
	for _, name := range []string{"wt/.git", "repo/.git/worktrees/wt/commondir", "repo/.git/worktrees/wt/gitdir", "wt/.huskies/pipeline.db"} {
		t.Run(name, func(t *testing.T) {
			root := tempRoot(t)
			writeTree(t, root, linked())
			writeTree(t, root, map[string]string{name: "gone", "wt/.huskies/": ""})
			if out, err := exec.Command(mkfifo, filepath.Join(root, name)).CombinedOutput(); err != nil {
				t.Fatalf("mkfifo: %v\n%s", err, out)
			}
			if _, err := placeAt(filepath.Join(root, "wt"), os.Getenv).Find(""); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLocateSkipsUnreadableDirectories(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	root := tempRoot(t)
	writeTree(t, root, map[string]string{"a/.huskies/pipeline.db": "", "a/b/.huskies/pipeline.db": "", "a/b/.git": "gitdir: /x\n", "a/b/c/": ""})
	for _, name := range []string{"a/b/.huskies", "a/b/.git"} {
		path := filepath.Join(root, name)
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(path, 0o700) })
	}
	wantLocation(t, filepath.Join(root, "a", "b", "c"), Location{
		Path: filepath.Join(root, "a", "b", File), Why: "new, at the root of the repository", Above: filepath.Join(root, "a", File),
	})
}

// placeAt is the place of a process with that working directory and these variables.
func placeAt(wd string, getenv func(string) string) Place {
	return Place{Getenv: getenv, Dir: wd, Home: HomeFolder(getenv)}
}

// wantLocation locates from wd with neither an option nor a variable set.
func wantLocation(t *testing.T, wd string, want Location) {
	t.Helper()
	got, err := placeAt(wd, func(string) string { return "" }).Find("")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("location from %s (-want +got):\n%s", wd, diff)
	}
}

// tempRoot returns a physical directory which nothing above it influences.
func tempRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for dir := range Upwards(root) {
		for _, name := range []string{".git", File} {
			if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
				t.Fatalf("%s has %s: set TMPDIR to a directory outside of any project", dir, name)
			}
		}
	}
	return root
}

// writeTree makes the files of a tree, which TestLocate explains, in the order of their names.
func writeTree(t *testing.T, root string, tree map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		path, text := filepath.Join(root, name), strings.ReplaceAll(tree[name], "$ROOT", root)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		target, isLink := strings.CutPrefix(text, "-> ")
		switch {
		case err != nil:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		case text == "gone":
			err = os.RemoveAll(path)
		case isLink:
			os.Remove(path) // it may replace a file
			err = os.Symlink(target, path)
		default:
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// listTree returns the name and mode of all that root holds.
func listTree(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		names = append(names, path+" "+d.Type().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
