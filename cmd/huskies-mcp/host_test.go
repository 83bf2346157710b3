package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startRaw starts a server and returns it with its standard input and output.
func startRaw(t *testing.T, stderr *os.File, args ...string) (*exec.Cmd, io.WriteCloser, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command("huskies-mcp", args...)
	cmd.Dir = t.TempDir()
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // ended already, unless the test failed
	return cmd, in, bufio.NewReader(out)
}

// ask sends a request and returns the line that answers it.
func ask(t *testing.T, in io.Writer, out *bufio.Reader, id int, method, params string) string {
	t.Helper()
	if _, err := fmt.Fprintf(in, `{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`+"\n", id, method, params); err != nil {
		t.Fatal(err)
	}
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatalf("no answer to request %d: %v", id, err)
	}
	return line
}

// TestHostDropsTheLog: a host that closes the reading end of standard error does
// not end the server, however much that would log.
func TestHostDropsTheLog(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd, in, out := startRaw(t, w, "--log-level", "debug")
	_, _ = r.Close(), w.Close()
	for i := range 5 {
		params := fmt.Sprintf(`{"name":"write_item","arguments":{"story_id":"%d_s","stage":"1_backlog"}}`, i)
		if line := ask(t, in, out, i, "tools/call", params); !strings.Contains(line, `"created":true`) {
			t.Errorf("got %s", line)
		}
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestSignalsEndTheServerWell: after SIGTERM or SIGINT the server ends with 0.
func TestSignalsEndTheServerWell(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		log, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		cmd, in, out := startRaw(t, log)
		if line := ask(t, in, out, 1, "ping", "{}"); !strings.Contains(line, `"result":{}`) {
			t.Errorf("got %s", line)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
			t.Errorf("after %v it wrote %q (%v)", sig, rest, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v", sig, err)
		}
		log.Close()
	}
}

// TestHostThatNeverReads: a server whose host does not read standard output ends at the end of its input and at the first
// signal, says why, and others can take over what it had claimed.
func TestHostThatNeverReads(t *testing.T) {
	for name, end := range map[string]func(*exec.Cmd, io.Closer) error{
		"end of input": func(_ *exec.Cmd, in io.Closer) error { return in.Close() },
		"SIGTERM":      func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			log, err := os.Create(filepath.Join(t.TempDir(), "log"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			db := filepath.Join(t.TempDir(), "p.db")
			cmd, in, out := startRaw(t, log, "--db", db, "--agent", "deaf", "--lease-grace", "2s")
			guard := time.AfterFunc(hangGuard, func() { _ = cmd.Process.Kill() })
			defer guard.Stop()
			ask(t, in, out, 1, "tools/call", `{"name":"write_item","arguments":{"story_id":"1_s","stage":"1_backlog"}}`)
			if line := ask(t, in, out, 2, "tools/call", `{"name":"claim_item","arguments":{}}`); !strings.Contains(line, `"claimed":true`) {
				t.Fatalf("got %s", line)
			}
			for i := range 1000 {
				fmt.Fprintf(in, `{"jsonrpc":"2.0","id":%d,"method":"tools/list"}`+"\n", i)
				fmt.Fprintf(in, `{"jsonrpc":"2.0","id":"%d","method":"tools/call","params":{"name":"list_items","arguments":{}}}`+"\n", i)
			}
			if err := end(cmd, in); err != nil {
				t.Fatal(err)
			}
			if state, err := cmd.Process.Wait(); err != nil || state.ExitCode() != 1 {
				t.Errorf("the server ended with %v (%v), want exit code 1", state, err)
			}
			said, err := os.ReadFile(log.Name())
			if err != nil || !strings.Contains(string(said), "huskies-mcp: write message: the client does not read its answers") {
				t.Errorf("on standard error (%v):\n%s", err, said)
			}
			claim := exec.Command("huskies-mcp", "--db", db, "--agent", "next", "call", "claim_item", `{"story_id":"1_s","wait_seconds":50}`)
			if answer, err := claim.CombinedOutput(); err != nil || !strings.Contains(string(answer), `"taken_over_from":"deaf"`) {
				t.Errorf("got %s (%v)", answer, err)
			}
		})
	}
}
