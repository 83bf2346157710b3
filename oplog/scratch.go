package oplog

import (
	"database/sql"
	"errors"
	"sync"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// scratch is a state in memory, beside a file whose own state is missing or not to be
// believed. The file is attached for reading: its log is read, and its state is hidden
// behind the tables in memory. The zero value is none.
type scratch struct {
	mu   sync.Mutex // guards all below, and is held for a whole View
	db   *sql.DB
	conn *sql.Conn
	st   *dbfile.Statements
}

// Where the tables of a scratch may be.
const (
	inMemory = ":memory:"
	// onDisk is a file without a name, which SQLite writes when its cache is full.
	onDisk = ""
)

func (s *scratch) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closeLocked()
}

func (s *scratch) closeLocked() (err error) {
	if s.st != nil {
		err = errors.Join(err, s.st.Close())
	}
	if s.conn != nil {
		err = errors.Join(err, s.conn.Close())
	}
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
	}
	s.st, s.conn, s.db = nil, nil, nil
	return err
}
