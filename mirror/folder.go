package mirror

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// hash is the SHA-256 of a file.
type hash [sha256.Size]byte

const (
	// lockName is the name of the lock's file, which is there while a process writes.
	lockName = ".huskies-mirror.lock"
	// partName begins the name of a file while it is written.
	partName = ".huskies-mirror.part"
	// maxManifest bounds what is read of the manifest, in bytes: a million stories with the longest IDs.
	maxManifest = 256 << 20
)

// ErrBusy means that another process writes to the folder at this moment. The caller may try again.
var ErrBusy = errors.New("another huskies-mcp mirror writes to the folder at this moment")

// folder is an open folder. Links in it are neither followed nor replaced, and none leads out of it.
type folder struct {
	root *os.Root
	lock *dbfile.LockFile
}

// openFolder makes the folder if it is not there, and locks it.
func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	switch info, err := os.Lstat(dir); {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, fmt.Errorf("%s is a symbolic link, which may have come with the project: give the folder that it leads to", dir)
	case !info.IsDir():
		return nil, fmt.Errorf("%s is not a folder: give a folder for the stories' files", dir)
	}
	lock, err := lockFolder(filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		lock.Close()
		return nil, err
	}
	for part := range parts {
		_ = root.Remove(partName + strconv.Itoa(part)) // a process that was killed left it
	}
	return &folder{root, lock}, nil
}

// lockFolder takes the lock. Its file is removed after each run, so a process may have locked one that is
// not there any more.
func lockFolder(path string) (*dbfile.LockFile, error) {
	for {
		lock, err := dbfile.OpenLockFile(path)
		if err != nil {
			return nil, err
		}
		free, err := lock.TryLock()
		if err == nil && !free {
			err = ErrBusy
		}
		if err == nil && lock.IsAtPath() {
			return lock, nil
		}
		lock.Close()
		if err != nil {
			return nil, err
		}
	}
}

// close removes the lock's file while the lock is held. Windows keeps the file since it is open, which does
// no harm.
func (f *folder) close() {
	_ = f.root.Remove(lockName)
	f.lock.Close()
	_ = f.root.Close()
}

// found is what is at the name of a file.
type found struct {
	there bool
	// hash is that of a regular file.
	hash hash
	// generated reports that the file says so.
	generated bool
	// wrong says what is there instead of a regular file in a folder, "" if nothing is.
	wrong string
}

// look looks at the file of a story.
func (f *folder) look(name string) (found, error) {
	stage := path.Dir(name)
	info, err := f.root.Lstat(stage)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return found{}, nil
	case err != nil:
		return found{}, err
	case !info.IsDir():
		return found{there: true, wrong: stage + " is not a folder"}, nil
	}
	info, err = f.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return found{}, nil
	case err != nil:
		return found{}, err
	case !info.Mode().IsRegular():
		return found{there: true, wrong: "it is not a regular file"}, nil
	}
	return f.read(name)
}

// read returns the hash of a regular file.
func (f *folder) read(name string) (at found, err error) {
	file, err := f.root.Open(name)
	if err != nil {
		return at, err
	}
	defer file.Close()
	sum := sha256.New()
	head, err := io.ReadAll(io.LimitReader(file, int64(len(generated))))
	if err == nil {
		sum.Write(head)
		_, err = io.Copy(sum, file)
	}
	at = found{there: true, generated: string(head) == generated}
	sum.Sum(at.hash[:0])
	return at, err
}

// readManifest returns the text of the manifest, nil if there is none.
func (f *folder) readManifest() ([]byte, error) {
	info, err := f.root.Lstat(manifestName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxManifest:
		return nil, fmt.Errorf("%s in %s is no manifest of huskies-mcp mirror: remove it, and run this again", manifestName, f.root.Name())
	}
	return f.root.ReadFile(manifestName)
}

// write makes the file, whole or not at all. The caller must hold the lock, and must not write with the
// same part at once.
func (f *folder) write(name string, text []byte, part int) error {
	temporary := partName + strconv.Itoa(part)
	file, err := f.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync() // a power cut must not leave an empty file under the name
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = f.root.Rename(temporary, name)
	}
	if err != nil {
		_ = f.root.Remove(temporary)
	}
	return err
}
