package replica_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"modernc.org/sqlite"

	"github.com/huskies/huskies-mcp/replica"
)

// TestRestoredBackup shows that running processes go on with a backup that was put in place of the
// database, as another file or into the same one, and that all see what they write afterwards.
func TestRestoredBackup(t *testing.T) {
	for name, restore := range map[string]func(path, backup string){
		"another file": func(path, backup string) {
			removeFiles(t, path)
			if err := os.Rename(backup, path); err != nil {
				t.Fatal(err)
			}
		},
		"in place": func(path, backup string) { restoreInto(t, path, backup) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			backup := path + ".backup"
			a, b := newReplica(t, path), newReplica(t, path)
			create(t, a, "1_s")
			exec(t, path, fmt.Sprintf("VACUUM INTO '%s'", backup))
			for i := range 10 {
				create(t, a, fmt.Sprintf("%d_s", i+2))
			}
			text(t, b)
			restore(path, backup)
			create(t, a, "50_s")
			if _, err := read(t, b, "50_s"); err != nil {
				t.Error(err)
			}
			create(t, b, "60_s")
			want := text(t, newReplica(t, path))
			if got := listed(t, a); got != "1_s 50_s 60_s" {
				t.Error("the stories are", got)
			}
			for _, r := range []*replica.Replica{a, b} {
				if diff := cmp.Diff(want, text(t, r)); diff != "" {
					t.Error("(-file +process):", diff)
				}
			}
		})
	}
}

// TestRestoredWithoutKey shows that a process under which a backup without the key is put over the
// database signs with a fresh key, since others may have ops that the old key signed and that are
// not in the backup.
func TestRestoredWithoutKey(t *testing.T) {
	for name, second := range map[string]bool{"lost rows of its own": false, "lost rows of another process": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, backup := filepath.Join(dir, "p.db"), filepath.Join(dir, "p.backup")
			r := newReplica(t, path)
			create(t, r, "1_s")
			if err := os.WriteFile(backup, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Backup(t.Context(), backup, false); err != nil {
				t.Fatal(err)
			}
			other := r
			if second {
				other = newReplica(t, path)
			}
			create(t, other, "2_s")
			former, lost := author(t, other), exported(t, other)
			restoreInto(t, path, backup)
			create(t, r, "3_s")
			if author(t, r) == former {
				t.Error("the key that the backup left out signs on")
			}
			imports(t, r, replica.ImportReport{New: 1, Known: 1}, lost...)
			if n := len(heads(t, r)); n != 2 {
				t.Errorf("%d heads, want 2: what was lost, and what came after", n)
			}
		})
	}
}

// TestRestoredTrust shows that a process goes by the decisions whom to trust that are in a file that
// went back and was decided upon anew, not by those that were, though there are as many.
func TestRestoredTrust(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "p.db"), filepath.Join(dir, "p.backup")
	a, b := newReplica(t, path), newReplica(t, path)
	create(t, a, "1_s")
	exec(t, path, fmt.Sprintf("VACUUM INTO '%s'", backup))
	before, after := chain(t, filepath.Join(dir, "before.db"), 1), chain(t, filepath.Join(dir, "after.db"), 1)
	if err := a.Trust(t.Context(), author(t, before), ""); err != nil {
		t.Fatal(err)
	}
	text(t, a)
	restoreInto(t, path, backup)
	if err := b.Trust(t.Context(), author(t, after), ""); err != nil {
		t.Fatal(err)
	}
	imports(t, a, replica.ImportReport{New: 1, Held: 1}, exported(t, before)...)
	imports(t, a, replica.ImportReport{New: 1}, exported(t, after)...)
}

// restoreInto copies the backup into the database by SQLite's backup API, as the sqlite3 shell's
// .restore does.
func restoreInto(t *testing.T, path, backup string) {
	t.Helper()
	err := shell(t, path).Raw(func(c any) error {
		b, err := c.(interface {
			NewRestore(string) (*sqlite.Backup, error)
		}).NewRestore(backup)
		if err != nil {
			return err
		}
		for more := true; more; {
			if more, err = b.Step(-1); err != nil {
				return err
			}
		}
		return b.Finish()
	})
	if err != nil {
		t.Fatal(err)
	}
}
