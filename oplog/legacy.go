package oplog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/huskies/huskies-mcp/db"
)

// Legacy is what a database has that no bundle has, for the database that takes its place: the
// replica's keys with their homes, the decisions whom to trust and by whom members are decided, the leases, and the rows of damaged
// ops. The file may be damaged, and somebody else may have made it: its keys are believed because a
// person named the file.
type Legacy struct {
	// Lost are tables of which rows are missing or cannot be read.
	Lost []string

	rows    map[string][][]any  // by table
	damaged []db.AppendOpParams // without the time of arrival
	entered bool                // into a new database
}

// legacyTables are the tables of which a Legacy has the rows. No value is read further than any value
// of ours goes.
var legacyTables = []struct{ name, columns, read string }{
	{tableIdentities, "id, seed, author, created_at, machine, path", "id, substr(seed, 1, 64), substr(author, 1, 64), created_at, substr(machine, 1, 256), substr(path, 1, 4096)"},
	{TrustTable, "author, name, trusted, decided_at", "substr(author, 1, 64), substr(name, 1, 256), trusted, decided_at"},
	{RootsTable, "root, decided_at", "substr(root, 1, 64), decided_at"},
	{LeasesTable, "claim, session, seconds, expires_at", "substr(claim, 1, 64), substr(session, 1, 256), seconds, expires_at"},
}

func (f *Legacy) lose(table string) {
	if !slices.Contains(f.Lost, table) {
		f.Lost = append(f.Lost, table)
	}
}

// Entered reports whether [Create] made a new database with the legacy.
func (f *Legacy) Entered() bool { return f.entered }

// enter puts the rows of the legacy into the database, which is new. Those that break a constraint
// are damaged.
func (l *Log) enter(ctx context.Context, from *Legacy) error {
	for _, table := range legacyTables {
		for _, row := range from.rows[table.name] {
			marks := strings.TrimSuffix(strings.Repeat("?, ", len(row)), ", ")
			_, err := l.file.Conn.ExecContext(ctx, fmt.Sprintf(`INSERT INTO "%s" (%s) VALUES (%s)`, table.name, table.columns, marks), row...)
			var se *sqlite.Error
			switch {
			case errors.As(err, &se) && se.Code()&0xff == sqlite3.SQLITE_CONSTRAINT && table.name != tableIdentities:
				from.lose(table.name)
			case err != nil:
				return err
			}
		}
	}
	from.entered = true
	return nil
}
