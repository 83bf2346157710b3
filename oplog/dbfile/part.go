package dbfile

import (
	"errors"
	"io/fs"
	"os"
)

// Part is one of the files of a database, or its folder, as it was found.
type Part struct {
	Path string
	Info fs.FileInfo // nil if it is not there, or Err says why it cannot be seen
	Err  error
}

// Size returns the file's size in bytes, 0 if it is not there.
func (p Part) Size() int64 {
	if p.Info == nil {
		return 0
	}
	return p.Info.Size()
}

// LookAt looks at what stands at a path.
func LookAt(path string) Part {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return Part{Path: path, Info: info, Err: err}
}
