package dbfile

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// maxReaders bounds the connections that read. Each is in use for a short time, so few serve many.
const maxReaders = 4

// readers are the connections by which a file is read, made when they are needed. The
// zero value is none.
type readers struct {
	mu   sync.Mutex // guards all below
	db   *sql.DB    // nil until somebody reads
	idle []*Reader
	slot chan struct{} // holds an element for each connection that is in use
}

// Reader is one connection that reads.
type Reader struct {
	conn *sql.Conn
	St   *Statements
}

// get returns a connection that nobody else uses, which put gives back. It waits until
// one is free, or ctx ends.
func (p *readers) get(ctx context.Context, f *File) (*Reader, error) {
	slot, err := p.open(f)
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
	return &Reader{conn, NewStatements(conn)}, nil
}

func (p *readers) open(f *File) (slot chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.db == nil {
		settings := readerSettings
		if f.cfg.ReadOnly {
			settings = LookingSettings + f.mode
		}
		if p.db, err = Open(f.Path, settings); err != nil {
			return nil, err
		}
		p.slot = make(chan struct{}, maxReaders)
	}
	return p.slot, nil
}

func (p *readers) put(r *Reader) {
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
		err = errors.Join(err, r.St.Close(), r.conn.Close())
	}
	p.idle = nil
	if p.db != nil {
		err = errors.Join(err, p.db.Close())
		p.db = nil
	}
	return err
}

// Reader returns a connection for reading that nobody else uses, which PutReader gives back. It
// waits until one is free, or ctx ends.
func (f *File) Reader(ctx context.Context) (*Reader, error) { return f.readers.get(ctx, f) }

// PutReader gives back what Reader returned.
func (f *File) PutReader(r *Reader) { f.readers.put(r) }
