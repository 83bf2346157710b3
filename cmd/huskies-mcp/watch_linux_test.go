package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tty is a terminal, and what a program printed on it.
type tty struct {
	t       *testing.T
	master  *os.File
	slave   *os.File
	mu      sync.Mutex // guards printed
	printed bytes.Buffer
}

// newTTY returns a terminal of the size (pty(7)).
func newTTY(t *testing.T, columns, rows uint16) *tty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal can be made here: %v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	y := &tty{t: t, master: master, slave: slave}
	y.resize(columns, rows)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			y.mu.Lock()
			y.printed.Write(b[:n])
			y.mu.Unlock()
			if err != nil { // EIO after the last writer has closed
				return
			}
		}
	}()
	t.Cleanup(func() {
		slave.Close()
		<-done
		master.Close()
	})
	return y
}

func (y *tty) resize(columns, rows uint16) {
	if err := unix.IoctlSetWinsize(int(y.slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		y.t.Fatal(err)
	}
}

func (y *tty) text() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.printed.String()
}

// await waits until the terminal has shown a text after the given part of what was printed, and
// returns how much was printed then.
func (y *tty) await(after int, text string) int {
	y.t.Helper()
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
		if all := y.text(); strings.Contains(all[after:], text) {
			return len(all)
		}
	}
	y.t.Fatalf("the terminal never showed %q but %q", text, y.text()[after:])
	return 0
}

func (y *tty) mode() unix.Termios {
	mode, err := unix.IoctlGetTermios(int(y.slave.Fd()), unix.TCGETS)
	if err != nil {
		y.t.Fatal(err)
	}
	return *mode
}

// watching starts watch on the terminal, in a folder with a demo.
func (y *tty) watching(dir string) *exec.Cmd {
	y.t.Helper()
	cmd := exec.Command("huskies-mcp", "watch")
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, y.slave, y.slave, y.slave
	cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=")
	if err := cmd.Start(); err != nil {
		y.t.Fatal(err)
	}
	return cmd
}

func demoFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("huskies-mcp", "demo", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// TestWatchOnATerminal shows that watch draws what other processes change and a new size of the
// terminal, and that it gives the terminal back as it was, however it ends.
func TestWatchOnATerminal(t *testing.T) {
	for name, end := range map[string]func(*tty, *exec.Cmd){
		"q":           func(y *tty, _ *exec.Cmd) { _, _ = io.WriteString(y.master, "xq") },
		"interrupt":   func(y *tty, _ *exec.Cmd) { _, _ = y.master.Write([]byte{keyInterrupt}) },
		"termination": func(_ *tty, cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGTERM) },
		"hangup":      func(_ *tty, cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGHUP) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y, dir := newTTY(t, 100, 40), demoFolder(t)
			before := y.mode()
			cmd := y.watching(dir)
			at := y.await(0, "q ends")
			if !strings.Contains(y.text(), enterScreen) || y.mode() == before {
				t.Errorf("watch did not take the terminal: %q", y.text())
			}
			call := exec.Command("huskies-mcp", "add", "Seen at once")
			call.Dir = dir
			if out, err := call.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			at = y.await(at, "Seen at once")
			y.resize(60, 30)
			if err := cmd.Process.Signal(syscall.SIGWINCH); err != nil {
				t.Fatal(err)
			}
			y.await(at, clearScreen)
			end(y, cmd)
			if err := cmd.Wait(); err != nil {
				t.Errorf("watch ended with %v: %q", err, y.text())
			}
			y.await(0, leaveScreen)
			if y.mode() != before {
				t.Error("the terminal is not as it was")
			}
		})
	}
}

// TestColumnsOnATerminal: names that are written from right to left are kept in their columns at a
// terminal, and a pipe gets the names alone.
func TestColumnsOnATerminal(t *testing.T) {
	const mark = "\u200e"
	y, dir := newTTY(t, 80, 24), t.TempDir()
	run := func(stdout io.Writer, args ...string) {
		t.Helper()
		cmd := exec.Command("huskies-mcp", args...)
		cmd.Dir, cmd.Stdin, cmd.Stdout = dir, y.slave, stdout
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
	}
	run(io.Discard, "--db", "p.db", "add", "תיקון דף")
	var piped bytes.Buffer
	run(&piped, "--db", "p.db", "list")
	if text := piped.String(); !strings.Contains(text, "1  תיקון דף  ready") || strings.Contains(text, mark) {
		t.Errorf("a pipe gets %q", text)
	}
	run(y.slave, "--db", "p.db", "list")
	at := y.await(0, mark+"תיקון דף  "+mark)
	cmd := exec.Command("huskies-mcp", "--db", "p.db", "watch")
	cmd.Dir, cmd.Stdin, cmd.Stdout = dir, y.slave, y.slave
	cmd.Env = append(os.Environ(), "TERM=xterm")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	y.await(at, mark+"  "+mark)
	_, _ = io.WriteString(y.master, "q")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestNothingToTellAtATerminal: a person hears that there is nothing to tell. A pipe gets nothing.
func TestNothingToTellAtATerminal(t *testing.T) {
	y, dir := newTTY(t, 80, 24), t.TempDir()
	add := exec.Command("huskies-mcp", "--db", "p.db", "add", "One story")
	add.Dir = dir
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	at := 0
	for _, c := range []struct {
		args string
		want string
	}{
		{"log --agent nobody", "There is no such change."},
		{"log --conflicts", "Nothing was decided twice."},
	} {
		for _, stdout := range []io.Writer{y.slave, new(bytes.Buffer)} {
			cmd := exec.Command("huskies-mcp", strings.Fields("--db p.db "+c.args)...)
			cmd.Dir, cmd.Stdout = dir, stdout
			if err := cmd.Run(); err != nil {
				t.Fatalf("%s: %v", c.args, err)
			}
			if piped, ok := stdout.(*bytes.Buffer); ok && piped.Len() > 0 {
				t.Errorf("%s in a pipe prints %q", c.args, piped)
			}
		}
		at = y.await(at, c.want)
	}
}
