package main

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this binary, under the name huskies-mcp, the real command: for scripts and for every process
// that a test spawns.
func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){
		"huskies-mcp":    main,
		"hold-lock":      holdLock,
		"write-loop":     writeLoop,
		"chatterbox":     chatterbox,
		"bare-committer": bareCommitter,
	})
}

// suite runs the tests themselves, as opposed to one of the commands.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	// A process with the race detector sleeps for a second before it exits, unless it is told not to.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	for _, name := range []string{"HUSKIES_DB", "HUSKIES_AGENT", "HUSKIES_MAX_RETRIES", "HUSKIES_LOCK_TIMEOUT", "HUSKIES_READ_ONLY", "HUSKIES_TOOLS", "CLAUDE_PROJECT_DIR", "CLAUDE_CODE_SESSION_ID", "CODEX_THREAD_ID", "COPILOT_AGENT_SESSION_ID"} {
		os.Unsetenv(name) // whoever runs the tests may work with the tool too
	}
	state, err := os.MkdirTemp("", "huskies-state")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(state)
	os.Setenv("XDG_STATE_HOME", state)       // that of whoever runs the tests is for real pipelines
	os.Setenv("HUSKIES_NO_AUTO_BACKUP", "1") // a sync for each command would double the time of the scripts
	return s.m.Run()
}

var descriptor1 = os.NewFile(1, "descriptor 1") // never collected, which would close it

// chatterbox is huskies-mcp with something in it that prints.
func chatterbox() {
	stdout := takeStdout()
	for range 2 {
		runtime.GC() // closes the files that nobody has any more
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("stray output")
	_, _ = syscall.Write(1, []byte("raw output\n"))
	child := exec.Command("echo", "output of a child")
	child.Stdout = descriptor1
	if err := child.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(run(os.Args[1:], os.Stdin, stdout, os.Stderr))
}

// holdLock takes the lock on the file named by its argument, says so, and holds it until its input ends.
func holdLock() {
	f, err := os.OpenFile(os.Args[1], os.O_RDWR, 0)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	f.Close() // keeps f, and so the lock, until here
}

// TestScripts runs testdata/script. Beside testscript's own commands there are:
//
//	[!] call TOOL [JSON]    huskies-mcp call. It must succeed and leave standard error empty; with ! it must exit
//	                        with 1, leave standard output empty and print one error. With ! or a tool that
//	                        reads, it must leave every file as it was
//	answers TEXT            the answer was exactly TEXT, with every updated_at as "T", every rev as "R", and without the cursor
//	same FILE               standard output is as the file, but for the cursor
//	says TEXT               the error was exactly TEXT
//	ops N                   the log has N ops
//	rev VAR STORY_ID        sets VAR to the story's rev
//	token VAR               sets VAR to the claim in the answer of claim_item
//	lists ID...             the answer of list_items has these stories in this order
//	cursor VAR              sets VAR to the answer's next_cursor
//	jsonrpc ID...           standard output was one JSON-RPC answer a line, to the requests with these IDs
//	sql FILE STATEMENT      runs SQL on a database
//	older FILE VERSION      the database gets an older schema
//	mode FILE OCTAL         the file has these permissions
//	chomp FILE              takes the last newline off the file
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			numbers := make([]string, 64)
			for i := range numbers {
				numbers[i] = strconv.Itoa(101 + i)
			}
			env.Vars = append(env.Vars,
				"GORACE="+os.Getenv("GORACE"), "USER=tester",
				"XDG_STATE_HOME="+filepath.Join(os.Getenv("XDG_STATE_HOME"), filepath.Base(env.WorkDir)), "HUSKIES_NO_AUTO_BACKUP=1",
				"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
				"X128="+strings.Repeat("x", 128), "X256="+strings.Repeat("x", 256), "X1024="+strings.Repeat("x", 1024),
				"N64="+strings.Join(numbers, ","),
			)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"call": scriptCall, "answers": scriptAnswers, "same": scriptSame, "says": scriptSays, "ops": scriptOps, "rev": scriptRev, "token": scriptToken, "lists": scriptLists, "cursor": scriptCursor,
			"jsonrpc": scriptJSONRPC, "sql": scriptSQL, "older": scriptOlder, "mode": scriptMode, "chomp": scriptChomp,
		},
	})
}

// beginsPipeline matches what the first write to a pipeline says.
var beginsPipeline = regexp.MustCompile(`^note: this begins a new pipeline at .*\n$`)

func scriptCall(ts *testscript.TestScript, neg bool, args []string) {
	before := files(ts)
	err := ts.Exec("huskies-mcp", append([]string{"call"}, args...)...)
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if neg || slices.Contains(args, "read_item") || slices.Contains(args, "list_items") {
		if diff := cmp.Diff(before, files(ts)); diff != "" {
			ts.Fatalf("the call changed files (-before +after):\n%s", diff)
		}
	}
	if !neg {
		ts.Check(err)
		if stderr != "" && !beginsPipeline.MatchString(stderr) {
			ts.Fatalf("the call wrote to standard error")
		}
		return
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		ts.Fatalf("got %v, want exit code 1", err)
	}
	said, ok := strings.CutPrefix(stderr, "huskies-mcp: ")
	if stdout != "" || !ok || !strings.HasSuffix(said, "\n") {
		ts.Fatalf("want nothing on standard output and one message of the command on standard error")
	}
	ts.Setenv("SAID", strings.TrimSuffix(said, "\n"))
}

