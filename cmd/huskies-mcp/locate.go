package main

import (
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// databaseFile is where a project keeps its pipeline, relative to the project's root.
var databaseFile = filepath.Join(".huskies", "pipeline.db")

// location says which database file is in use and why.
type location struct {
	Path string // absolute; the file and its directory may not exist yet
	Why  string // a short plain phrase for one log line
	// Above is a pipeline above the project that the search does not use, "" if there is none.
	Above string
}

// namedBy begins the Why of a file that a person named.
const namedBy = "named by "

// locate finds the database file of the project that the server was started in:
//
//  1. the file named by flagDB (--db), else by HUSKIES_DB;
//  2. the nearest existing .huskies/pipeline.db from CLAUDE_PROJECT_DIR, else from wd, upwards to the root of the
//     repository around it, or where there is none to the home folder;
//  3. a new .huskies/pipeline.db at the root of the repository around that directory, else in it.
//
// In a linked git worktree 2 and 3 start at the root of the main worktree, so that all worktrees of a
// repository share one pipeline, and the root of a submodule is its superproject's. The home folder's own pipeline is
// used only where the search begins there or that folder is the root of the repository. wd must be absolute. locate
// only reads: it creates nothing and never runs git. What it cannot read on the way up it takes for absent.
func locate(flagDB string, getenv func(string) string, wd string) (location, error) {
	if flagDB != "" {
		return namedDatabase("--db", flagDB, wd)
	}
	if db := getenv("HUSKIES_DB"); db != "" {
		return namedDatabase("HUSKIES_DB", db, wd)
	}
	start, place, err := startDirectory(getenv("CLAUDE_PROJECT_DIR"), wd)
	if err != nil {
		return location{}, err
	}
	s := search{start: start, from: start, home: homeFolder(getenv)}
	found, fresh := "found upwards from "+start, "new, in "+place
	newRoot := start
	if r, ok := findRepository(start); ok {
		s.root, newRoot, fresh = r.root, r.root, "new, at the root of the repository"
		if r.worktree != "" {
			s.from = r.main
			found = "found upwards from " + r.main + ", main worktree of the linked git worktree " + r.worktree
			fresh = "new, in the main worktree of the linked git worktree " + r.worktree
		}
	}
	where, err := s.run()
	if err != nil {
		return location{}, err
	}
	if where.Path != "" {
		where.Why = found
	} else {
		where.Path, where.Why = filepath.Join(newRoot, databaseFile), fresh
	}
	return where, checkOwners(where.Path, getenv)
}

// search is the way upwards to the project's pipeline.
type search struct {
	start string // the folder of which the pipeline is wanted
	from  string // the folder in which the search begins
	root  string // the root of the repository, at which the search ends; "" if there is none
	home  string // the home folder, "" if it is not known
}

// run returns the nearest pipeline inside the project, and the nearest one above it.
func (s *search) run() (where location, err error) {
	inside := true
	for dir := range upwards(s.from) {
		path := filepath.Join(dir, databaseFile)
		usable := inside && (dir != s.home || s.start == s.home || s.root == s.home)
		info, err := os.Lstat(path)
		switch {
		case err != nil:
		case usable && where.Path == "" && info.Mode()&fs.ModeSymlink != 0:
			return where, &notUsed{
				fmt.Sprintf("%s is a symbolic link, which may have come with the files around it, so the search does not follow it", path),
				"to use the database that it leads to, give --db " + quoted(path),
			}
		case usable && where.Path == "" && info.Mode().IsRegular():
			where.Path = path
		case !usable && where.Above == "" && info.Mode().IsRegular():
			where.Above = path
		}
		if dir == s.root || s.root == "" && dir == s.home {
			inside = false
		}
	}
	return where, nil
}

// homeFolder returns the user's home folder, without links as the search's folders are; "" if it is not known.
func homeFolder(getenv func(string) string) string {
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if home := getenv(name); filepath.IsAbs(home) {
			if real, err := filepath.EvalSymlinks(home); err == nil {
				return real
			}
			return filepath.Clean(home)
		}
	}
	return ""
}

// notUsed says why the search does not use what it found.
type notUsed struct{ problem, remedy string }

func (e *notUsed) Error() string { return e.problem + ": " + e.remedy }

