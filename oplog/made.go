package oplog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/huskies/huskies-mcp/migrations"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// A database may come from somebody else, and what its sqlite_schema says runs: a trigger in each
// write, a view in each read, the expression of an index or of a constraint in both. So every
// object of a database must be one that the migrations make, word for word, before anything else is
// read from the file.

// object is a row of sqlite_schema.
type object struct {
	kind, name, table string
	sql               string // normalised; "" for an index that SQLite made by itself
}

// madeSchemas are the objects that the migrations make.
type madeSchemas struct {
	any    map[object]bool // of the schema of any version
	newest []object        // of this build's
}

// made returns the objects that the migrations make. It runs them once, in memory.
var made = sync.OnceValues(func() (madeSchemas, error) {
	memory, err := dbfile.OpenTemporary(inMemory)
	if err != nil {
		return madeSchemas{}, err
	}
	defer memory.Close()
	ctx := context.Background()
	conn, err := memory.Conn(ctx) // another one would be another database
	if err != nil {
		return madeSchemas{}, err
	}
	defer conn.Close()
	m := madeSchemas{any: make(map[object]bool)}
	for version, statements := range migrations.All() {
		if _, err := conn.ExecContext(ctx, statements); err != nil {
			return m, fmt.Errorf("migration %d: %w", version+1, err)
		}
		if m.newest, err = readObjects(ctx, conn); err != nil {
			return m, err
		}
		for _, o := range m.newest {
			m.any[o] = true
		}
	}
	for _, o := range formerObjects {
		m.any[o] = true
	}
	return m, nil
})

// formerObjects are those that may stand in a database although no migration of this build makes them.
var formerObjects = []object{
	// The log of the first builds, with another index (docs/decisions/0008-index-by-seq.md).
	{"table", tableOps, tableOps, normalSQL(`CREATE TABLE crdt_ops (
		arrival INTEGER PRIMARY KEY,
		op_id BLOB NOT NULL UNIQUE CHECK (length(op_id) = 32),
		author BLOB NOT NULL CHECK (length(author) = 32),
		seq INTEGER NOT NULL CHECK (seq >= 1),
		payload BLOB NOT NULL CHECK (length(payload) <= 65536),
		signature BLOB NOT NULL CHECK (length(signature) = 64),
		received_at INTEGER NOT NULL
	) STRICT`)},
	// What SQLite makes at ANALYZE and for AUTOINCREMENT.
	{"table", "sqlite_stat1", "sqlite_stat1", normalSQL("CREATE TABLE sqlite_stat1(tbl,idx,stat)")},
	{"table", "sqlite_stat4", "sqlite_stat4", normalSQL("CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)")},
	{"table", "sqlite_sequence", "sqlite_sequence", normalSQL("CREATE TABLE sqlite_sequence(name,seq)")},
}

// rowsOf is what can be asked for rows.
type rowsOf interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// maxObjects bounds how many objects of a database are looked at, and maxObjectText how long the text
// of each is, in characters. Ours have some fifty of at most a few thousand.
const (
	maxObjects    = 1000
	maxObjectText = 100_000
)

// readObjects returns the objects of the database, in the order in which they were made. Where there
// are too many or they are too long, those that it returns are foreign all the same.
func readObjects(ctx context.Context, conn rowsOf) (all []object, err error) {
	rows, err := conn.QueryContext(ctx, "SELECT substr(type, 1, ?1), substr(name, 1, ?1), substr(tbl_name, 1, ?1), COALESCE(substr(sql, 1, ?1), '') FROM main.sqlite_schema ORDER BY rowid LIMIT ?2",
		maxObjectText, maxObjects)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var o object
		if err := rows.Scan(&o.kind, &o.name, &o.table, &o.sql); err != nil {
			return nil, err
		}
		o.sql = normalSQL(o.sql)
		all = append(all, o)
	}
	return all, rows.Err()
}

// foreignObjects returns the objects that no migration makes. A second object of one name is one,
// too.
func foreignObjects(objects []object) (foreign []object, err error) {
	schemas, err := made()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	for _, o := range objects {
		if !schemas.any[o] || seen[o.name] {
			foreign = append(foreign, o)
		}
		seen[o.name] = true
	}
	return foreign, nil
}

// missingObjects returns the tables and indexes of this build's schema that are not among the objects.
func missingObjects(objects []object) (tables, indexes []string, err error) {
	schemas, err := made()
	if err != nil {
		return nil, nil, err
	}
	for _, want := range schemas.newest {
		there := slices.ContainsFunc(objects, func(o object) bool { return o.kind == want.kind && o.name == want.name })
		switch {
		case there:
		case want.kind == "table":
			tables = append(tables, want.name)
		case want.sql != "": // one without goes with its table
			indexes = append(indexes, want.name)
		}
	}
	return tables, indexes, nil
}

// String names an object for people. The name is somebody else's text.
func (o object) String() string {
	switch {
	case o.kind == "table" && isMade(o.name), o.kind == "index" && isMade(o.name):
		return fmt.Sprintf("%s %.60q, which is declared in another way", o.kind, o.name)
	case o.kind == "trigger" || o.kind == "index":
		return fmt.Sprintf("%s %.60q on table %.60q", o.kind, o.name, o.table)
	}
	return fmt.Sprintf("%.20s %.60q", o.kind, o.name)
}

// isMade reports whether a migration makes an object of that name.
func isMade(name string) bool {
	schemas, _ := made()
	for o := range schemas.any {
		if o.name == name {
			return true
		}
	}
	return false
}

// errForeign: the schema of a database has objects that huskies-mcp did not make.
var errForeign = errors.New("somebody else changed what the database consists of")

// foreignError returns an error if the file has objects that huskies-mcp did not make.
func (l *Log) foreignError(s fileState) error {
	if len(s.foreign) == 0 {
		return nil
	}
	const most = 3
	var names []string
	for _, o := range s.foreign[:min(len(s.foreign), most)] {
		names = append(names, o.String())
	}
	if more := len(s.foreign) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	code := CodeAltered
	if s.readable() {
		code = CodeForeign
	}
	return l.refuseFile(code, fmt.Errorf("%w: %s", errForeign, strings.Join(names, ", ")))
}

// readable reports whether our own tables are as we made them, so that they can be read although
// there is more in the file.
func (s fileState) readable() bool {
	return !slices.ContainsFunc(s.foreign, func(o object) bool {
		return slices.ContainsFunc(ownTables, func(name string) bool { return strings.EqualFold(name, o.name) }) || strings.HasPrefix(o.name, "sqlite_")
	})
}
