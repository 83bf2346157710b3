package oplog

import (
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// walIndex is the head of SQLite's index of the write-ahead log, which all
// connections share as memory: SQLite writes a new one with each commit, of any
// process, before the commit returns (https://sqlite.org/walformat.html#the_wal_index_file_format).
// To look at it costs nothing beside a query.
//
// SQLite locks that file by fcntl(2), and such a lock of this process is gone when
// any descriptor of the file is closed. So one descriptor is opened for all logs on
// a database, and closed when none of them has a connection any more.
type walIndex struct {
	of     *indexFile // nil: the log is not open
	shared *indexHead // nil: it cannot be seen
}

// indexHead is two copies of 48 bytes, of which SQLite writes the second first.
type indexHead [2][6]uint64

// initialized is where in a copy SQLite says that it has filled it in (isInit).
const initialized = 12

// indexFile is the index of one database, for all logs of this process.
type indexFile struct {
	id   fileID
	logs int // that have, or had, a connection
	file *os.File
	mem  []byte
}

// fileID is the database's own file.
type fileID struct{ device, inode uint64 }

var (
	indexMu    sync.Mutex
	indexFiles = make(map[fileID]*indexFile) // guarded by indexMu
)

// enter counts one more log on the database, before it connects.
func (x *walIndex) enter(database fs.FileInfo) {
	stat, ok := database.Sys().(*syscall.Stat_t)
	if !ok || x.of != nil {
		return
	}
	indexMu.Lock()
	defer indexMu.Unlock()
	id := fileID{stat.Dev, stat.Ino}
	if x.of = indexFiles[id]; x.of == nil {
		x.of = &indexFile{id: id}
		indexFiles[id] = x.of
	}
	x.of.logs++
}

// open looks at the index, which is in the file at path, if it is there.
func (x *walIndex) open(path string) {
	if x.of == nil {
		return
	}
	indexMu.Lock()
	defer indexMu.Unlock()
	if x.of.file == nil {
		x.of.mapFile(path)
	}
	if x.of.mem != nil {
		x.shared = (*indexHead)(unsafe.Pointer(&x.of.mem[0]))
	}
}

func (f *indexFile) mapFile(path string) {
	file, err := openPlain(path, os.O_RDONLY, 0)
	if err != nil {
		return
	}
	f.file = file // whatever happens: to close it now would cost SQLite its locks
	size := os.Getpagesize()
	if info, err := file.Stat(); err != nil || info.Size() < int64(size) {
		return
	}
	if mem, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED); err == nil {
		f.mem = mem
	}
}

// head returns the first copy, or false if it is just being written.
func (x *walIndex) head() (head [6]uint64, ok bool) {
	if x.shared == nil {
		return head, false
	}
	for i := range head {
		head[i] = atomic.LoadUint64(&x.shared[0][i])
	}
	for i := range head {
		if head[i] != atomic.LoadUint64(&x.shared[1][i]) {
			return head, false
		}
	}
	return head, x.of.mem[initialized] != 0
}

// leave counts one log less, after it has closed its connection.
func (x *walIndex) leave() {
	f := x.of
	x.of, x.shared = nil, nil
	if f == nil {
		return
	}
	indexMu.Lock()
	defer indexMu.Unlock()
	if f.logs--; f.logs > 0 {
		return
	}
	delete(indexFiles, f.id)
	if f.mem != nil {
		_ = syscall.Munmap(f.mem)
	}
	if f.file != nil {
		_ = f.file.Close()
	}
}
