package oplog

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
)

// direct is a connection that runs some statements past database/sql, whose own
// bookkeeping takes a write more than half of what SQLite does for it, and a replay as
// much as SQLite: those of every write, and of reading the log. Each is prepared
// when it is first run. For all else it is the connection.
//
// Arguments are int64, []byte or string. It is for one goroutine at a time.
type direct struct {
	*sql.Conn
	prepared map[string]driver.Stmt // by their text
	args     []driver.NamedValue    // of one run
}

func newDirect(conn *sql.Conn) *direct {
	return &direct{Conn: conn, prepared: make(map[string]driver.Stmt)}
}

// ExecContext is that of db.DBTX.
func (d *direct) ExecContext(ctx context.Context, query string, args ...any) (res sql.Result, err error) {
	err = d.Raw(func(conn any) error {
		stmt, err := d.prepare(ctx, conn, query)
		if err != nil {
			return err
		}
		res, err = stmt.(driver.StmtExecContext).ExecContext(ctx, d.named(args))
		return err
	})
	return res, err
}

// each calls fn with each row that the query gives, which is valid until fn returns but
// for its []byte. fn must not use the connection.
func (d *direct) each(ctx context.Context, query string, fn func(row []driver.Value), args ...any) error {
	return d.Raw(func(conn any) (err error) {
		stmt, err := d.prepare(ctx, conn, query)
		if err != nil {
			return err
		}
		rows, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, d.named(args))
		if err != nil {
			return err
		}
		defer func() {
			if failed := rows.Close(); err == nil { // else it says the same again
				err = failed
			}
		}()
		row := make([]driver.Value, len(rows.Columns()))
		for {
			switch err := rows.Next(row); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			}
			fn(row)
		}
	})
}

func (d *direct) prepare(ctx context.Context, conn any, query string) (stmt driver.Stmt, err error) {
	stmt, ok := d.prepared[query]
	if !ok {
		if stmt, err = conn.(driver.ConnPrepareContext).PrepareContext(ctx, query); err == nil {
			d.prepared[query] = stmt
		}
	}
	return stmt, err
}

func (d *direct) named(args []any) []driver.NamedValue {
	d.args = d.args[:0]
	for i, arg := range args {
		d.args = append(d.args, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
	return d.args
}

// close closes the statements, before the connection.
func (d *direct) close() error {
	return d.Raw(func(any) (err error) {
		for _, stmt := range d.prepared {
			err = errors.Join(err, stmt.Close())
		}
		return err
	})
}
