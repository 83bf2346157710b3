//go:build linux

package vfstest

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Kind says what SQLite asks of the system.
type Kind uint8

const (
	Open Kind = iota
	Read
	Write
	Truncate
	Sync
	Size
	Lock // an unlock is not watched: what the system answers changes nothing
	ShmMap
	ShmLock
	Delete
	Access // is there such a file?
)

func (k Kind) String() string {
	return [...]string{"open", "read", "write", "truncate", "sync", "size", "lock", "shm map", "shm lock", "delete", "access"}[k]
}

// Role says what a file is to the database.
type Role uint8

const (
	Database Role = iota
	WAL
	Journal // before the database is turned to write-ahead logging
	Shm     // the shared memory of those who have the database open
)

func (r Role) String() string { return [...]string{"database", "wal", "journal", "shm"}[r] }

// Call is one call of SQLite's.
type Call struct {
	Kind Kind
	Role Role
	Name string // of the file, in its folder
	// File numbers the files of a folder from 1: a name that is deleted and made
	// again is another file. 0: it was never opened. Of Open this is known when the
	// work is done, as are First and Created.
	File    int
	First   bool   // of Open: the file is opened for the first time,
	Created bool   // and was not there before
	Offset  int64  // of Write; the size of Truncate
	Data    []byte // of Write; a handler that cuts it has less written
	Folder  bool   // of Sync and Delete: the folder is synced as well
	Beside  bool   // of Sync: by SyncFile, not by SQLite
}

// Handler answers a call with one of SQLite's result codes
// (https://sqlite.org/rescode.html). do does the work and returns what the
// system says. Handlers are called by any number of goroutines at once.
type Handler func(c *Call, do func() int32) int32

// Chain returns a handler of which the first sees calls first.
func Chain(handlers ...Handler) Handler {
	return func(c *Call, do func() int32) int32 {
		for i := len(handlers) - 1; i >= 0; i-- {
			h, inner := handlers[i], do
			do = func() int32 { return h(c, inner) }
		}
		return do()
	}
}

// Watch puts h between SQLite and the databases in the folder that are opened
// from now on until stop is called. The driver's process-wide settings are made
// as package oplog makes them.
func Watch(t testing.TB, folder string, h Handler) (stop func()) {
	t.Helper()
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		t.Fatal(err)
	}
	shim.register.Do(register)
	shim.mu.Lock()
	defer shim.mu.Unlock()
	shim.folders[folder] = &watch{handle: h, numbers: map[string]int{}}
	return func() {
		shim.mu.Lock()
		defer shim.mu.Unlock()
		delete(shim.folders, folder) // files that are open keep their handler
	}
}

// shim is what the methods below need: SQLite calls through C function
// pointers, which carry no Go closure. It is registered once and stays.
var shim struct {
	register sync.Once
	unix     *sqlite3.Tsqlite3_vfs

	mu      sync.Mutex // guards all below, and what is in it
	folders map[string]*watch
	open    map[uintptr]*openFile
	methods map[uintptr]uintptr // ours, by the address of the unix VFS's
}

// watch is a folder that is watched.
type watch struct {
	handle  Handler
	files   int            // so far
	numbers map[string]int // of the file that now has the name
}

// openFile is an open file of SQLite's, with the methods that the unix VFS gave it.
type openFile struct {
	watch      *watch
	call       Call // with what is the same in all calls
	real       *sqlite3.Tsqlite3_io_methods
	syncFolder bool // the first sync also syncs the folder, as unixSync does
}

// register makes the shim SQLite's default VFS: the log's settings name none.
func register() {
	_, _ = sqlite.OFDLocking(true) // before anything else of the driver
	_, _ = sqlite.Fdatasync(true)
	shim.folders, shim.open, shim.methods = map[string]*watch{}, map[uintptr]*openFile{}, map[uintptr]uintptr{}
	tls := libc.NewTLS()
	defer tls.Close()
	name, err := libc.CString("huskies-vfstest")
	if err != nil {
		panic(err)
	}
	shim.unix = at[sqlite3.Tsqlite3_vfs](sqlite3.Xsqlite3_vfs_find(tls, 0))
	address, ours := copyOf(tls, shim.unix)
	ours.FzName = name
	*method[openMethod](&ours.FxOpen) = xOpen
	*method[deleteMethod](&ours.FxDelete) = xDelete
	*method[accessMethod](&ours.FxAccess) = xAccess
	if rc := sqlite3.Xsqlite3_vfs_register(tls, address, 1); rc != sqlite3.SQLITE_OK {
		panic("register VFS: " + libc.GoString(sqlite3.Xsqlite3_errstr(tls, rc)))
	}
}

// unixAddress is the unix VFS as SQLite passes it: its methods look at its name.
func unixAddress() uintptr { return uintptr(unsafe.Pointer(shim.unix)) }

// find returns the watch of the folder that a file is in, or nil.
func find(name uintptr) (w *watch, base string) {
	if name == 0 {
		return nil, "" // a temporary file
	}
	folder, base := filepath.Split(libc.GoString(name))
	shim.mu.Lock()
	defer shim.mu.Unlock()
	return shim.folders[filepath.Clean(folder)], base
}

// roleOf tells by the name what a file is.
func roleOf(base string) Role {
	switch {
	case strings.HasSuffix(base, "-wal"):
		return WAL
	case strings.HasSuffix(base, "-journal"):
		return Journal
	}
	return Database
}

// number returns the number of the file of that name, a new one if need be.
func (w *watch) number(base string) (n int, first bool) {
	shim.mu.Lock()
	defer shim.mu.Unlock()
	if n = w.numbers[base]; n == 0 {
		w.files++
		n, first = w.files, true
		w.numbers[base] = n
	}
	return n, first
}

// copyOf copies a structure of SQLite's to memory of its kind, where it stays:
// the race detector's pointer checks let it have none of Go's.
func copyOf[T any](tls *libc.TLS, from *T) (address uintptr, to *T) {
	address = libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(*from)))
	if address == 0 {
		panic("out of memory")
	}
	to = at[T](address)
	*to = *from
	return address, to
}

// at is what is at an address of SQLite's memory, which the garbage collector
// knows nothing of; go vet wants that said in this roundabout way.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// method is a field that holds a C function pointer as the Go function that it
// is in modernc.org/libc. A Go function of the same shape may be put there if
// it is declared at package level: the garbage collector does not look there.
func method[F any](field *uintptr) *F { return (*F)(unsafe.Pointer(field)) }
