package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
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
	"many objects": {func(dir, _ string) error {
		statements := "BEGIN;"
		for i := range 600 {
			statements += fmt.Sprintf("CREATE VIEW v%d AS SELECT 1;", i)
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
	"a lock that is a link": {func(dir, outside string) error {
		path := filepath.Join(dir, "pipeline.db.lock")
		return errors.Join(os.Remove(path), os.Symlink(filepath.Join(outside, "made"), path))
	}, ""},
	"sessions that are elsewhere": {func(dir, outside string) error {
		path := filepath.Join(dir, "pipeline.db-sessions")
		return errors.Join(os.RemoveAll(path), os.Symlink(outside, path))
	}, ""},
	"a bell that is elsewhere": {func(dir, outside string) error {
		path := filepath.Join(dir, "pipeline.db-bell")
		return errors.Join(os.RemoveAll(path), os.Symlink(outside, path))
	}, ""},
	"a relay that is elsewhere": {func(dir, outside string) error {
		path := filepath.Join(dir, "pipeline.db-relay")
		return errors.Join(os.Symlink(filepath.Join(outside, "made"), path), os.Symlink(filepath.Join(outside, "victim"), path+".json"),
			os.Symlink(filepath.Join(outside, "victim"), path+".json.new"))
	}, ""},
	"pipes beside the database": {func(dir, _ string) (err error) {
		for _, suffix := range []string{"-relay", "-relay.json", "-relay.json.new", "-sessions", "-bell"} {
			path := filepath.Join(dir, "pipeline.db"+suffix)
			err = errors.Join(err, os.RemoveAll(path), syscall.Mkfifo(path, 0o600))
		}
		return err
	}, ""},
	"a folder that is a pipe": {func(dir, _ string) error {
		return errors.Join(os.RemoveAll(dir), syscall.Mkfifo(dir, 0o600))
	}, ""},
	"a .gitignore without end": {func(dir, _ string) error {
		path := filepath.Join(dir, ".gitignore")
		return errors.Join(os.RemoveAll(path), os.Symlink("/dev/zero", path))
	}, ""},
	"a file of nothing": {func(dir, _ string) error {
		return os.WriteFile(filepath.Join(dir, "pipeline.db"), bytes.Repeat([]byte("nothing "), 4096), 0o600)
	}, "pipeline.db"},
	"a header of four billion pages": {func(dir, _ string) error {
		return writeAt(filepath.Join(dir, "pipeline.db"), 28, 0xff, 0xff, 0xff, 0xfe)
	}, ""},
	"a schema that leads nowhere": {func(dir, _ string) error {
		return writeAt(filepath.Join(dir, "pipeline.db"), 100, bytes.Repeat([]byte{0xff}, 4000)...)
	}, "pipeline.db"},
	"half a database": {func(dir, _ string) error {
		return os.Truncate(filepath.Join(dir, "pipeline.db"), 20_000)
	}, ""},
	"a database that is a pipe": {func(dir, _ string) error {
		path := filepath.Join(dir, "pipeline.db")
		return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600))
	}, "not a "},
}

// writeAt overwrites a part of a file.
func writeAt(path string, at int64, with ...byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(with, at)
	return errors.Join(err, f.Close())
}

// hostileCommand is a command that is tried on every hostile folder.
type hostileCommand struct {
	args []string
	// unnamed says that the command need not name what is hostile: it works without it, or tells it elsewhere.
	unnamed bool
	// lasts says that the command goes on until it is told to end, where it can read the pipeline.
	lasts bool
	// screen says that the command needs a terminal.
	screen bool
}

// noInvitation looks like an invitation to a hub, at an address where nothing answers.
var noInvitation = "huskies://127.0.0.1:1/abcdefghijklm?ca=" + strings.Repeat("0", 64) + "&root=" + strings.Repeat("0", 63) + "1&token=a.b"

