package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/internal/doctor"
)

// diagnose runs doctor on a database and returns its findings other than ok, by
// their subjects, with those about hosts left out: the machine's own may be found.
func diagnose(t *testing.T, path string) map[string]doctor.Finding {
	t.Helper()
	cmd := exec.Command("huskies-mcp", "doctor", "--json", "--db", path)
	cmd.Dir = filepath.Dir(path)
	out, err := cmd.Output()
	var findings []doctor.Finding
	if jsonErr := json.Unmarshal(out, &findings); jsonErr != nil {
		t.Fatalf("%v (%v): %s", jsonErr, err, out)
	}
	found := map[string]doctor.Finding{}
	wrong := false
	for _, f := range findings {
		wrong = wrong || f.Level == "wrong"
		if f.Level == "ok" != (f.Remedy == "") {
			t.Errorf("a remedy is for what is not ok: %+v", f)
		}
		if f.Level != "ok" && f.Subject != "hosts" {
			found[f.Subject] = f
		}
	}
	if wrong != (err != nil) {
		t.Errorf("got %v with %s", err, out)
	}
	return found
}

// newDatabase returns a database with one story, in a folder of its own.
func newDatabase(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	out, err := exec.Command("huskies-mcp", "--db", path, "call", "write_item", `{"story_id":"1_story_a","stage":"1_backlog"}`).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

func waitUntilStopped(t *testing.T, pid int) {
	t.Helper()
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("%v, %v", status, err)
	}
}

// killed returns a database in whose -wal file a killed server left a story.
func killed(t *testing.T) (path string) {
	t.Helper()
	path = newDatabase(t)
	server := startSession(t, path)
	server.must(t, "write_item", arguments{"story_id": "2_story_b", "stage": "1_backlog"})
	server.killed = true
	if err := server.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	server.end(t)
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		t.Fatalf("the killed server left no -wal file (%v)", err)
	}
	return path
}

// TestDoctorNamesTheHolder: a process that keeps the lock is named; one that is
// stopped is told from one that hangs.
func TestDoctorNamesTheHolder(t *testing.T) {
	path := newDatabase(t)
	holder := exec.Command("hold-lock", path+".lock")
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Process.Kill() }) // ended already, unless the test failed
	if _, err := fmt.Fscanln(out, new(string)); err != nil {
		t.Fatal(err)
	}
	expect := func(texts ...string) {
		t.Helper()
		got := diagnose(t, path)["lock"]
		for _, text := range texts {
			if got.Level != "wrong" || !strings.Contains(got.Message+"\n"+got.Remedy, text) {
				t.Errorf("got %+v, want %q in it", got, text)
			}
		}
	}
	pid := holder.Process.Pid
	if runtime.GOOS != "linux" { // the kernel does not tell, and this holder is none of ours
		expect("a process holds it", "fuser "+path+".lock")
		if err := os.WriteFile(path+".lock", fmt.Appendf(nil, "%-19d\n", pid), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expect(fmt.Sprintf("process %d", pid), fmt.Sprintf("kill %d", pid))
	if runtime.GOOS == "linux" {
		if err := holder.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		waitUntilStopped(t, pid)
		expect(fmt.Sprintf("process %d (", pid), "hold-lock", "is stopped", fmt.Sprintf("kill -CONT %d", pid))
		if err := holder.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	_ = in.Close()
	if err := holder.Wait(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]doctor.Finding{}, diagnose(t, path)); diff != "" {
		t.Errorf("when the lock is free again (-want +got):\n%s", diff)
	}
}

// TestDoctorLeavesTheFilesAlone: what a killed process left behind stays, byte
// for byte, also in the -wal file; and what is in it is seen.
func TestDoctorLeavesTheFilesAlone(t *testing.T) {
	path := killed(t)
	before := contents(t, path, path+"-wal", path+".lock")
	if diff := cmp.Diff(map[string]doctor.Finding{}, diagnose(t, path)); diff != "" {
		t.Errorf("after a kill (-want +got):\n%s", diff)
	}
	out, err := exec.Command("huskies-mcp", "doctor", "--db", path).Output()
	if err != nil || !bytes.Contains(out, []byte("2 applied, 2 stories")) {
		t.Errorf("%v: %s", err, out)
	}
	if diff := cmp.Diff(before, contents(t, path, path+"-wal", path+".lock")); diff != "" {
		t.Error("doctor changed files")
	}
}

func contents(t *testing.T, paths ...string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = b
	}
	return all
}

// TestDoctorWhileOthersHoldTheDatabase: what an SQLite shell keeps to itself
// cannot be read; that is a finding, and the others come none the less.
func TestDoctorWhileOthersHoldTheDatabase(t *testing.T) {
	path := newDatabase(t)
	if err := runSQL(path, "PRAGMA journal_mode = DELETE"); err != nil {
		t.Fatal(err)
	}
	shell, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer shell.Close()
	conn, err := shell.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	got := diagnose(t, path)
	if f := got["database"]; f.Level != "wrong" || !strings.Contains(f.Remedy, "another program holds the database") {
		t.Errorf("got %+v", got)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}

// TestDoctorSeesOtherProcesses: a server that has the database open is named;
// one that is stopped is worth a note.
func TestDoctorSeesOtherProcesses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only /proc tells")
	}
	path := newDatabase(t)
	server := startSession(t, path)
	server.must(t, "read_item", arguments{"story_id": "1_story_a"})
	pid := server.cmd.Process.Pid
	out, err := exec.Command("huskies-mcp", "doctor", "--db", path).Output()
	if want := fmt.Sprintf("ok     processes: 1 other has the database open: process %d (", pid); err != nil || !bytes.Contains(out, []byte(want)) {
		t.Errorf("%v: got %s, want %s in it", err, out, want)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitUntilStopped(t, pid)
	got := diagnose(t, path)
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if f := got["processes"]; f.Level != "note" || !strings.Contains(f.Message, "is stopped") {
		t.Errorf("got %+v", got)
	}
}

// TestDoctorLargeWAL: a -wal file that was not brought into the database for long is worth a
// note.
func TestDoctorLargeWAL(t *testing.T) {
	path := killed(t)
	if err := os.Truncate(path+"-wal", 64<<20+1); err != nil { // what follows its last commit is not read
		t.Fatal(err)
	}
	got := diagnose(t, path)
	if f := got["journal"]; f.Level != "note" || !strings.Contains(f.Message, "64.0 MiB") || !strings.Contains(f.Remedy, "Do not delete it") || len(got) != 1 {
		t.Errorf("got %+v", got)
	}
}