// files returns the hash of every file of the script.
func files(ts *testscript.TestScript) map[string]string {
	hashes := make(map[string]string)
	ts.Check(filepath.WalkDir(ts.Getenv("WORK"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if strings.HasSuffix(path, ".lock") { // says which process had the lock last
			hashes[path] = "a lock"
			return nil
		}
		b, err := os.ReadFile(path)
		hashes[path] = fmt.Sprintf("%x", sha256.Sum256(b))
		return err
	}))
	return hashes
}

// command returns the command as a script's exec would run it, apart from the script's own output.
func command(ts *testscript.TestScript, args ...string) *exec.Cmd {
	cmd := exec.Command("huskies-mcp", args...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "GORACE", "HUSKIES_DB", "CLAUDE_PROJECT_DIR", "TMPDIR", "XDG_STATE_HOME", "HUSKIES_NO_AUTO_BACKUP"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	return cmd
}

var volatile = regexp.MustCompile(`"(updated_at)":"[^"]+"|"(rev)":"[0-9a-f]{12}"|,"cursor":"[0-9.a-f]+"`)

func scriptAnswers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: answers TEXT")
	}
	got := volatile.ReplaceAllStringFunc(ts.ReadFile("stdout"), func(s string) string {
		switch {
		case strings.HasPrefix(s, `"rev"`):
			return `"rev":"R"`
		case strings.HasPrefix(s, `"updated_at"`):
			return `"updated_at":"T"`
		}
		return ""
	})
	if got != args[0]+"\n" {
		ts.Fatalf("got  %swant %s", got, args[0])
	}
}

var anyCursor = regexp.MustCompile(`"cursor":"[0-9.a-f]+"`)

func scriptSame(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: same FILE")
	}
	got, want := anyCursor.ReplaceAllString(ts.ReadFile("stdout"), ""), anyCursor.ReplaceAllString(ts.ReadFile(args[0]), "")
	if diff := cmp.Diff(want, got); diff != "" {
		ts.Fatalf("not the same (-%s +stdout):\n%s", args[0], diff)
	}
}

func scriptSays(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: says TEXT")
	}
	if got := ts.Getenv("SAID"); got != args[0] {
		ts.Fatalf("got  %s\nwant %s", got, args[0])
	}
}

func scriptOps(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ops N")
	}
	out, err := command(ts, "log", "--json").Output()
	ts.Check(err)
	if got := strconv.Itoa(bytes.Count(out, []byte("\n"))); got != args[0] {
		ts.Fatalf("the log has %s ops, want %s:\n%s", got, args[0], out)
	}
}

func scriptRev(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: rev VAR STORY_ID")
	}
	out, err := command(ts, "call", "read_item", fmt.Sprintf(`{"story_id":%q}`, args[1])).Output()
	ts.Check(err)
	var answer struct{ Item struct{ Rev string } }
	ts.Check(json.Unmarshal(out, &answer))
	ts.Setenv(args[0], answer.Item.Rev)
}

func scriptToken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: token VAR")
	}
	var answer struct{ Claim string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &answer))
	ts.Setenv(args[0], answer.Claim)
}

func scriptLists(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! lists")
	}
	var answer struct {
		Stages []struct {
			Items []struct {
				StoryID string `json:"story_id"`
			}
		}
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &answer))
	var got []string
	for _, stage := range answer.Stages {
		for _, it := range stage.Items {
			got = append(got, it.StoryID)
		}
	}
	if !slices.Equal(got, args) {
		ts.Fatalf("got %v, want %v", got, args)
	}
}

func scriptCursor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cursor VAR")
	}
	var answer struct {
		NextCursor string `json:"next_cursor"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &answer))
	ts.Setenv(args[0], answer.NextCursor)
}

func scriptJSONRPC(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! jsonrpc")
	}
	out := ts.ReadFile("stdout")
	if !strings.HasSuffix(out, "\n") {
		ts.Fatalf("the last line has no newline")
	}
	var ids []string
	for line := range strings.Lines(out) {
		var answer struct {
			JSONRPC string
			ID      json.RawMessage
			Result  json.RawMessage
			Error   json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &answer); err != nil || answer.JSONRPC != "2.0" || (answer.Result == nil) == (answer.Error == nil) {
			ts.Fatalf("not a JSON-RPC answer: %s", line)
		}
		ids = append(ids, string(answer.ID))
	}
	slices.Sort(ids) // other requests may overtake calls
	if want := slices.Sorted(slices.Values(args)); !slices.Equal(ids, want) {
		ts.Fatalf("answers have the IDs %v, want %v", ids, want)
	}
}

// scriptSQL uses the driver that package oplog links.
func scriptSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sql FILE STATEMENT")
	}
	ts.Check(runSQL(ts.MkAbs(args[0]), args[1]))
}

func runSQL(path, statement string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(statement)
	return err
}

func scriptMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode FILE OCTAL")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

func scriptChomp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: chomp FILE")
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(path, []byte(strings.TrimSuffix(ts.ReadFile(args[0]), "\n")), 0o600))
}
