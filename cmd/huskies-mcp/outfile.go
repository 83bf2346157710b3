package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writeFile makes the file at path with what write puts into the one it is
// given, whole or not at all: that has another name at first and mode 0600. A
// file that is there is overwritten only with force, the database never.
func (env *environment) writeFile(path string, force bool, write func(*os.File) error) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder: give the FILE to write", path)
	case env.isDatabase(path):
		return fmt.Errorf("%s belongs to the database: give another FILE", path)
	}
	if _, err := os.Lstat(path); err == nil && !force {
		return fmt.Errorf("%s is there already: give another FILE, or --force to overwrite it", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once the file has its name
	err = write(f)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a new name in a folder durable, where file systems can.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
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
			if sameFile(name, path) ||
				strings.EqualFold(filepath.Base(name), filepath.Base(path)) && sameFile(filepath.Dir(name), filepath.Dir(path)) {
				return true
			}
		}
	}
	return false
}
