package oplog

import (
	"io/fs"
	"syscall"
	"time"
)

// fileWatch tells of a file that it surely still is at its path, for less than it costs
// to look at the path: what is removed, renamed or replaced by a rename has
// another number of links, or another change time. That a folder above was moved is
// noticed when lookAgain has passed.
//
// It holds the file by a descriptor that stands for its place alone (O_PATH, open(2)):
// SQLite's locks outlast the closing of such a one.
type fileWatch struct {
	fd     int // 0: the file is not watched
	now    func() time.Time
	seen   fileTrace
	looked time.Time // zero: nothing was seen
}

// fileTrace is what another one means that the file may have left its path.
type fileTrace struct {
	links   uint64
	changed syscall.Timespec
}

const (
	// lookAgain is for how long the path is taken to lead to the file that has not
	// changed.
	lookAgain = 10 * time.Millisecond
	// clockTick is longer than the clock of a file system stands still: a file that
	// changed less long ago may change once more and have the same change time.
	clockTick = 20 * time.Millisecond
)

// open watches the file at the path, which info describes. Without a clock it does
// not.
func (w *fileWatch) open(path string, info fs.FileInfo, now func() time.Time) {
	const oPath = 0x200000 // O_PATH, which package syscall does not name
	want, ok := info.Sys().(*syscall.Stat_t)
	if !ok || now == nil {
		return
	}
	fd, err := syscall.Open(path, oPath|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	w.fd, w.now = fd, now
	if is, ok := w.stat(); !ok || is.Dev != want.Dev || is.Ino != want.Ino {
		w.close()
	}
}

// look calls there, which looks at the path, unless the file surely is where it
// was when there last found it.
func (w *fileWatch) look(there func() bool) bool {
	st, ok := w.stat()
	if !ok {
		return there()
	}
	trace, at := fileTrace{uint64(st.Nlink), st.Ctim}, w.now()
	if since := at.Sub(w.looked); trace == w.seen && since >= 0 && since < lookAgain {
		return true
	}
	w.looked = time.Time{}
	found := there()
	if found && at.Sub(time.Unix(trace.changed.Unix())) > clockTick {
		w.seen, w.looked = trace, at
	}
	return found
}

// forget makes the next look one at the path.
func (w *fileWatch) forget() { w.looked = time.Time{} }

func (w *fileWatch) stat() (st syscall.Stat_t, ok bool) {
	ok = w.fd > 0 && syscall.Fstat(w.fd, &st) == nil
	return st, ok
}

func (w *fileWatch) close() {
	if w.fd > 0 {
		_ = syscall.Close(w.fd)
		w.fd = 0
	}
}
