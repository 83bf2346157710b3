package oplog

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// TestRebuildKeepsWhatItLoses shows that a rebuild which loses the edits of a row that was damaged
// after its op was applied leaves a copy of the database with them, once.
func TestRebuildKeepsWhatItLoses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "one", "two")
	_, err := l.file.Conn.ExecContext(t.Context(), "UPDATE crdt_ops SET payload = CAST(substr(payload, 1, length(payload) - 1) || x'07' AS BLOB) WHERE arrival = (SELECT max(arrival) FROM crdt_ops)")
	check(t, err)
	name := func(l *Log) (name string) {
		t.Helper()
		check(t, l.View(t.Context(), func(s *Snapshot) error {
			story, err := s.Source().Story("1_s")
			if err == nil && story == nil {
				err = errors.New("the story is gone")
			}
			if err == nil {
				name = story.Str(crdt.Deleted + 2)
			}
			return err
		}))
		return name
	}
	if got := name(l); got != "two" {
		t.Errorf("before the rebuild the name is %q, want two", got)
	}
	for range 2 {
		check(t, l.Rebuild(t.Context()))
	}
	if got := name(l); got != "one" {
		t.Errorf("after the rebuild the name is %q, want one", got)
	}
	copies, err := filepath.Glob(path + ".before-rebuild-*")
	check(t, err)
	if len(copies) != 1 || !strings.HasPrefix(filepath.Base(copies[0]), "p.db") {
		t.Fatalf("got copies %v, want one", copies)
	}
	kept := newLog(testConfig(t, copies[0]), copies[0])
	defer kept.Close()
	check(t, kept.file.Connect(t.Context(), dbfile.Settings))
	var merged []byte
	check(t, kept.file.Conn.QueryRowContext(t.Context(), "SELECT merged FROM stories WHERE id = '1_s'").Scan(&merged))
	story, err := crdt.DecodeStory("1_s", merged)
	check(t, err)
	if got := story.Str(crdt.Deleted + 2); got != "two" {
		t.Errorf("in the copy the name is %q, want two", got)
	}
}
