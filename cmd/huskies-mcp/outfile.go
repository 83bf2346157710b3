package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/huskies/huskies-mcp/internal/durable"
	"github.com/huskies/huskies-mcp/internal/locate"
)

// filler puts into a file what belongs there. What must not be seen before all else is done comes
// last: then last is not nil, and copies the file to one that has no name yet.
type filler func(*os.File) (last func(dst io.Writer, src io.Reader) error, err error)

// partFile recognises the name of a file that is being written.
var partFile = regexp.MustCompile(`^.+\.[0-9]+\.huskies-part$`)

// createPart makes the file that is to become the one at path.
func createPart(path string) (*os.File, error) {
	const most = 200 // bytes: names of files have 255 at most
	name := filepath.Base(path)
	name = strings.ToValidUTF8(name[:min(len(name), most)], "")
	f, err := os.CreateTemp(filepath.Dir(path), name+".*.huskies-part")
	var at *fs.PathError
	if errors.As(err, &at) { // which names the part
		err = fmt.Errorf("no file can be made in the folder %s: %w", filepath.Dir(path), at.Err)
	}
	return f, err
}

// writeFile makes the file at path, whole or not at all: it has another name at first and mode
// 0600. A regular file that is there is overwritten only with force, anything else never, nor is
// the database.
func (env *environment) writeFile(path string, force bool, write filler) error {
	if err := env.checkTarget(path, force); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	removeLeftovers(dir)
	f, err := createPart(path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once the file has its name
	defer f.Close()
	if err := lockPart(f); err != nil {
		return err
	}
	last, err := write(f)
	if err != nil {
		return err
	}
	if last != nil {
		err = writeLast(f, path, force, last)
	} else if err = errors.Join(f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	return durable.SyncFolder(dir)
}

// checkTarget returns an error if no file may be made at path.
func (env *environment) checkTarget(path string, force bool) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder: give the FILE to write", path)
	case env.isDatabase(path):
		return fmt.Errorf("%s belongs to the database: give another FILE", path)
	}
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the folder %s does not exist: make it, or give another FILE", filepath.Dir(path))
	}
	info, err = os.Lstat(path)
	switch {
	case err == nil && !force:
		return fmt.Errorf("%s is there already: give another FILE, or --force to overwrite it", path)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file, and --force replaces no other: give another FILE", path)
	}
	return nil
}

// writeLast makes the file at path out of f, where the system can without a name until it is
// whole, so that a process that is killed leaves nothing of it.
func writeLast(f *os.File, path string, force bool, last func(dst io.Writer, src io.Reader) error) error {
	out, link, err := namelessFile(filepath.Dir(path))
	if err != nil { // neither every system nor every file system has such files
		if out, err = createPart(path); err != nil {
			return err
		}
		link = nil
		defer os.Remove(out.Name()) // fails once the file has its name
	}
	defer out.Close()
	err = lockPart(out)
	if err == nil {
		err = last(out, io.NewSectionReader(f, 0, 1<<62))
	}
	if err == nil {
		err = out.Sync()
	}
	switch {
	case err != nil:
		return err
	case link == nil:
		_ = out.Close() // some systems rename no file that is open
		return os.Rename(out.Name(), path)
	case !force:
		return link(path)
	}
	_ = f.Close()
	if err := errors.Join(os.Remove(f.Name()), link(f.Name())); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// removeLeftovers removes the files in a folder that processes which were killed did not finish.
func removeLeftovers(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if entry.Type() == fs.FileMode(0) && partFile.MatchString(entry.Name()) {
			removeIfLeft(filepath.Join(dir, entry.Name()))
		}
	}
}

// isDatabase reports whether the file at path is the database or one beside it, by
// whatever name, or would be one if it were there.
func (env *environment) isDatabase(path string) bool {
	own := []string{env.where.Path}
	if resolved, err := filepath.EvalSymlinks(env.where.Path); err == nil {
		own = append(own, resolved) // SQLite puts its files beside this one
	}
	for _, database := range own {
		for _, suffix := range []string{"", "-wal", "-shm", "-journal", ".lock"} {
			name := database + suffix
			if locate.SameFile(name, path) ||
				strings.EqualFold(filepath.Base(name), filepath.Base(path)) && locate.SameFile(filepath.Dir(name), filepath.Dir(path)) {
				return true
			}
		}
	}
	return false
}
