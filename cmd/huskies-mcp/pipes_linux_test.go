package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pipeReaders are the commands that read a file which the user names. FILE stands for its path.
var pipeReaders = []string{
	"import FILE",
	"import --create FILE",
	"export --since FILE",
	"add --from FILE",
	"add x -d FILE",
	"board --token-file FILE",
	"board --tls-cert FILE --tls-key FILE",
}

// TestPipesAreGivenUp: a command that reads a named pipe, to which nobody writes, ends at the first SIGINT.
func TestPipesAreGivenUp(t *testing.T) {
	project, _ := hostileProject(t)
	for i, line := range pipeReaders {
		t.Run(line, func(t *testing.T) {
			pipe := filepath.Join(project, string(rune('a'+i))+".pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			cmd := exec.Command("huskies-mcp", strings.Fields(strings.ReplaceAll(line, "FILE", pipe))...)
			cmd.Dir, cmd.Stdout, cmd.Stderr = project, &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			guard := time.AfterFunc(hangGuard, func() { _ = cmd.Process.Kill() })
			defer guard.Stop()
			writer := openedByReader(t, pipe)
			defer writer.Close()
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said.String(), "interrupted") {
				t.Errorf("got exit code %d and %q, want 1 and a word that it was interrupted", code, &said)
			}
		})
	}
}

// openedByReader opens a named pipe for writing once another process has opened it for reading.
func openedByReader(t *testing.T, pipe string) *os.File {
	t.Helper()
	for end := time.Now().Add(hangGuard); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		fd, err := syscall.Open(pipe, syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			return os.NewFile(uintptr(fd), pipe)
		}
		if !errors.Is(err, syscall.ENXIO) {
			t.Fatal(err)
		}
	}
	t.Fatal("nobody reads the pipe")
	return nil
}

// TestDevicesAreRefused: a file that the user names is no device without end.
func TestDevicesAreRefused(t *testing.T) {
	project, _ := hostileProject(t)
	for _, line := range pipeReaders {
		args := strings.Fields(strings.ReplaceAll(line, "FILE", "/dev/zero"))
		c := hostileCommand{args: args}
		if said := c.run(t, project, false); !strings.Contains(said, "/dev/zero is not a regular file") {
			t.Errorf("%s says %.300q, want that it is not a regular file", args, said)
		}
	}
}

// TestInputIsGivenUp: a command that waits for its arguments or for an answer ends at the first SIGINT.
func TestInputIsGivenUp(t *testing.T) {
	for _, line := range []string{"call list_items -", "init --host claude"} {
		t.Run(line, func(t *testing.T) {
			var said bytes.Buffer
			cmd := exec.Command("huskies-mcp", strings.Fields(line)...)
			cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &said, &said
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			guard := time.AfterFunc(hangGuard, func() { _ = cmd.Process.Kill() })
			defer guard.Stop()
			if _, err := in.Write(make([]byte, 1<<17)); err != nil { // more than a pipe holds: then it reads
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(strings.ToLower(said.String()), "nothing was changed") {
				t.Errorf("got exit code %d and %q, want 1 and a word that nothing was changed", code, &said)
			}
		})
	}
}
