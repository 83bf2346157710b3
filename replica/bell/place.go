package bell

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// place is where a database's bell is on disk.
type place struct {
	db     string // path of the database
	folder string // path of the bell's folder
	file   string // path of the file that rings write to
}

// Paths returns where the bell of the database at a path is: its folder, and its file there.
func Paths(db string) (folder, file string) {
	p := placeOf(db)
	return p.folder, p.file
}

// placeOf returns where the bell of the database is.
func placeOf(db string) place {
	folder := filepath.Clean(db) + "-bell"
	return place{db: db, folder: folder, file: filepath.Join(folder, "bell")}
}

// find returns the bell's folder and file as they are on disk, and makes what is missing of them
// if the database exists. A symbolic link in place of either is an error, and so is anything else
// but a folder and a regular file.
func (p place) find() (folder, file fs.FileInfo, err error) {
	folder, file, err = p.stat()
	if !errors.Is(err, fs.ErrNotExist) {
		return folder, file, err
	}
	if err := p.make(); err != nil {
		return nil, nil, err
	}
	return p.stat()
}

// stat is find, but makes nothing.
func (p place) stat() (folder, file fs.FileInfo, err error) {
	if folder, err = p.statFolder(); err != nil {
		return nil, nil, err
	}
	if file, err = os.Lstat(p.file); err != nil {
		return nil, nil, err
	}
	if !file.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a regular file", p.file)
	}
	return folder, file, nil
}

// statFolder returns the bell's folder.
func (p place) statFolder() (fs.FileInfo, error) {
	folder, err := os.Lstat(p.folder)
	if err == nil && !folder.IsDir() {
		err = fmt.Errorf("%s is not a folder", p.folder)
	}
	return folder, err
}

// make makes what is missing of the bell, if the database exists.
func (p place) make() error {
	if _, err := os.Stat(p.db); err != nil {
		return err
	}
	if err := os.Mkdir(p.folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := p.statFolder(); err != nil {
		return err
	}
	f, err := os.OpenFile(p.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process made it
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// isStill reports whether the folder is the one at the bell's path and holds the file.
func (p place) isStill(folder fs.FileInfo) bool {
	now, _, err := p.stat()
	return err == nil && os.SameFile(folder, now)
}

// open opens the bell's file for writing. A missing bell is made.
func (p place) open() (*os.File, fs.FileInfo, error) {
	_, found, err := p.find()
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(p.file, os.O_WRONLY|noFollow, 0)
	if err != nil {
		return nil, nil, err
	}
	// Windows has no flag against following links, so the file that was opened is compared with
	// the one that was found.
	opened, err := f.Stat()
	if err == nil && !os.SameFile(found, opened) {
		err = fmt.Errorf("%s was replaced while it was opened", p.file)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, nil, err
	}
	return f, opened, nil
}
