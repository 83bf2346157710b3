package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/huskies/huskies-mcp/internal/durable"
	"github.com/huskies/huskies-mcp/internal/locate"
)

// maxFile bounds the files that are edited. Settings that people write have a few
// kilobytes.
const maxFile = 8 << 20

// Outcomes of reading and writing a project's file.
var (
	ErrOutside    = errors.New("it leads out of the project")
	ErrKept       = errors.New("it is a link, and one that leads to files of git or of the pipeline, or stands among those of the pipeline, is not followed")
	ErrBrokenLink = errors.New("it is a link to a file that is not there")
	ErrNotRegular = errors.New("it is not a regular file")
	ErrTooLarge   = fmt.Errorf("it has more than %d MiB", maxFile>>20)
	ErrChanged    = errors.New("it has changed since it was read")
)

// File is a file of a project as it was read.
type File struct {
	Name   string // in the project, with slashes
	Path   string // where it is when all links are followed
	Linked bool   // a link leads to Path
	Exists bool
	Text   []byte
	mode   fs.FileMode
}

// ReadFile reads a project's file, which need not exist. A link is followed if it
// stays in the project, so that writing leaves the link as it is. It may have come
// with a checkout, so none leads to the database or to git's own files.
func ReadFile(project, name string) (File, error) {
	f := File{Name: name, mode: 0o644}
	root, err := filepath.EvalSymlinks(project)
	if err != nil {
		return f, err
	}
	f.Path, err = follow(root, filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return f, err
	}
	f.Linked = f.Path != filepath.Join(root, filepath.FromSlash(name))
	rel, err := filepath.Rel(root, f.Path)
	if err != nil {
		return f, err
	}
	link, err := os.Lstat(filepath.Join(root, filepath.FromSlash(name)))
	isLink := err == nil && link.Mode()&fs.ModeSymlink != 0
	first, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
	own := strings.HasPrefix(name, locate.Folder+"/")
	if own && isLink || !own && (strings.EqualFold(first, locate.Folder) || strings.EqualFold(first, ".git")) {
		return f, ErrKept
	}
	info, err := os.Stat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return f, err
	case !info.Mode().IsRegular():
		return f, ErrNotRegular
	case info.Size() > maxFile:
		return f, ErrTooLarge
	}
	f.Exists, f.mode = true, info.Mode().Perm()
	f.Text, err = os.ReadFile(f.Path)
	return f, err
}

// follow returns where a path leads. Folders at its end may be missing.
func follow(root, path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return "", ErrBrokenLink
		}
		folder, err := follow(root, filepath.Dir(path))
		return filepath.Join(folder, filepath.Base(path)), err
	}
	if err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(root, real); err != nil || !filepath.IsLocal(rel) {
		return "", ErrOutside
	}
	return real, nil
}

// unchanged returns ErrChanged if the file is not as it was read.
func (f File) unchanged() error {
	text, err := os.ReadFile(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !f.Exists:
		return nil
	case errors.Is(err, fs.ErrNotExist), err == nil && (!f.Exists || !bytes.Equal(text, f.Text)):
		return ErrChanged
	}
	return err
}

// Write replaces the text of the file, and makes the folders above it. On an error
// the file is as it was, but folders may have been made.
func (f File) Write(text []byte) error {
	if err := f.unchanged(); err != nil {
		return err
	}
	if f.Exists { // a rename would also replace a file that its owner has made read-only
		file, err := os.OpenFile(f.Path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_ = file.Close()
	}
	folder := filepath.Dir(f.Path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	temporary, err := f.writeTemporary(folder, text)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, f.Path); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return durable.SyncFolder(folder)
}

// writeTemporary writes and syncs a new file beside the real one and returns its path.
func (f File) writeTemporary(folder string, text []byte) (path string, err error) {
	file, err := os.CreateTemp(folder, ".huskies-*")
	if err != nil {
		return "", err
	}
	if !f.Exists { // a new file gets the mode that the user's umask allows
		_ = file.Close()
		_ = os.Remove(file.Name())
		if file, err = os.OpenFile(file.Name(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode); err != nil {
			return "", err
		}
	}
	_, err = file.Write(text)
	if err == nil && f.Exists {
		err = file.Chmod(f.mode)
	}
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return file.Name(), err
}

// Remove removes the file.
func (f File) Remove() error {
	if err := f.unchanged(); err != nil {
		return err
	}
	if err := os.Remove(f.Path); err != nil {
		return err
	}
	return durable.SyncFolder(filepath.Dir(f.Path))
}
