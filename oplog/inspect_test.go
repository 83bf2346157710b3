package oplog

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

func TestInspect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	if in := Inspect(t.Context(), path, ""); in.Err != nil || in.Database.Info != nil || in.Folder.Info == nil || in.Path == "" {
		t.Errorf("without a file: got %+v", in)
	}
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	author := crdt.AuthorOf(l.Key())
	link := filepath.Join(filepath.Dir(path), "link.db")
	if err := os.Symlink("p.db", link); err != nil {
		t.Fatal(err)
	}
	in := Inspect(t.Context(), link, "")
	switch {
	case in.Err != nil || in.Foreign || in.CheckErr != nil || in.Identity != nil || len(in.Problems) > 0 || !in.Checked:
		t.Errorf("a sound log: got %+v", in)
	case in.Schema != newestSchema || in.NewestSchema != newestSchema || in.JournalMode != dbfile.WALMode || len(in.Identities) != 1 || in.Identities[0].Author != author || !in.Identities[0].Present || in.Pages == 0:
		t.Errorf("a sound log: got %+v", in)
	case in.WAL.Size() == 0 || in.Lock.Info == nil || filepath.Base(in.Path) != "p.db" || filepath.Base(in.WAL.Path) != "p.db-wal":
		t.Errorf("what stands beside it, by way of a link: got %+v", in)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if in := Inspect(t.Context(), link, ""); in.Database.Err == nil || in.Err == nil {
		t.Errorf("a link that leads nowhere: got %+v", in)
	}
	path = filepath.Join(t.TempDir(), "text.db")
	if err := os.WriteFile(path, []byte("This is no database, but it is longer than the header of one, which has a hundred bytes, so that it is looked at."), 0o600); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if in := Inspect(t.Context(), path, ""); !errors.As(in.Err, &e) || e.Code == "" || in.Schema != 0 || !in.Foreign {
		t.Errorf("no database: got %+v", in)
	}
}

// TestReadOnly: a log that is open for looking takes no writes, whether another
// process has it open or not.
func TestReadOnly(t *testing.T) {
	for _, alone := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "p.db")
		if other := mustCreate(t, path); alone {
			_ = other.Close()
		}
		cfg := testConfig(t, path)
		cfg.ReadOnly = true
		l, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		err = l.Write(t.Context(), func(tx *Tx) error { return tx.Trust(crdt.Author{1}, "x") })
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("alone %t: got %v, want an error of the storage", alone, err)
		}
	}
}
