package mirror

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"
)

// parts is how many files are written at once. To write a file is mostly to wait for the disk.
const parts = 8

// change is a file to write or to remove.
type change struct {
	name string
	// seen is what was at the name when the change was planned.
	seen found
	// text is nil for a file to remove.
	text []byte
}

// outcome is what became of a change.
type outcome struct {
	// left is why the file was not touched, "" if it was.
	left string
	err  error
}

// makeAll makes the changes and returns what became of each. Files are removed after all others are
// written, so that a story that moves always has a file.
func (f *folder) makeAll(changes []change) []outcome {
	outcomes := make([]outcome, len(changes))
	for _, removing := range []bool{false, true} {
		var next atomic.Int64
		var wg sync.WaitGroup
		for part := range parts {
			wg.Go(func() {
				for i := next.Add(1) - 1; int(i) < len(changes); i = next.Add(1) - 1 {
					if removing == (changes[i].text == nil) {
						outcomes[i] = f.make(changes[i], part)
					}
				}
			})
		}
		wg.Wait()
	}
	return outcomes
}

// make makes one change, unless somebody has changed the file since it was looked at.
func (f *folder) make(c change, part int) outcome {
	now, err := f.look(c.name)
	switch {
	case err != nil:
	case now != c.seen:
		return outcome{left: cmp.Or(now.wrong, whyEdited)}
	case c.text == nil:
		err = f.root.Remove(c.name)
	default:
		if err = f.write(c.name, c.text, part); errors.Is(err, fs.ErrNotExist) { // its folder is not there yet
			if err = f.root.Mkdir(path.Dir(c.name), 0o777); err == nil || errors.Is(err, fs.ErrExist) {
				err = f.write(c.name, c.text, part)
			}
		}
	}
	return outcome{err: err}
}
