package oplog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// zeroPage overwrites the last n bytes of a page of the file with zeros, as SQLite
// sees the end of a file that was cut.
func zeroPage(t *testing.T, path string, page int64, n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, n), page*pageBytes-int64(n)); err != nil {
		t.Fatal(err)
	}
}

// saysDamaged checks that the error is one of a damaged database, and says so once.
func saysDamaged(t *testing.T, what string, err error) {
	t.Helper()
	var broken *Error
	if !errors.As(err, &broken) || !broken.Damaged() || broken.Code != dbfile.CodeDamaged {
		t.Errorf("%s: got %v, %+v", what, err, broken)
		return
	}
	if text := broken.Error(); strings.Count(text, "malformed") > 1 || strings.Contains(text, "\n") {
		t.Errorf("%s: it says the same twice: %q", what, text)
	}
}

// TestReadingDamagedPagesSaysSo: whatever of the table of ops is damaged, who reads it
// hears that the database is, and what to do.
func TestReadingDamagedPagesSaysSo(t *testing.T) {
	const n = 300
	for name, damage := range map[string]func(path string, leaves []int64){
		"no type of page": func(path string, leaves []int64) { damagePage(t, path, leaves[4], 0, 0x55) },
		"rows of zeros":   func(path string, leaves []int64) { zeroPage(t, path, leaves[len(leaves)-1], 1000) },
	} {
		t.Run(name, func(t *testing.T) {
			path := longLog(t, n)
			leaves, _ := pagesOf(t, path, "crdt_ops")
			damage(path, leaves)
			l := mustOpen(t, path)
			_, err := readRows(l, 0)
			saysDamaged(t, "Rows", err)
			release, err := NewLock(path).Acquire(t.Context())
			check(t, err)
			defer release()
			cfg := testConfig(t, path)
			cfg.Machine = "" // where its key is at home
			writer, err := Create(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer writer.Close()
			_, err = readRows(writer, 0)
			saysDamaged(t, "Rows of a log at home", err)
			saysDamaged(t, "Rebuild", writer.Rebuild(t.Context()))
		})
	}
}

// TestRowThatIsNotThere: a row that was read and is not found again is an error with
// what to do.
func TestRowThatIsNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a", "b", "c")
	execRaw(t, path, "DELETE FROM crdt_ops WHERE arrival = 2")
	err := l.View(t.Context(), func(s *Snapshot) error {
		return s.History("1_s", 0, func(SignedRow) (bool, error) { return true, nil })
	})
	var broken *Error
	if !errors.As(err, &broken) || strings.Contains(err.Error(), "sql:") || broken.Code != CodeRowGone {
		t.Errorf("got %v, %+v", err, broken)
	}
}

func mustOpen(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(t.Context(), testConfig(t, path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// TestNoKeyForADamagedLog: a copy whose ops cannot be read gets no key of its own. What
// asked for one fails, and leaves the file as it was.
func TestNoKeyForADamagedLog(t *testing.T) {
	path := longLog(t, 300)
	execRaw(t, path, "UPDATE crdt_node_identity SET machine = 'there'")
	leaves, _ := pagesOf(t, path, "crdt_ops")
	zeroPage(t, path, leaves[len(leaves)-1], 1000)
	before := tablesOf(t, path)[tableIdentities]
	_, err := create(testConfig(t, path))
	saysDamaged(t, "Create", err)
	if after := tablesOf(t, path)[tableIdentities]; !cmp.Equal(before, after) {
		t.Errorf("the keys were %v and are %v", before, after)
	}
}
