package oplog

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// maxReaders bounds the connections that read: a View is short, so few serve many.
const maxReaders = 4

// readers are the connections by which a log is read, made when they are needed. The
// zero value is none.
type readers struct {
	mu   sync.Mutex // guards all below
	db   *sql.DB    // nil until somebody reads
	idle []*reader
	slot chan struct{} // holds an element for each connection that is in use
}

// reader is one connection.
type reader struct {
	conn *sql.Conn
	st   *dbfile.Statements
}

// get returns a connection that nobody else uses, which put gives back. It waits until
// one is free, or ctx ends.
func (p *readers) get(ctx context.Context, l *Log) (*reader, error) {
	slot, err := p.open(l)
	if err != nil {
		return nil, err
	}
	select {
	case slot <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		r := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return r, nil
	}
	db := p.db
	p.mu.Unlock()
	conn, err := db.Conn(context.WithoutCancel(ctx))
	if err != nil {
		<-slot
		return nil, err
	}
	return &reader{conn, dbfile.NewStatements(conn)}, nil
}

func (p *readers) open(l *Log) (slot chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.db == nil {
		settings := dbfile.ReaderSettings
		if l.cfg.ReadOnly {
			settings = dbfile.LookingSettings + l.mode
		}
		if p.db, err = dbfile.Open(l.path, settings); err != nil {
			return nil, err
		}
		p.slot = make(chan struct{}, maxReaders)
	}
	return p.slot, nil
}

func (p *readers) put(r *reader) {
	p.mu.Lock()
	p.idle = append(p.idle, r)
	p.mu.Unlock()
	<-p.slot
}

// close closes the connections. None is in use.
func (p *readers) close() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.idle {
		err = errors.Join(err, r.st.Close(), r.conn.Close())
	}
	p.idle = nil
	if p.db != nil {
		err = errors.Join(err, p.db.Close())
		p.db = nil
	}
	return err
}
