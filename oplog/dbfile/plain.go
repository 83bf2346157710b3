package dbfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A folder with a pipeline may come with a checkout, an archive or a disk. So any name in it may
// be a link to a file elsewhere, a device or a named pipe. Every file of ours is opened as a
// plain file: the last element of its path is not followed when it is a link, and what is not a
// regular file is refused before a byte of it is read or written.

// OpenPlain opens the file at path as os.OpenFile does, if it is a regular file and not a link.
// Otherwise the error is an [Error] that says what stands there.
func OpenPlain(path string, flag int, perm fs.FileMode) (*os.File, error) {
	if err := CheckPlain(path); err != nil {
		return nil, err // to open a device can have an effect
	}
	f, err := os.OpenFile(path, flag|plainFlags, perm)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notPlain(path, info.Mode())
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// ReadPlain returns the content of the plain file at path, at most max bytes of it.
func ReadPlain(path string, max int64) ([]byte, error) {
	f, err := OpenPlain(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, max))
}

// CheckPlain returns an error if something stands at path that is not a regular file. A path at
// which nothing stands is no error, nor is one that cannot be looked at.
func CheckPlain(path string) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return notPlain(path, info.Mode())
	}
	return nil
}

// notPlain says what stands at path instead of a plain file.
func notPlain(path string, mode fs.FileMode) error {
	return &Error{Op: "open", Path: path, Code: CodeNotPlain, Err: fmt.Errorf("it is %s, not a regular file", KindOfFile(mode))}
}

// KindOfFile names a kind of file for people.
func KindOfFile(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// CheckFiles returns an error if the database at path or a file that SQLite keeps beside it is not
// a plain file. SQLite would follow a link there and write to what it leads to.
func CheckFiles(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := CheckPlain(path + suffix); err != nil {
			return err
		}
	}
	return nil
}

// ErrManyNames says that a file has several hard links.
var ErrManyNames = errors.New("the file has several names (hard links)")

// RefuseLinked returns an error if the database at path or its write-ahead log has a second name.
// Whoever comes by the other name has another lock and another write-ahead log, and the two
// processes lose each other's changes. Every write asks for it.
func RefuseLinked(path string) error {
	for _, path := range []string{path, path + "-wal"} {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && linksOf(info) > 1 {
			return manyNames(path)
		}
	}
	return nil
}

func manyNames(path string) error {
	return &Error{Op: "write", Path: path, Code: CodeManyNames, Err: ErrManyNames}
}
