package oplog

import (
	"errors"
	"io/fs"
	"os"
	"sync"
)

// wal is the write-ahead log's file, for making it durable. SQLite could do that
// inside each commit (synchronous=FULL), but then everybody who waits for the
// lock waits for the disk as well; outside the lock one fdatasync(2) serves the
// commits of all processes before it. That file bears no locks of SQLite's, so
// to open it besides is safe. SQLite keeps it for as long as our connection is
// open.
type wal struct {
	path      string
	fdatasync func(*os.File) error
	// optional: the database was opened in another journal mode. As long as there is no
	// such file all that is committed is in the database's own, which SQLite syncs.
	optional bool

	syncing sync.Mutex // held during fdatasync, taken before mu
	mu      sync.Mutex // guards all below, and is never held while the disk is waited for
	file    *os.File   // nil until it is needed: SQLite makes it at the first read
	failed  error
}

// open opens the file.
func (w *wal) open() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.openLocked()
}

func (w *wal) openLocked() (err error) {
	if w.file != nil || w.failed != nil {
		return w.failed
	}
	if w.file, err = openPlain(w.path, os.O_RDWR, 0); err != nil {
		w.file, err = openPlain(w.path, os.O_RDONLY, 0) // may be read only: others write
	}
	return err
}

// sync is for any number of goroutines. A system reports a write that failed to
// one fdatasync(2) of a file alone and takes the data for written afterwards
// ("Can Applications Recover from fsync Failures?", Rebello et al. 2020), so an
// error stays.
func (w *wal) sync() error {
	w.syncing.Lock() // the next one knows whether this one failed
	defer w.syncing.Unlock()
	w.mu.Lock()
	err := w.openLocked()
	file := w.file
	w.mu.Unlock()
	if w.optional && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = w.fdatasync(file) // the file outlives a close meanwhile
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failed = err
	}
	if w.optional && w.file == file { // it is another's, who may remove it
		w.file = nil
		return errors.Join(err, file.Close())
	}
	return err
}

// stamp returns the file's stamp, zero if it cannot be had.
func (w *wal) stamp() Stamp {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.openLocked() != nil {
		return Stamp{}
	}
	info, err := w.file.Stat()
	if err != nil {
		return Stamp{}
	}
	return Stamp{size: info.Size(), modified: info.ModTime().UnixNano()}
}

func (w *wal) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = os.ErrClosed
	}
	if w.file == nil {
		return nil
	}
	file := w.file
	w.file = nil
	return file.Close()
}
