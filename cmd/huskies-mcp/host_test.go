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
