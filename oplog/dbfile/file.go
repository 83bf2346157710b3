package dbfile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Config says which file is opened, and how.
type Config struct {
	// Path of the database as its users know it, absolute.
	Path string
	// ReadOnly says that nothing is ever written to the file, also not by SQLite when it is closed.
	ReadOnly bool
}

// File is one process's access to one SQLite file: a connection that may write, and others that
// read. Reader may be called by any number of goroutines at once. All else is for one goroutine at
// a time.
type File struct {
	cfg  Config
	Path string // of the file to which the path of the config leads

	// Set by Connect.
	Info fs.FileInfo // of the file as it was opened
	// hadWAL: a -wal file lay there. SQLite takes an empty one for none.
	hadWAL bool
	DB     *sql.DB
	Conn   *sql.Conn

	St      *Statements // of Conn; set by Start
	Journal string      // the journal mode, which the caller finds out

	readers   readers
	madeIndex bool   // looking made the -shm file
	mode      string // see lookingMode
}

// New returns the file at path, to which the path of the config leads. It opens nothing.
func New(cfg Config, path string) *File { return &File{cfg: cfg, Path: path} }

// Connect makes the connection that may write. It changes nothing in the file. Close must be called
// also after an error.
func (f *File) Connect(ctx context.Context, settings string) (err error) {
	if err := CheckFiles(f.Path); err != nil {
		return err
	}
	if f.Info, err = os.Stat(f.Path); err != nil {
		return err
	}
	if err := f.checkOwner(); err != nil {
		return err
	}
	f.hadWAL = LookAt(f.Path+"-wal").Info != nil
	if f.cfg.ReadOnly {
		f.mode = f.lookingMode()
		settings += f.mode
	}
	if f.DB, err = Open(f.Path, settings); err != nil {
		return err
	}
	f.Conn, err = f.DB.Conn(ctx)
	return err
}

// Start makes the connection ready for statements once the file was found to be in order.
func (f *File) Start(ctx context.Context) error {
	_, err := f.Conn.ExecContext(ctx, startedSettings)
	f.St = NewStatements(f.Conn)
	return err
}

// Immutable reports whether the file is read as one that nobody can change, since its disk is
// mounted read-only.
func (f *File) Immutable() bool { return f.mode == Immutable }

// TurnToWAL sets the file to write-ahead logging, which it then keeps. Under
// the lock, since SQLite does not wait for others here.
func (f *File) TurnToWAL(ctx context.Context) (mode string, err error) {
	err = f.Conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
	if err == nil && mode != WALMode {
		err = fmt.Errorf("the file system does not allow write-ahead logging: journal mode is %s", mode)
	}
	return mode, err
}

// Close closes all connections. It does not wait for a lock. No reader may be in use.
func (f *File) Close() error {
	if f.cfg.ReadOnly {
		defer f.cleanUp()
		defer f.keepOpen()()
	}
	err := f.readers.close()
	if f.St != nil {
		err = errors.Join(err, f.St.Close())
	}
	if f.Conn != nil {
		err = errors.Join(err, f.Conn.Close())
	}
	if f.DB != nil {
		err = errors.Join(err, f.DB.Close())
	}
	return err
}
