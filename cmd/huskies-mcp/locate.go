package main

import (
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// databaseFile is where a project keeps its pipeline, relative to the project's root.
var databaseFile = filepath.Join(".huskies", "pipeline.db")

// maxGitLink bounds what is read from git's one-line link files. They hold one path, and 4096 bytes is
// PATH_MAX on Linux.
const maxGitLink = 4 << 10

// maxGitConfig bounds a repository's configuration, which has a few lines a branch.
const maxGitConfig = 1 << 20

// location says which database file is in use and why.
type location struct {
	Path string // absolute; the file and its directory may not exist yet
	Why  string // a short plain phrase for one log line
}

// locate finds the database file of the project that the server was started in:
//
//  1. the file named by flagDB (--db), else by HUSKIES_DB;
//  2. the nearest existing .huskies/pipeline.db upwards from CLAUDE_PROJECT_DIR, else from wd;
//  3. a new .huskies/pipeline.db at the root of the repository around that directory, else in it.
//
// In a linked git worktree 2 and 3 start at the root of the main worktree, so that all worktrees of a
// repository share one pipeline. wd must be absolute. locate only reads: it creates nothing and never runs
// git. What it cannot read on the way up it takes for absent.
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

	from, root := start, start
	found, fresh := "found upwards from "+start, "new, in "+place
	if repository, ok := repositoryRoot(start); ok {
		root, fresh = repository, "new, at the root of the repository"
		if mainRoot, ok := mainWorktree(repository); ok {
			from, root = mainRoot, mainRoot
			found = "found upwards from " + mainRoot + ", main worktree of the linked git worktree " + repository
			fresh = "new, in the main worktree of the linked git worktree " + repository
		}
	}
	for dir := range upwards(from) {
		path := filepath.Join(dir, databaseFile)
		info, err := os.Lstat(path)
		switch {
		case err == nil && info.Mode()&fs.ModeSymlink != 0:
			return location{}, &notUsed{
				fmt.Sprintf("%s is a symbolic link, which may have come with the files around it, so the search does not follow it", path),
				"to use the database that it leads to, give --db " + quoted(path),
			}
		case err == nil && info.Mode().IsRegular():
			return location{Path: path, Why: found}, checkOwners(path, getenv)
		}
	}
	path := filepath.Join(root, databaseFile)
	return location{Path: path, Why: fresh}, checkOwners(path, getenv)
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

// namedDatabase takes the file that the user named by an option or a variable, whether it exists or not.
func namedDatabase(name, value, wd string) (location, error) {
	if value == ":memory:" || strings.HasPrefix(value, "file:") {
		return location{}, fmt.Errorf("%s is %q, which only SQLite's own tools read as more than a name: give the path of a database file", name, value)
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
	return location{Path: path, Why: "named by " + name}, nil
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

// repositoryRoot returns the nearest directory upwards from dir that has a .git directory or file.
func repositoryRoot(dir string) (string, bool) {
	for dir := range upwards(dir) {
		info, err := os.Stat(filepath.Join(dir, ".git"))
		if err == nil && (info.IsDir() || info.Mode().IsRegular()) {
			return dir, true
		}
	}
	return "", false
}

// mainWorktree returns the root of the main worktree of the linked worktree at root, or the repository itself
// if that is bare. It reports false for any other kind of root: of an ordinary repository, of a submodule, of
// one with a separate git directory or a worktree of that, and of a worktree whose links are broken.
//
// A linked worktree's .git file leads to <common>/worktrees/<id>, in which the file commondir leads to the
// common directory and the file gitdir back to the .git file (gitrepository-layout(5), git-worktree(1)).
// What the .git file says decides where we will write, and it may be stale or come with a hostile tree. So
// all three must agree, which takes write access to the repository to forge.
func mainWorktree(root string) (string, bool) {
	link, ok := readGitLink(root, ".git", "gitdir: ")
	if !ok {
		return "", false
	}
	gitDir, err := filepath.EvalSymlinks(link)
	if err != nil {
		return "", false
	}
	commonLink, hasCommon := readGitLink(gitDir, "commondir", "")
	back, hasBack := readGitLink(gitDir, "gitdir", "")
	if !hasCommon || !hasBack {
		return "", false
	}

	// Directories are compared, not the .git files: a symlink or a hard link to the .git file of another
	// worktree is not one that the repository knows.
	worktrees := filepath.Dir(gitDir)
	common := filepath.Dir(worktrees)
	backDir, name := filepath.Split(back)
	if filepath.Base(worktrees) != "worktrees" || !sameFile(commonLink, common) ||
		name != ".git" || !sameFile(backDir, root) {
		return "", false
	}
	parent := filepath.Dir(common)
	if filepath.Base(common) == ".git" {
		return parent, true
	}
	// A bare repository hidden in a folder beside its worktrees, to which the
	// folder's .git file leads: the folder stands for the main worktree, as it
	// does for who starts there.
	if link, ok := readGitLink(parent, ".git", "gitdir: "); ok && sameFile(link, common) {
		return parent, true
	}
	return configuredWorktree(common)
}

// configuredWorktree returns the main worktree of the git directory at common by its configuration: that
// of a submodule is named there, and a bare repository stands for its own. With --separate-git-dir nothing says
// where it is.
func configuredWorktree(common string) (string, bool) {
	text, ok := readGitFile(filepath.Join(common, "config"), maxGitConfig)
	if !ok {
		return "", false
	}
	bare, worktree := readCore(string(text))
	if bare {
		return common, true
	}
	if worktree != "" && !filepath.IsAbs(worktree) {
		worktree = filepath.Join(common, worktree)
	}
	root, err := filepath.EvalSymlinks(worktree)
	if err != nil || worktree == "" {
		return "", false
	}
	info, err := os.Stat(root)
	return root, err == nil && info.IsDir()
}

var unescapeGit = strings.NewReplacer(`\\`, `\`, `\"`, `"`)

// readCore reads core.bare and core.worktree as git itself writes them (git-config(1)): one a line, where need be in
// quotation marks and with backslashes.
func readCore(config string) (bare bool, worktree string) {
	section := ""
	for line := range strings.Lines(config) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.ToLower(strings.TrimSuffix(name, "]"))
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		value = strings.TrimSpace(value)
		if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		value = unescapeGit.Replace(value)
		switch key = strings.ToLower(strings.TrimSpace(key)); {
		case section != "core":
		case key == "bare":
			bare = strings.EqualFold(value, "true")
		case key == "worktree":
			worktree = value
		}
	}
	return bare, worktree
}

// readGitLink returns the path that follows prefix in one of git's link files, taken relative to dir, which
// the file is in. The path is not cleaned, as that would drop "link/.." before the link is followed.
func readGitLink(dir, name, prefix string) (string, bool) {
	text, ok := readGitFile(filepath.Join(dir, name), maxGitLink)
	if !ok {
		return "", false
	}
	path, ok := strings.CutPrefix(strings.TrimRight(string(text), "\r\n"), prefix)
	if !ok {
		return "", false
	}
	if !filepath.IsAbs(path) {
		path = dir + string(filepath.Separator) + path
	}
	return path, true
}

// readGitFile returns the content of one of git's files, if it is a plain file of at most max bytes. Git writes
// them as plain files. A FIFO must not even be opened: that blocks until somebody writes to it.
func readGitFile(file string, max int64) ([]byte, bool) {
	if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, max+1))
	return text, err == nil && int64(len(text)) <= max
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
