package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/huskies/huskies-mcp/migrations"
)

// scriptOlder makes a database one of an older schema.
func scriptOlder(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: older FILE VERSION")
	}
	version, err := strconv.Atoi(args[1])
	ts.Check(err)
	was := filepath.Join(ts.Getenv("TMPDIR"), "older.db")
	ts.Check(runSQL(was, strings.Join(migrations.All()[:version], "\n")))
	ts.Check(makeOlder(ts.MkAbs(args[0]), was, version))
}

// makeOlder takes the tables out of a database that the database was does not have.
func makeOlder(path, was string, version int) error {
	old, err := tablesOf(was)
	if err != nil {
		return err
	}
	now, err := tablesOf(path)
	if err != nil {
		return err
	}
	drop := "PRAGMA foreign_keys = OFF"
	for name := range now {
		if !old[name] {
			drop += fmt.Sprintf("; DROP TABLE %s", name)
		}
	}
	return runSQL(path, fmt.Sprintf("%s; PRAGMA user_version = %d", drop, version))
}

// tablesOf returns the names of the tables of a database, without those that belong to another table.
func tablesOf(path string) (map[string]bool, error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.Query("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite_%'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names := make(map[string]bool)
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names[name] = true
	}
	return names, rows.Err()
}
