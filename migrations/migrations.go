// Package migrations holds the schema of the database as numbered SQL files.
//
// File NNNN_name.sql takes a database from PRAGMA user_version NNNN-1 to NNNN.
// Migrations go forward only; a file that has been released never changes.
// Package oplog runs them, sqlc reads them as its schema.
package migrations

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.sql
var files embed.FS

var all = load()

// All returns the migrations in order: element i leads to user_version i+1.
func All() []string { return all }

// load panics when the embedded files are not numbered 0001, 0002, ...: that
// fails at the first run of any test or never.
func load() []string {
	names, err := fs.Glob(files, "*.sql") // sorted
	if err != nil {
		panic(err)
	}
	all := make([]string, len(names))
	for i, name := range names {
		if want := fmt.Sprintf("%04d_", i+1); !strings.HasPrefix(name, want) {
			panic(fmt.Sprintf("migration %s: want a name that begins with %s", name, want))
		}
		b, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		all[i] = string(b)
	}
	return all
}