// hostileCommands are all that use the pipeline: TestHostileCommandsAreAll. A restore mends the folder, so it comes last.
var hostileCommands = []hostileCommand{
	{args: []string{"serve"}},
	{args: []string{"call", "list_items"}},
	{args: []string{"call", "--read-only", "list_items"}},
	{args: []string{"call", "write_item", `{"story_id":"2_story","stage":"1_backlog"}`}},
	{args: []string{"context"}},
	{args: []string{"list"}},
	{args: []string{"show", "1"}},
	{args: []string{"next"}},
	{args: []string{"stats"}},
	{args: []string{"watch"}, lasts: true, screen: true},
	{args: []string{"board"}, lasts: true, unnamed: true}, // its pages say it
	{args: []string{"settings"}},
	{args: []string{"settings", "max_retries", "3"}},
	{args: []string{"add", "a story"}},
	{args: []string{"claim", "1"}},
	{args: []string{"move", "1", "2_current"}},
	{args: []string{"release", "1"}},
	{args: []string{"note", "1", "a note"}},
	{args: []string{"edit", "1"}},
	{args: []string{"block", "1", "a reason"}},
	{args: []string{"unblock", "1"}},
	{args: []string{"rm", "1"}},
	{args: []string{"undelete", "1"}},
	{args: []string{"log"}},
	{args: []string{"heads"}},
	{args: []string{"identity"}},
	{args: []string{"verify"}},
	{args: []string{"rebuild"}},
	{args: []string{"doctor"}},
	{args: []string{"export"}},
	{args: []string{"export", "--json"}},
	{args: []string{"mirror"}},
	{args: []string{"mirror", "../out/mirror", "--follow"}, lasts: true},
	{args: []string{"import", "--create", "../outside/all.bundle"}},
	{args: []string{"sync", "--create", "../out/other"}},
	{args: []string{"--db", "../out/near.db", "sync", "--create", "."}},
	{args: []string{"join", noInvitation}},
	{args: []string{"hub"}},
	{args: []string{"relay"}, lasts: true},
	{args: []string{"leave"}},
	{args: []string{"trust", "list"}},
	{args: []string{"trust", "add", strings.Repeat("0", 63) + "1"}},
	{args: []string{"trust", "remove", strings.Repeat("0", 63) + "1"}},
	{args: []string{"members", "list"}},
	{args: []string{"members", "accept", strings.Repeat("0", 63) + "1"}},
	{args: []string{"members", "remove", strings.Repeat("0", 63) + "1"}},
	{args: []string{"members", "admin", strings.Repeat("0", 63) + "1"}},
	{args: []string{"backup", "--force", "../out/backup.db"}},
	{args: []string{"backup", "--force", "--with-key", "../out/backup.db"}},
	{args: []string{"export", "--salvage", "--force", "../out/salvaged.bundle"}, unnamed: true},
	{args: []string{"--db", "../out/new.db", "import", "--create", "--keys-from", ".huskies/pipeline.db", "../outside/all.bundle"}, unnamed: true},
	{args: []string{"restore"}, unnamed: true},
	{args: []string{"restore", "--yes", "../outside/backup.db"}, unnamed: true},
}

// hostileExempt are the commands that open no pipeline of the folder: init writes the hosts' files alone, and
// demo makes a folder of its own.
var hostileExempt = []string{"init", "demo", "version", "help", "completion"}

// TestHostileCommandsAreAll fails when a command is missing in hostileCommands.
func TestHostileCommandsAreAll(t *testing.T) {
	var tried []string
	for _, c := range hostileCommands {
		args := c.args
		if args[0] == "--db" {
			args = args[2:]
		}
		tried = append(tried, strings.Join(args, " ")+" ")
	}
	var check func(cmd *cobra.Command, path string)
	check = func(cmd *cobra.Command, path string) {
		for _, sub := range cmd.Commands() {
			check(sub, path+sub.Name()+" ")
		}
		name, _, _ := strings.Cut(path, " ")
		if path == "" || cmd.HasSubCommands() || slices.Contains(hostileExempt, name) {
			return
		}
		if !slices.ContainsFunc(tried, func(s string) bool { return strings.HasPrefix(s, path) }) {
			t.Errorf("%sis not tried on hostile folders: add it to hostileCommands", path)
		}
	}
	check(rootCommand(&options{}), "")
}

