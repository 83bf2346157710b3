package dbfile

import (
	"context"
	"database/sql"
	"errors"
)

// Statements is a connection that prepares each statement when it first runs, and
// keeps it. It is a db.DBTX, for one goroutine at a time.
type Statements struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

// NewStatements returns the statements of a connection, none of them prepared yet.
func NewStatements(conn *sql.Conn) *Statements {
	return &Statements{conn: conn, prepared: make(map[string]*sql.Stmt)}
}

// PrepareContext is that of db.DBTX.
func (s *Statements) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	stmt, ok := s.prepared[query]
	if ok {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(ctx, query)
	if err == nil {
		s.prepared[query] = stmt
	}
	return stmt, err
}

// ExecContext is that of db.DBTX.
func (s *Statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := s.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

// QueryContext is that of db.DBTX.
func (s *Statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := s.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// QueryRowContext is that of db.DBTX.
func (s *Statements) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	stmt, err := s.PrepareContext(ctx, query)
	if err != nil {
		return s.conn.QueryRowContext(ctx, query, args...) // its error is the row's
	}
	return stmt.QueryRowContext(ctx, args...)
}

// Close closes the statements, before the connection.
func (s *Statements) Close() (err error) {
	for _, stmt := range s.prepared {
		err = errors.Join(err, stmt.Close())
	}
	clear(s.prepared)
	return err
}
