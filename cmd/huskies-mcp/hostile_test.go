package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hostileFolders make of a folder .huskies with a sound pipeline one that somebody else may send. Each says
// what every command must name, "" where the commands work all the same.
var hostileFolders = map[string]struct {
	make func(dir, outside string) error
	says string
}{
	"a trigger": {func(dir, _ string) error {
		return runSQL(filepath.Join(dir, "pipeline.db"), "CREATE TRIGGER steal AFTER INSERT ON crdt_ops BEGIN DELETE FROM crdt_ops; END")
	}, `trigger "steal"`},
	"an endless view of the log": {func(dir, _ string) error {
		return runSQL(filepath.Join(dir, "pipeline.db"), `DROP TABLE crdt_ops; CREATE VIEW crdt_ops AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
			SELECT i AS arrival, zeroblob(32) AS op_id, zeroblob(32) AS author, i AS seq, zeroblob(60000) AS payload, zeroblob(64) AS signature, 1 AS received_at FROM n`)
	}, `view "crdt_ops"`},
	"an endless view of the keys": {func(dir, _ string) error {
		return runSQL(filepath.Join(dir, "pipeline.db"), `DROP TABLE crdt_node_identity; CREATE VIEW crdt_node_identity AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
			SELECT i AS id, zeroblob(32) AS seed, zeroblob(32) AS author, 1 AS created_at, '' AS machine, '' AS path FROM n`)
	}, `view "crdt_node_identity"`},
	"a name that is a statement": {func(dir, outside string) error {
		return runSQL(filepath.Join(dir, "pipeline.db"), `CREATE TABLE "leases SELECT * FROM main.leases WHERE 0; ATTACH '`+filepath.Join(outside, "stolen.db")+
			`' AS p; CREATE TABLE p.t AS SELECT * FROM main.crdt_node_identity; --" (a)`)
	}, "changed"},
	"many tables": {func(dir, _ string) error {
		statements := "BEGIN;"
		for i := range 3000 {
			statements += fmt.Sprintf("CREATE TABLE t%d (a);", i)
		}
		return runSQL(filepath.Join(dir, "pipeline.db"), statements+"COMMIT")
	}, "changed"},
	"a write-ahead log that is a link": {func(dir, outside string) error {
		return os.Symlink(filepath.Join(outside, "victim"), filepath.Join(dir, "pipeline.db-wal"))
	}, "symbolic link"},
	"an endless write-ahead log": {func(dir, _ string) error {
		path := filepath.Join(dir, "pipeline.db-wal")
		return errors.Join(os.WriteFile(path, []byte("7"), 0o600), os.Truncate(path, 1<<40))
	}, ""},
	"a database that is a link": {func(dir, outside string) error {
		path := filepath.Join(dir, "pipeline.db")
		return errors.Join(os.Remove(path), os.Symlink(filepath.Join(outside, "victim"), path))
	}, "symbolic link"},
	"a database that is a pipe": {func(dir, _ string) error {
		path := filepath.Join(dir, "pipeline.db")
		return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600))
	}, "not a "},
}

// hostileCommands are all that use the pipeline.
var hostileCommands = [][]string{
	{"call", "list_items"},
	{"call", "--read-only", "list_items"},
	{"call", "write_item", `{"story_id":"2_story","stage":"1_backlog"}`},
	{"log"},
	{"heads"},
	{"identity"},
	{"verify"},
	{"doctor"},
	{"export"},
	{"import", "--create", "../outside/all.bundle"},
	{"trust", "list"},
	{"trust", "add", strings.Repeat("0", 63) + "1"},
	{"backup", "--force", "../out/backup.db"},
	{"backup", "--force", "--with-key", "../out/backup.db"},
}

// TestHostileFolders: whatever somebody put into a folder .huskies, every command ends soon, in little memory,
// names what is wrong, and touches nothing outside.
func TestHostileFolders(t *testing.T) {
	for name, tt := range hostileFolders {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			project, outside := filepath.Join(root, "project"), filepath.Join(root, "outside")
			for _, dir := range []string{project, outside, filepath.Join(root, "out")} {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(outside, "victim"), []byte("as it was"), 0o600); err != nil {
				t.Fatal(err)
			}
			hostileCommand(t, project, "call", "write_item", `{"story_id":"1_story","stage":"1_backlog"}`)
			hostileCommand(t, project, "export", filepath.Join(outside, "all.bundle"))
			if err := tt.make(filepath.Join(project, ".huskies"), outside); err != nil {
				t.Fatal(err)
			}
			before := readFolder(t, outside)
			for _, args := range hostileCommands {
				said := hostileCommand(t, project, args...)
				if !strings.Contains(said, tt.says) {
					t.Errorf("%s says %.300q, want %q", args, said, tt.says)
				}
			}
			if diff := cmp.Diff(before, readFolder(t, outside)); diff != "" {
				t.Errorf("files outside (-before +after):\n%s", diff)
			}
		})
	}
}

// hostileCommand runs a command in a folder, and returns all that it says.
func hostileCommand(t *testing.T, dir string, args ...string) string {
	t.Helper()
	const most, memory = 30 * time.Second, 200 << 10 // KiB
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	cmd := exec.CommandContext(ctx, "huskies-mcp", args...)
	cmd.Dir = dir
	said, _ := cmd.CombinedOutput() // what it says tells whether it worked
	if ctx.Err() != nil {
		t.Errorf("%s did not end", args)
	}
	if use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && use.Maxrss > memory {
		t.Errorf("%s took %d KiB", args, use.Maxrss)
	}
	return string(said)
}
