// Package locate finds the database file of the project that a process works on.
//
// The package takes the environment, the working directory and the home folder as arguments. It
// reads folders, git's files and .gitignore. It creates nothing and never runs git.
package locate

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Folder is the folder of a project's pipeline. File is the database in it. Both are relative to the project's root.
const Folder = ".huskies"

var File = filepath.Join(Folder, "pipeline.db")

// Location says which database file is in use and why.
type Location struct {
	Path string // absolute; the file and its folder may not exist yet
	Why  string // a short plain phrase for one log line
	// Above is a pipeline above the project that the search does not use, "" if there is none.
	Above string
}

// namedBy begins the Why of a file that a person named.
const namedBy = "named by "

// Named reports whether a person named the file, by an option or a variable.
func (l Location) Named() bool { return strings.HasPrefix(l.Why, namedBy) }

// Place is where a search begins: what a process was given when it started.
type Place struct {
	Getenv func(string) string
	Dir    string // the working directory, absolute
	Home   string // the home folder as HomeFolder returns it, "" if it is not known
}

// Find returns the database file of the project around the place:
//
//  1. the file named by flagDB (--db), else by HUSKIES_DB;
//  2. the nearest existing .huskies/pipeline.db from CLAUDE_PROJECT_DIR, else from the working directory, upwards to
//     the root of the repository around it, or where there is none to the home folder;
//  3. a new .huskies/pipeline.db at the root of the repository around that folder, else in it.
//
// In a linked git worktree, 2 and 3 start at the root of the main worktree, so that all worktrees
// of a repository share one pipeline. The root of a submodule is its superproject's. Outside a
// repository a search in a folder .huskies begins above that folder, so that no .huskies is made in
// another. The home folder's own pipeline is used only where the search begins there or that folder
// is the root of the repository. A file or folder on the way up that cannot be read counts as
// absent. The error is a [*NotUsed] if the search found a database that it must not use.
func (p Place) Find(flagDB string) (Location, error) {
	if flagDB != "" {
		return namedDatabase("--db", flagDB, p.Dir)
	}
	if db := p.Getenv("HUSKIES_DB"); db != "" {
		return namedDatabase("HUSKIES_DB", db, p.Dir)
	}
	start, place, err := p.start()
	if err != nil {
		return Location{}, err
	}
	r, inRepository := findRepository(start)
	if !inRepository && filepath.Base(start) == filepath.Dir(File) {
		start, place = filepath.Dir(start), "the folder above "+place
	}
	s := search{start: start, from: start, home: p.Home}
	found, fresh := "found upwards from "+start, "new, in "+place
	newRoot := start
	if inRepository {
		s.root, newRoot, fresh = r.root, r.root, "new, at the root of the repository"
		if r.worktree != "" {
			s.from = r.main
			found = "found upwards from " + r.main + ", main worktree of the linked git worktree " + r.worktree
			fresh = "new, in the main worktree of the linked git worktree " + r.worktree
		}
	}
	where, err := s.run()
	if err != nil {
		return Location{}, err
	}
	if where.Path != "" {
		where.Why = found
	} else {
		where.Path, where.Why = filepath.Join(newRoot, File), fresh
	}
	return where, checkOwners(where.Path, p.Getenv)
}

// search is the way upwards to the project's pipeline.
type search struct {
	start string // the folder of which the pipeline is wanted
	from  string // the folder in which the search begins
	root  string // the root of the repository, at which the search ends; "" if there is none
	home  string // the home folder, "" if it is not known
}

