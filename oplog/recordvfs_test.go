//go:build linux

package oplog

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// recorder lists, in order, what SQLite does to the files of a database. It
// stands between SQLite and its unix VFS (https://sqlite.org/vfs.html), so
// that what is recorded is what the real code does, on real files. The shared
// memory file is left out: SQLite makes it anew after a power cut.
type recorder struct {
	folder string // of the database; other databases are not recorded
	events []event
	files  int            // files so far
	names  map[string]int // number of the file that now has the name
	open   map[uintptr]*openFile
	memory []uintptr // of SQLite's kind, to be freed
}

// event is one step of a recording.
type event struct {
	kind   eventKind
	file   int    // its number: a name deleted and made again is another file
	name   string // in the folder; of linked and unlinked
	at     int64  // where written; the size truncated to
	data   []byte // what was written
	folder bool   // of synced and unlinked: the folder is synced as well
	ops    int    // of begun and acknowledged
}

type eventKind uint8

const (
	linked       eventKind = iota // the file was created under a name
	unlinked                      // the name was deleted
	written                       //
	truncated                     //
	synced                        // all that was done to the file is on disk
	begun                         // the test gave the log this many ops in all
	acknowledged                  // the log said that this many ops are durable
)

// openFile is an open file of SQLite's, with the methods that the unix VFS gave it.
type openFile struct {
	number     int
	real       *sqlite3.Tsqlite3_io_methods
	syncFolder bool // the first sync also syncs the folder, as unixSync does
}

// SQLite calls through C function pointers, which carry no Go closure, so what
// the methods need stands here. One test at a time records.
var (
	recording *recorder
	unixVFS   *sqlite3.Tsqlite3_vfs
)

// record makes the recording VFS the default, since the log's settings name
// none, until stop is called. SQLite asks for the default when it opens a
// database, so all databases that stop finds open must be closed by then.
func record(t *testing.T, folder string) (r *recorder, stop func()) {
	t.Helper()
	settleDriver() // before anything else of the driver
	tls := libc.NewTLS()
	name, err := libc.CString("huskies-recorder")
	if err != nil {
		t.Fatal(err)
	}
	standard := sqlite3.Xsqlite3_vfs_find(tls, 0)
	r = &recorder{folder: folder, names: map[string]int{}, open: map[uintptr]*openFile{}, memory: []uintptr{name}}
	recording, unixVFS = r, at[sqlite3.Tsqlite3_vfs](standard)
	address, ours := copyOf(r, tls, unixVFS)
	ours.FzName = name
	*method[openMethod](&ours.FxOpen) = recordOpen
	*method[deleteMethod](&ours.FxDelete) = recordDelete
	if rc := sqlite3.Xsqlite3_vfs_register(tls, address, 1); rc != sqlite3.SQLITE_OK {
		t.Fatal("register VFS: result code", rc)
	}
	return r, func() {
		sqlite3.Xsqlite3_vfs_unregister(tls, address)
		for _, p := range r.memory {
			libc.Xfree(tls, p)
		}
		tls.Close()
		recording = nil
	}
}

func (r *recorder) add(e event) { r.events = append(r.events, e) }

// sync makes a file durable past SQLite, and records it.
func (r *recorder) sync(f *os.File) error {
	err := syncData(f)
	if number, ok := r.names[filepath.Base(f.Name())]; ok && err == nil {
		r.add(event{kind: synced, file: number})
	}
	return err
}

type (
	openMethod     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	deleteMethod   = func(tls *libc.TLS, vfs, name uintptr, syncFolder int32) int32
	writeMethod    = func(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32
	truncateMethod = func(tls *libc.TLS, file uintptr, size int64) int32
	syncMethod     = func(tls *libc.TLS, file uintptr, flags int32) int32
)

func recordOpen(tls *libc.TLS, _, name, file uintptr, flags int32, outFlags uintptr) int32 {
	// The unix VFS looks at the name of the VFS it is called for: give its own.
	rc := (*method[openMethod](&unixVFS.FxOpen))(tls, uintptr(unsafe.Pointer(unixVFS)), name, file, flags, outFlags)
	const kinds = sqlite3.SQLITE_OPEN_MAIN_DB | sqlite3.SQLITE_OPEN_MAIN_JOURNAL | sqlite3.SQLITE_OPEN_WAL
	if rc != sqlite3.SQLITE_OK || name == 0 || flags&kinds == 0 {
		return rc
	}
	folder, base := filepath.Split(libc.GoString(name))
	if filepath.Clean(folder) != recording.folder {
		return rc
	}
	number, ok := recording.names[base]
	if !ok {
		recording.files++
		number = recording.files
		recording.names[base] = number
		recording.add(event{kind: linked, file: number, name: base})
	}
	methods := &at[sqlite3.Tsqlite3_file](file).FpMethods
	f := &openFile{
		number:     number,
		real:       at[sqlite3.Tsqlite3_io_methods](*methods),
		syncFolder: flags&sqlite3.SQLITE_OPEN_CREATE != 0 && flags&sqlite3.SQLITE_OPEN_MAIN_DB == 0,
	}
	address, ours := copyOf(recording, tls, f.real)
	*method[writeMethod](&ours.FxWrite) = recordWrite
	*method[truncateMethod](&ours.FxTruncate) = recordTruncate
	*method[syncMethod](&ours.FxSync) = recordSync
	*methods = address
	recording.open[file] = f
	return rc
}

func recordDelete(tls *libc.TLS, _, name uintptr, syncFolder int32) int32 {
	rc := (*method[deleteMethod](&unixVFS.FxDelete))(tls, uintptr(unsafe.Pointer(unixVFS)), name, syncFolder)
	base := filepath.Base(libc.GoString(name))
	if number, ok := recording.names[base]; ok && rc == sqlite3.SQLITE_OK {
		delete(recording.names, base)
		recording.add(event{kind: unlinked, file: number, name: base, folder: syncFolder != 0})
	}
	return rc
}

func recordWrite(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32 {
	f := recording.open[file]
	rc := (*method[writeMethod](&f.real.FxWrite))(tls, file, data, size, offset)
	if rc == sqlite3.SQLITE_OK {
		recording.add(event{kind: written, file: f.number, at: offset, data: bytes.Clone(libc.GoBytes(data, int(size)))})
	}
	return rc
}

func recordTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	f := recording.open[file]
	rc := (*method[truncateMethod](&f.real.FxTruncate))(tls, file, size)
	if rc == sqlite3.SQLITE_OK {
		recording.add(event{kind: truncated, file: f.number, at: size})
	}
	return rc
}

func recordSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	f := recording.open[file]
	rc := (*method[syncMethod](&f.real.FxSync))(tls, file, flags)
	if rc == sqlite3.SQLITE_OK {
		recording.add(event{kind: synced, file: f.number, folder: f.syncFolder})
		f.syncFolder = false
	}
	return rc
}

// copyOf copies a structure of SQLite's to memory of its kind: the race
// detector's pointer checks let it have none of Go's.
func copyOf[T any](r *recorder, tls *libc.TLS, from *T) (address uintptr, to *T) {
	address = libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(*from)))
	if address == 0 {
		panic("out of memory")
	}
	r.memory = append(r.memory, address)
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
