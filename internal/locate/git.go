package locate

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxGitLink bounds what is read from git's one-line link files. They hold one path, and 4096 bytes
// is PATH_MAX on Linux.
const maxGitLink = 4 << 10

// maxGitConfig bounds a repository's configuration, which has a few lines a branch.
const maxGitConfig = 1 << 20

// repository is the repository around a folder.
type repository struct {
	// root is the folder in which the project begins. That of a submodule is its superproject's,
	// that of a linked worktree is the main worktree's.
	root string
	// worktree is the linked worktree that led to root, "" if none did.
	worktree string
	// main is the main worktree of that one, in which the search begins.
	main string
}

// maxNested bounds how many submodules and worktrees may stand in each other.
const maxNested = 32

// findRepository returns the repository around dir. It reports false if there is none.
func findRepository(dir string) (r repository, ok bool) {
	if r.root, ok = RepositoryRoot(dir); !ok {
		return r, false
	}
	for range maxNested {
		if main, ok := MainWorktree(r.root); ok {
			r.worktree, r.main, r.root = r.root, main, main
		} else if super, ok := superproject(r.root); ok {
			r.root = super
		} else {
			break
		}
	}
	return r, true
}

// BrokenWorktree says what is wrong with git's link at the root of the repository in which the
// search begins, so that another file than where may be meant. It is "" if nothing is wrong, or if
// a person named the file.
func (p Place) BrokenWorktree(where Location) string {
	if where.Named() {
		return ""
	}
	start, err := p.Start()
	if err != nil {
		return ""
	}
	r, ok := findRepository(start)
	if !ok {
		return ""
	}
	return brokenLink(r.root)
}

// RepairLink says what to do about a broken link of git's.
const RepairLink = "run 'git worktree repair' in the main worktree, or for a submodule 'git submodule update --init' in its superproject; until then this folder has a pipeline of its own"

// superproject returns the root of the repository of which the one at root is a submodule: the next
// one above, if it keeps the submodule's git directory in its own (gitsubmodules(7)). Only who can
// write there can forge that.
func superproject(root string) (string, bool) {
	link, ok := readGitLink(root, ".git", "gitdir: ")
	if !ok {
		return "", false
	}
	above, ok := RepositoryRoot(filepath.Dir(root))
	if !ok || above == root {
		return "", false
	}
	own := filepath.Join(above, ".git")
	if to, ok := readGitLink(above, ".git", "gitdir: "); ok {
		own = to
	}
	gitDir, err := filepath.EvalSymlinks(link)
	if err != nil {
		return "", false
	}
	if own, err = filepath.EvalSymlinks(own); err != nil {
		return "", false
	}
	modules := filepath.Join(own, "modules") + string(filepath.Separator)
	return above, strings.HasPrefix(gitDir, modules)
}

// brokenLink says what is wrong with the .git file at root, "" if nothing is: where it leads to is
// not there, or is the directory of another worktree. So it is after a worktree or its repository
// was moved.
func brokenLink(root string) string {
	link, ok := readGitLink(root, ".git", "gitdir: ")
	if !ok {
		return ""
	}
	file := filepath.Join(root, ".git")
	gitDir, err := filepath.EvalSymlinks(link)
	if err != nil {
		return fmt.Sprintf("%s leads to %s, which is not there", file, link)
	}
	back, ok := readGitLink(gitDir, "gitdir", "")
	if !ok {
		return "" // of no worktree
	}
	if backDir, name := filepath.Split(back); name == ".git" && SameFile(backDir, root) {
		return ""
	}
	return fmt.Sprintf("%s leads to %s, which does not lead back to it but to %s", file, link, back)
}

// RepositoryRoot returns the nearest directory upwards from dir that has a .git directory or file.
func RepositoryRoot(dir string) (string, bool) {
	for dir := range Upwards(dir) {
		info, err := os.Stat(filepath.Join(dir, ".git"))
		if err == nil && (info.IsDir() || info.Mode().IsRegular()) {
			return dir, true
		}
	}
	return "", false
}

// MainWorktree returns the root of the main worktree of the linked worktree at root, or the
// repository itself if that is bare. It reports false for any other kind of root: of an ordinary
// repository, of a submodule, of one with a separate git directory or a worktree of that, and of a
// worktree whose links are broken.
//
// A linked worktree's .git file leads to <common>/worktrees/<id>, in which the file commondir leads
// to the common directory and the file gitdir back to the .git file (gitrepository-layout(5),
// git-worktree(1)). What the .git file says decides where we will write, and it may be stale or
// come with a hostile tree. So all three must agree, which takes write access to the repository to
// forge.
func MainWorktree(root string) (string, bool) {
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

	// Directories are compared, not the .git files: a symlink or a hard link to the .git file of
	// another worktree is not one that the repository knows.
	worktrees := filepath.Dir(gitDir)
	common := filepath.Dir(worktrees)
	backDir, name := filepath.Split(back)
	if filepath.Base(worktrees) != "worktrees" || !SameFile(commonLink, common) ||
		name != ".git" || !SameFile(backDir, root) {
		return "", false
	}
	parent := filepath.Dir(common)
	if filepath.Base(common) == ".git" {
		return parent, true
	}
	// A bare repository hidden in a folder beside its worktrees, to which the
	// folder's .git file leads: the folder stands for the main worktree, as it
	// does for who starts there.
	if link, ok := readGitLink(parent, ".git", "gitdir: "); ok && SameFile(link, common) {
		return parent, true
	}
	return configuredWorktree(common)
}

// configuredWorktree returns the main worktree of the git directory at common by its configuration:
// that of a submodule is named there, and a bare repository stands for its own. With
// --separate-git-dir nothing says where it is.
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

// readCore reads core.bare and core.worktree as git itself writes them (git-config(1)): one a line,
// where need be in quotation marks and with backslashes.
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

// LinkedWorktrees returns the linked worktrees of the repository at root.
func LinkedWorktrees(root string) (folders []string) {
	for _, common := range []string{filepath.Join(root, ".git"), root} {
		links, err := filepath.Glob(filepath.Join(common, "worktrees", "*"))
		if err != nil {
			return nil // the root has a name that Glob reads as a pattern
		}
		for _, link := range links {
			if back, ok := readGitLink(link, "gitdir", ""); ok {
				folders = append(folders, filepath.Dir(back))
			}
		}
	}
	return folders
}

// readGitLink returns the path that follows prefix in one of git's link files, taken relative to
// dir, which the file is in. The path is not cleaned, as that would drop "link/.." before the link
// is followed.
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

// readGitFile returns the content of one of git's files, if it is a plain file of at most max
// bytes. Git writes them as plain files. A FIFO must not even be opened: that blocks until somebody
// writes to it.
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