// run returns the nearest pipeline inside the project, and the nearest one above it.
func (s *search) run() (where Location, err error) {
	inside := true
	for dir := range Upwards(s.from) {
		path := filepath.Join(dir, File)
		usable := inside && (dir != s.home || s.start == s.home || s.root == s.home)
		info, err := os.Lstat(path)
		switch {
		case err != nil:
		case usable && where.Path == "" && info.Mode()&fs.ModeSymlink != 0:
			return where, &NotUsed{
				Path: path, Link: true,
				Problem: fmt.Sprintf("%s is a symbolic link, which may have come with the files around it, so the search does not follow it", path),
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

// HomeFolder returns the user's home folder, without links as the search's folders are; "" if it is
// not known.
func HomeFolder(getenv func(string) string) string {
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

// NotUsed says why the search does not use the database that it found. The database is used if a
// person names Path.
type NotUsed struct {
	Path    string
	Link    bool // Path is a symbolic link; otherwise somebody else owns the database or its folder
	Problem string
}

func (e *NotUsed) Error() string { return e.Problem }

// checkOwners returns an error if the database that the search found, or its folder, belongs to
// another user, as git does for a repository (git-config(1), safe.directory): a folder above the
// project, such as /tmp, may be open to all. Root by way of sudo counts as the user who called
// sudo.
func checkOwners(path string, getenv func(string) string) error {
	for _, name := range []string{filepath.Dir(path), path} {
		info, err := os.Lstat(name)
		if err != nil {
			continue // it is to be made, or opening it says why it cannot be seen
		}
		owner, known := OwnerOf(info)
		me := os.Geteuid()
		if !known || owner == me || me == 0 && getenv("SUDO_UID") == strconv.Itoa(owner) {
			continue
		}
		return &NotUsed{
			Path:    path,
			Problem: fmt.Sprintf("%s belongs to %s, and this is %s: what somebody else put there is not used unless a person names it", name, UserName(owner), UserName(me)),
		}
	}
	return nil
}

// unexpanded matches what shells and hosts replace by the value of a variable: ${NAME} in any form,
// $NAME, %NAME%.
var unexpanded = regexp.MustCompile(`\$\{[^}]*\}?|\$[A-Za-z_][A-Za-z0-9_]*|%[A-Za-z_][A-Za-z0-9_]*%`)

// namedDatabase takes the file that the user named by an option or a variable, whether it exists or
// not.
func namedDatabase(name, value, wd string) (Location, error) {
	if value == ":memory:" || strings.HasPrefix(value, "file:") {
		return Location{}, fmt.Errorf("%s is %q, which only SQLite's own tools read as more than a name: give the path of a database file", name, value)
	}
	if word := unexpanded.FindString(value); word != "" {
		return Location{}, fmt.Errorf("%s is %q, but %s is not expanded here, neither by us nor by the host that passed it on: give the whole path", name, value, word)
	}
	path, err := absolutePath(name, value, wd)
	if err != nil {
		return Location{}, err
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		file := filepath.Join(path, File)
		if filepath.Base(path) == filepath.Dir(File) {
			file = filepath.Join(path, filepath.Base(File))
		}
		return Location{}, fmt.Errorf("%s names the directory %s: give the path of a database file, such as %s",
			name, path, file)
	}
	if err == nil && !info.Mode().IsRegular() { // a device, a FIFO: SQLite would leave files beside it and blame the disk
		return Location{}, fmt.Errorf("%s names %s, which is not a regular file: give the path of a database file", name, path)
	}
	return Location{Path: path, Why: namedBy + name}, nil
}

// Start returns the folder in which the search begins.
func (p Place) Start() (string, error) {
	dir, _, err := p.start()
	return dir, err
}

// start returns the folder in which the search begins, and what to call that folder. The path is
// physical, as git's own is: sessions that reach a project through different symlinks walk the same
// ancestors and open the database under the same name.
func (p Place) start() (dir, place string, err error) {
	projectDir := p.Getenv("CLAUDE_PROJECT_DIR")
	if projectDir == "" {
		dir, err = filepath.EvalSymlinks(p.Dir)
		if err != nil {
			return "", "", fmt.Errorf("resolve the working directory: %w", err)
		}
		return dir, "the working directory", nil
	}
	path, err := absolutePath("CLAUDE_PROJECT_DIR", projectDir, p.Dir)
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

// absolutePath reads a path that the user gave. A leading ~ is for the shell to expand, which it
// does not do within --db=~/x or a client's configuration file; a directory named "~" is never what
// was meant.
func absolutePath(name, value, wd string) (string, error) {
	if strings.HasPrefix(value, "~/") {
		return "", fmt.Errorf("%s is %q, but a leading ~ is not expanded here: give the whole path", name, value)
	}
	if filepath.IsAbs(value) {
		return filepath.Clean(value), nil
	}
	return filepath.Join(wd, value), nil
}

// SameFile reports whether two paths lead to the same file. It compares the files' identities, so
// that spelling on a case-insensitive file system does not matter.
func SameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// Upwards yields dir and its ancestors, the nearest first. dir must be absolute and clean.
func Upwards(dir string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for yield(dir) && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir)
		}
	}
}

// NearestFolder returns the nearest folder above path that exists, "" if none can be seen.
func NearestFolder(path string) string {
	for dir := range Upwards(filepath.Dir(path)) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	return ""
}

// MissingFolder returns the folder that the first write to the database at path needs, and whether
// it is not there. It is the database's folder, or the one above a folder .huskies, which is made
// with the database.
func MissingFolder(path string) (folder string, missing bool) {
	folder = filepath.Dir(path)
	if filepath.Base(folder) == filepath.Dir(File) {
		folder = filepath.Dir(folder)
	}
	_, err := os.Stat(folder)
	return folder, errors.Is(err, fs.ErrNotExist)
}
