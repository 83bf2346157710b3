package oplog

import (
	"database/sql/driver"
	"path/filepath"
	"strings"
	"testing"
)

// TestErrorBetweenRows is said once: SQLite says it again when the statement is reset.
func TestErrorBetweenRows(t *testing.T) {
	database, err := openDatabase(filepath.Join(t.TempDir(), "x.db"), "")
	check(t, err)
	defer database.Close()
	conn, err := database.Conn(t.Context())
	check(t, err)
	defer conn.Close()
	d := newDirect(conn)
	defer d.close()
	rows := 0
	err = d.each(t.Context(), "SELECT abs(column1) FROM (VALUES (1), (-9223372036854775808))", func([]driver.Value) { rows++ })
	if rows != 1 || err == nil || strings.Count(err.Error(), "overflow") != 1 {
		t.Errorf("after %d rows: %v", rows, err)
	}
}
