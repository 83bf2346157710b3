package bell

import (
	"io/fs"
	"os"
	"runtime"
	"sync"
)

// clapper strikes the bell for other processes.
type clapper struct {
	place place

	// mu guards the fields below.
	mu   sync.Mutex
	keep bool        // the file stays open between two strikes
	file *os.File    // nil while none is open
	info fs.FileInfo // of file
}

// newClapper returns the clapper of the bell. Windows reports a write when the file is closed and
// lets nobody delete the folder of an open file, so there the file is opened for each strike.
func newClapper(p place) *clapper {
	return &clapper{place: p, keep: runtime.GOOS != "windows"}
}

// strike overwrites the file's first byte, which the processes that watch the folder hear. A
// missing bell is made, and so is one that was deleted since the last strike.
func (c *clapper) strike() (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil {
		if there, err := os.Lstat(c.place.file); err != nil || !os.SameFile(there, c.info) {
			c.dropLocked()
		}
	}
	if c.file == nil {
		if c.file, c.info, err = c.place.open(); err != nil {
			return err
		}
	}
	_, err = c.file.WriteAt([]byte{'\n'}, 0)
	if err != nil || !c.keep {
		c.dropLocked()
	}
	return err
}

// close closes the file. Later strikes open it for themselves.
func (c *clapper) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep = false
	c.dropLocked()
}

// dropLocked closes the file if it is open. The caller must hold mu.
func (c *clapper) dropLocked() {
	if c.file != nil {
		_ = c.file.Close() // a ring that is lost here is found by the listeners' slow looks
		c.file, c.info = nil, nil
	}
}