// TestHostileFolders: whatever somebody put into a folder .huskies, every command ends soon, in little memory,
// names what is wrong, and touches nothing outside.
func TestHostileFolders(t *testing.T) {
	for name, tt := range hostileFolders {
		t.Run(name, func(t *testing.T) {
			project, outside := hostileProject(t)
			folder := filepath.Join(project, ".huskies")
			sound := onDisk(t, folder)
			if err := tt.make(folder, outside); err != nil {
				t.Fatal(err)
			}
			if more := onDisk(t, folder) - sound; more > maxHostile {
				t.Errorf("what is hostile in the folder takes %d bytes of disk, want at most %d: a small file must do", more, maxHostile)
			}
			before := readFolder(t, outside)
			forgetPeak(t)
			for _, c := range hostileCommands {
				said := c.run(t, project, c.unnamed || tt.says == "")
				if !c.unnamed && !strings.Contains(strings.ReplaceAll(said, `\`, ""), tt.says) {
					t.Errorf("%s says %.300q, want %q", c.args, said, tt.says)
				}
			}
			if diff := cmp.Diff(before, readFolder(t, outside)); diff != "" {
				t.Errorf("files outside (-before +after):\n%s", diff)
			}
		})
	}
}

// maxHostile is what may make a folder hostile, in bytes of disk: a large file is refused for its size.
const maxHostile = 100 << 10

// hostileProject makes a project with a sound pipeline, and a folder outside that no command may change.
func hostileProject(t *testing.T) (project, outside string) {
	t.Helper()
	root := t.TempDir()
	project, outside = filepath.Join(root, "project"), filepath.Join(root, "outside")
	for _, dir := range []string{project, outside, filepath.Join(root, "out", "other")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(outside, "victim"), []byte("as it was"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"call", "write_item", `{"story_id":"1_story","stage":"1_backlog"}`},
		{"export", filepath.Join(outside, "all.bundle")},
		{"backup", filepath.Join(outside, "backup.db")},
	} {
		cmd := exec.CommandContext(t.Context(), "huskies-mcp", args...)
		cmd.Dir = project
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", args, err, said)
		}
	}
	return project, outside
}

// onDisk returns how much of the disk the files of a folder take, in bytes.
func onDisk(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// hostileInput is what every command gets on standard input: one call, for serve.
const hostileInput = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_items","arguments":{}}}` + "\n"

// run runs the command in a folder, and returns all that it says. A command that lasts is told to end after
// a second where it may work. Where it must not, it has to end by itself.
func (c hostileCommand) run(t *testing.T, dir string, works bool) string {
	t.Helper()
	const processor, memory = 10 * time.Second, 200 << 10 // KiB
	guard := hangGuard
	if c.lasts && works {
		guard = time.Second
	}
	ctx, cancel := context.WithTimeout(t.Context(), guard)
	defer cancel()
	cmd := exec.CommandContext(ctx, "huskies-mcp", c.args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = hangGuard
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "EDITOR=true", "TERM=xterm")
	said := c.say(t, cmd)
	switch {
	case cmd.ProcessState == nil:
		t.Errorf("%s was not started", c.args)
		return ""
	case ctx.Err() != nil && guard == hangGuard:
		t.Errorf("%s did not end", c.args)
	case ctx.Err() != nil && cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		t.Errorf("%s did not end after SIGTERM", c.args)
	}
	if peak := peakOf(cmd); peak > memory {
		t.Errorf("%s took %d KiB", c.args, peak)
	}
	if used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); used > processor {
		t.Errorf("%s took %v of the processor", c.args, used)
	}
	return said
}

// say returns what a command says, whether it works or not.
func (c hostileCommand) say(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	if !c.screen {
		cmd.Stdin = strings.NewReader(hostileInput)
		said, _ := cmd.CombinedOutput()
		return string(said)
	}
	var said strings.Builder
	y := newTTY(t, 80, 24)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = y.slave, y.slave, &said
	_ = cmd.Run()
	return said.String()
}
