package doctor

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/internal/phrase"
)

// checkNeighbours finds other pipelines that may be meant: what would be in use
// without --db or HUSKIES_DB, and files above, below, and in the other worktrees.
func (e *examination) checkNeighbours() {
	said := []string{e.where.Path}
	isSaid := func(path string) bool {
		return slices.ContainsFunc(said, func(p string) bool { return p == path || locate.SameFile(p, path) })
	}
	if e.where.Named() || e.where.Path == "" {
		unnamed := func(name string) string {
			if name == "HUSKIES_DB" {
				return ""
			}
			return e.getenv(name)
		}
		found, err := e.place(unnamed).Find("")
		if err == nil && exists(found.Path) && !isSaid(found.Path) {
			said = append(said, found.Path)
			e.note("paths", "name one file for all, or none: unset HUSKIES_DB and leave --db out of the hosts' configuration, or put the same in everywhere",
				"%s is there too and is used wherever neither --db nor HUSKIES_DB says otherwise (%s)", found.Path, found.Why)
		}
	}
	others := 0
	for _, folder := range e.nearbyFolders() {
		path := filepath.Join(folder, locate.File)
		if !exists(path) || isSaid(path) {
			continue
		}
		said = append(said, path)
		if others++; others <= maxNamed {
			e.note("paths", "to use it, give --db "+phrase.Quoted(path)+"; if its stories belong here: huskies-mcp --db "+phrase.Quoted(path)+" export old.bundle, huskies-mcp import old.bundle, then move it away; or leave it, if it is another project's",
				"%s is another pipeline, which is not in use here", path)
		}
	}
	if more := others - maxNamed; more > 0 {
		e.note("paths", "nothing, if they are other projects'; run doctor in the folder of the one that is meant",
			"%s, the last of them %s", phrase.Count(more, "more pipeline nearby is not in use here", "more pipelines nearby are not in use here"), said[len(said)-1])
	}
}

// exists reports whether there is a regular file.
func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// startFolder is where hosts would look for the project from here.
func (e *examination) startFolder() string {
	if dir, err := e.place(e.getenv).Start(); err == nil {
		return dir
	}
	return e.cfg.Dir
}

// nearbyFolders returns folders that may have a pipeline of their own.
func (e *examination) nearbyFolders() []string {
	start := e.startFolder()
	folders := slices.Collect(locate.Upwards(start))
	root := start
	if repository, ok := locate.RepositoryRoot(start); ok {
		root = repository
		if main, ok := locate.MainWorktree(repository); ok {
			folders = append(folders, main)
			root = main
		}
		folders = append(folders, locate.LinkedWorktrees(root)...)
	}
	return append(folders, foldersBelow(root)...)
}

const (
	// Nested projects are looked for a few folders down, and not in the whole
	// of somebody's home.
	nestedDepth   = 3
	nestedFolders = 2000
)

// foldersBelow returns some folders below root.
func foldersBelow(root string) (folders []string) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fs.SkipDir
		case !d.IsDir() || path == root:
			return nil
		case len(folders) == nestedFolders:
			return fs.SkipAll
		case strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules":
			return fs.SkipDir
		}
		folders = append(folders, path)
		if rel, err := filepath.Rel(root, path); err != nil || strings.Count(rel, string(filepath.Separator)) >= nestedDepth-1 {
			return fs.SkipDir
		}
		return nil
	})
	return folders
}
