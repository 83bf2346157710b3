package intake

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// readFolder reads a folder: a project, or the folder that a tool keeps in one.
func readFolder(src Source, o Options) (*List, error) {
	found := foldersIn(src.Folder)
	if o.Format != "" {
		found = slices.DeleteFunc(found, func(f folder) bool { return f.format != o.Format })
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%s: no work of a known tool is in this folder (looked for beads, Backlog.md, task-master and .huskies/work); name a file", src.Name)
	case 1:
	default:
		var names []string
		for _, f := range found {
			names = append(names, fmt.Sprintf("%s (--format %s)", path.Join(src.Name, f.path), f.format))
		}
		return nil, fmt.Errorf("%s holds work of several tools: %s; name one of them", src.Name, strings.Join(names, ", "))
	}
	f := found[0]
	name := path.Join(src.Name, f.path)
	if f.file {
		data, err := readRegular(src.Folder, f.path, MaxSource)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		return Read(Source{Name: name, Data: data}, Options{Format: f.format})
	}
	sub, err := fs.Sub(src.Folder, f.path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	if f.format == Backlog {
		return readBacklog(name, sub, o)
	}
	return readWork(name, sub)
}

// folder is a place in a folder where a tool keeps work.
type folder struct {
	format Format
	path   string
	file   bool
}

// foldersIn returns where in the folder tools keep their work. Of the places of one tool it returns
// the first.
func foldersIn(f fs.FS) []folder {
	var found []folder
	for _, c := range []folder{
		{Beads, ".beads/issues.jsonl", true},
		{Beads, ".beads/beads.jsonl", true},
		{Beads, "issues.jsonl", true},
		{Beads, "beads.jsonl", true},
		{TaskMaster, ".taskmaster/tasks/tasks.json", true},
		{TaskMaster, "tasks/tasks.json", true},
		{TaskMaster, "tasks.json", true},
		{Huskies, ".huskies/work", false},
		{Huskies, "work", false},
		{Huskies, ".", false},
		{Backlog, "backlog", false},
		{Backlog, ".backlog", false},
		{Backlog, ".", false},
	} {
		if slices.ContainsFunc(found, func(have folder) bool { return have.format == c.format }) {
			continue
		}
		if c.isIn(f) {
			found = append(found, c)
		}
	}
	return found
}

// isIn reports whether the place exists and looks like its tool's.
func (c folder) isIn(f fs.FS) bool {
	info, err := fs.Stat(f, c.path)
	if err != nil || c.file && !info.Mode().IsRegular() || !c.file && !info.IsDir() {
		return false
	}
	switch c.format {
	case Huskies:
		return slices.ContainsFunc(stageFolders(), func(stage string) bool { return isFolder(f, path.Join(c.path, stage)) })
	case Backlog:
		return hasTasks(f, path.Join(c.path, "tasks")) || hasTasks(f, path.Join(c.path, "completed"))
	}
	return true
}

// hasTasks reports whether a folder holds a task of Backlog.md. Folders of that name are common.
func hasTasks(f fs.FS, dir string) bool {
	entries, err := fs.ReadDir(f, dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		stem, isMarkdown := strings.CutSuffix(e.Name(), ".md")
		return isMarkdown && backlogFile.MatchString(stem)
	})
}

func isFolder(f fs.FS, name string) bool {
	info, err := fs.Stat(f, name)
	return err == nil && info.IsDir()
}

// readEach calls read with each Markdown file of a folder and of the folders in it. A file that cannot
// be read is broken. A folder that does not exist holds nothing.
func readEach(l *List, name string, f fs.FS, dir string, read func(name string, data []byte)) error {
	err := fs.WalkDir(f, dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			if p == dir && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if d.IsDir() || !strings.EqualFold(path.Ext(p), ".md") {
			return nil
		}
		at := Place{File: strings.ToValidUTF8(path.Join(name, p), "\ufffd")}
		data, err := readRegular(f, p, maxFile)
		if err == nil {
			data, err = text(at.File, data)
		}
		if err != nil {
			l.breaks(at, "%v", err)
			return nil
		}
		read(at.File, data)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the folder %s: %w", path.Join(name, dir), err)
	}
	return nil
}

// readRegular returns what is in a file of a folder, of at most so many bytes. A folder may come from anywhere,
// so a named pipe is not opened: it would wait for ever.
func readRegular(f fs.FS, name string, most int64) ([]byte, error) {
	info, err := fs.Stat(f, name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file; move it away")
	case info.Size() > most:
		return nil, fmt.Errorf("the file has %d bytes, at most %d are read; split it", info.Size(), most)
	}
	return fs.ReadFile(f, name)
}
