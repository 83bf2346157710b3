package backups

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/durable"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// Folder is where the copies of one database are. Nothing is made before the first copy.
type Folder struct {
	// Path of the folder.
	Path string
	// Database is the absolute path of the database, without symbolic links as far as it exists.
	Database string

	state string // the user's folder for state
}

// program is our folder in the user's folder for state.
const program = "huskies-mcp"

// Of returns the folder for the copies of the database at an absolute path. State is the user's
// folder for state, absolute.
func Of(state, database string) *Folder {
	database = realPath(database)
	hash := sha256.Sum256([]byte(database))
	return &Folder{Path: filepath.Join(state, program, "backups", fmt.Sprintf("%x", hash[:8])), Database: database, state: state}
}

// realPath follows the symbolic links of a path, of which the end may be missing.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	dir := filepath.Dir(path)
	if dir == path {
		return path
	}
	return filepath.Join(realPath(dir), filepath.Base(path))
}

// List returns the copies, the newest first.
func (f *Folder) List() ([]Backup, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Backup
	for _, entry := range entries {
		b, ok := parseName(entry.Name())
		info, err := entry.Info()
		if !ok || err != nil || !info.Mode().IsRegular() {
			continue
		}
		b.Path, b.Size = filepath.Join(f.Path, entry.Name()), info.Size()
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b Backup) int { return strings.Compare(b.Path, a.Path) })
	return all, nil
}

// own returns our folders, the outermost first.
func (f *Folder) own() []string {
	backups := filepath.Dir(f.Path)
	return []string{filepath.Dir(backups), backups, f.Path}
}

// check returns an error if one of our folders is not a folder of this user that no other user can
// change. A folder that is missing is no error.
func (f *Folder) check() error {
	for _, dir := range f.own() {
		info, err := os.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("%s is not a folder, and backups are kept there: look where it comes from, and move it away", dir)
		}
		if owner, known := dbfile.OwnerOf(info); known && owner != os.Geteuid() {
			return fmt.Errorf("%s belongs to another user, and backups are kept there: see XDG_STATE_HOME", dir)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
			return fmt.Errorf("others can write to %s, and backups are kept there: chmod 700", dir)
		}
	}
	return nil
}

// make makes the folders that are missing, for the user alone.
func (f *Folder) make() error {
	if err := os.MkdirAll(f.state, 0o700); err != nil {
		return err
	}
	for _, dir := range f.own() {
		err := os.Mkdir(dir, 0o700)
		if err == nil {
			err = durable.SyncFolder(filepath.Dir(dir))
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return f.check()
}

// noteFile is the file that says to a person whose copies these are.
const noteFile = "project.txt"

// writeNote writes which database the copies are of.
func (f *Folder) writeNote() error {
	text := f.Database + "\n\nThese are copies of this database of huskies-mcp, without its private key.\nIn the project's folder, huskies-mcp restore lists them and puts one back.\n"
	path := filepath.Join(f.Path, noteFile)
	if have, err := dbfile.ReadPlain(path, int64(len(text))+1); err == nil && string(have) == text {
		return nil
	}
	file, err := dbfile.OpenPlain(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// lock gets the right to make copies. The error is ErrBusy if somebody else has it for as long as
// wait.
func (f *Folder) lock(ctx context.Context, wait time.Duration) (release func(), err error) {
	lock := dbfile.NewLock(filepath.Join(f.Path, "backups"))
	ctx, cancel := context.WithTimeoutCause(ctx, max(wait, leastWait), dbfile.ErrLockTimeout)
	defer cancel()
	held, err := lock.Acquire(ctx)
	if errors.Is(err, dbfile.ErrLockTimeout) {
		err = ErrBusy
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return func() {
		held()
		lock.Close()
	}, nil
}

// leastWait is how long the lock is waited for at least.
const leastWait = 10 * time.Millisecond
