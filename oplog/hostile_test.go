package oplog

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestC35_NamesAreNoStatements: a table's name in the file is never a part of a statement. The
// name here ends the statement of a backup and goes on with another one, which would write the
// key into a third database.
func TestC35_NamesAreNoStatements(t *testing.T) {
	dir := t.TempDir()
	path, stolen := filepath.Join(dir, "p.db"), filepath.Join(dir, "stolen.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	seed := l.Key().Seed()
	check(t, l.Close())
	execRaw(t, path, `CREATE TABLE "leases SELECT * FROM main.leases WHERE 0; ATTACH '`+stolen+`' AS p; `+
		`CREATE TABLE p.t AS SELECT seed FROM main.crdt_node_identity; --" (a)`)

	to, _, err := backupReport(t, path, false)
	if _, statErr := os.Stat(stolen); statErr == nil {
		t.Error("the name of a table made a file")
	}
	if file, _ := os.ReadFile(to); err == nil && bytes.Contains(file, seed) {
		t.Error("the key is in a backup without the key")
	}
}