// checkOwners returns an error if the database that the search found, or its folder, belongs to another user, as git
// does for a repository (git-config(1), safe.directory): a folder above the project, such as /tmp, may be open to
// all. Root by way of sudo counts as the user who called sudo.
func checkOwners(path string, getenv func(string) string) error {
	for _, name := range []string{filepath.Dir(path), path} {
		info, err := os.Lstat(name)
		if err != nil {
			continue // it is to be made, or opening it says why it cannot be seen
		}
		owner, known := ownerOf(info)
		me := os.Geteuid()
		if !known || owner == me || me == 0 && getenv("SUDO_UID") == strconv.Itoa(owner) {
			continue
		}
		return &notUsed{
			fmt.Sprintf("%s belongs to %s, and this is %s: what somebody else put there is not used unless a person names it", name, userName(owner), userName(me)),
			"to use it all the same, give --db " + quoted(path),
		}
	}
	return nil
}

// unexpanded matches what shells and hosts replace by the value of a variable: ${NAME} in any form, $NAME, %NAME%.
var unexpanded = regexp.MustCompile(`\$\{[^}]*\}?|\$[A-Za-z_][A-Za-z0-9_]*|%[A-Za-z_][A-Za-z0-9_]*%`)

// namedDatabase takes the file that the user named by an option or a variable, whether it exists or not.
func namedDatabase(name, value, wd string) (location, error) {
	if value == ":memory:" || strings.HasPrefix(value, "file:") {
		return location{}, fmt.Errorf("%s is %q, which only SQLite's own tools read as more than a name: give the path of a database file", name, value)
	}
	if word := unexpanded.FindString(value); word != "" {
		return location{}, fmt.Errorf("%s is %q, but %s is not expanded here, neither by us nor by the host that passed it on: give the whole path", name, value, word)
	}
	path, err := absolutePath(name, value, wd)
	if err != nil {
		return location{}, err
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		file := filepath.Join(path, databaseFile)
		if filepath.Base(path) == filepath.Dir(databaseFile) {
			file = filepath.Join(path, filepath.Base(databaseFile))
		}
		return location{}, fmt.Errorf("%s names the directory %s: give the path of a database file, such as %s",
			name, path, file)
	}
	if err == nil && !info.Mode().IsRegular() { // a device, a FIFO: SQLite would leave files beside it and blame the disk
		return location{}, fmt.Errorf("%s names %s, which is not a regular file: give the path of a database file", name, path)
	}
	return location{Path: path, Why: namedBy + name}, nil
}

// startDirectory is where the search begins, and what to call that directory. The path is physical, as git's
// own is: sessions that reach a project through different symlinks walk the same ancestors and open the
// database under the same name.
func startDirectory(projectDir, wd string) (dir, place string, err error) {
	if projectDir == "" {
		dir, err = filepath.EvalSymlinks(wd)
		if err != nil {
			return "", "", fmt.Errorf("resolve the working directory: %w", err)
		}
		return dir, "the working directory", nil
	}
	path, err := absolutePath("CLAUDE_PROJECT_DIR", projectDir, wd)
	if err != nil {
		return "", "", err
	}
	dir, err = filepath.EvalSymlinks(path)
	if err != nil {
		return "", "", fmt.Errorf("CLAUDE_PROJECT_DIR must name an existing directory: %w", err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", "", fmt.Errorf("CLAUDE_PROJECT_DIR must name an existing directory: %s is none", path)
	}
	return dir, "CLAUDE_PROJECT_DIR", nil
}

// absolutePath reads a path that the user gave. A leading ~ is for the shell to expand, which it does not do
// within --db=~/x or a client's configuration file; a directory named "~" is never what was meant.
func absolutePath(name, value, wd string) (string, error) {
	if strings.HasPrefix(value, "~/") {
		return "", fmt.Errorf("%s is %q, but a leading ~ is not expanded here: give the whole path", name, value)
	}
	if filepath.IsAbs(value) {
		return filepath.Clean(value), nil
	}
	return filepath.Join(wd, value), nil
}

// sameFile compares by identity, so that spelling on a case-insensitive file system does not matter.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// upwards yields dir and its ancestors, the nearest first. dir must be absolute and clean.
func upwards(dir string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for yield(dir) && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir)
		}
	}
}
