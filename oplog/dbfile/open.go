package dbfile

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"modernc.org/sqlite"
)

// Resolve returns where the database at path is. It follows symbolic links as SQLite does: all
// processes must meet at one lock file, by whatever name they know the database.
func Resolve(path string) (string, error) {
	if _, err := os.Lstat(path); err == nil {
		return filepath.EvalSymlinks(path)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return path, nil // the folder is to be made, or the error comes with it
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

// settleDriver makes the driver's process-wide settings, which must precede
// the first open. Where a setting does not exist the platform does without.
var settleDriver = sync.OnceFunc(func() {
	_, _ = sqlite.OFDLocking(true)
	_, _ = sqlite.Fdatasync(true)
})

// Settings hold for a connection that reads and writes, and change nothing in the file.
const Settings = "_pragma=busy_timeout(10000)" + // ms, while it is opened, against programs that lock without our lock, e.g. an sqlite3 shell
	"&_pragma=synchronous(FULL)" + // a commit is on disk when it returns,
	"&_pragma=fullfsync(1)&_pragma=checkpoint_fullfsync(1)" + // also on macOS
	"&_pragma=journal_size_limit(67108864)" + // bytes that the write-ahead log keeps after a large transaction
	"&_dqs=0"

// Defensive keeps statements from changing the schema or an index past SQLite's own rules.
const Defensive = "&_defensive=1"

// startedSettings hold once the database is open. Whoever waits for another program then keeps
// our lock, and the process's reads waiting: it had better ask again.
const startedSettings = "PRAGMA busy_timeout = 1000" // ms

// safeSettings hold for every connection. What the file's own schema says may call no function that
// has an effect, and each cell of a page is checked before it is used.
const safeSettings = "_pragma=trusted_schema(0)&_pragma=cell_size_check(1)"

// Open returns the database at path with these settings. It connects to nothing yet.
func Open(path, settings string) (*sql.DB, error) {
	settleDriver()
	return sql.Open("sqlite", URL(path, settings+"&"+safeSettings))
}

// URL returns the path with the settings as SQLite takes it in a URI: on Windows as
// file:///C:/folder/p.db (https://sqlite.org/uri.html). In any other form a folder's name could be
// an authority or an option.
func URL(path, settings string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: settings}
	return dsn.String()
}

// LookingSettings hold for a connection that only looks. A wait for other programs is short.
const LookingSettings = "_pragma=busy_timeout(1000)&_pragma=query_only(1)&_dqs=0" + Defensive

// readerSettings hold for a connection that reads. A cache of 2 MB is enough for the
// inner pages of the indexes.
const readerSettings = "_pragma=busy_timeout(10000)&_pragma=query_only(1)&_pragma=cache_size(-2048)&_dqs=0" + Defensive

// WALMode is SQLite's name for write-ahead logging.
const WALMode = "wal"

// OpenTemporary connects to a database of its own for each connection, which is gone with the
// connection. It is in memory if where is ":memory:". If where is "" it is a file without a name,
// which SQLite writes when its cache is full.
func OpenTemporary(where string) (*sql.DB, error) {
	settleDriver()
	return sql.Open("sqlite", "file:"+where+"?_dqs=0&_pragma=busy_timeout(10000)&"+safeSettings)
}
