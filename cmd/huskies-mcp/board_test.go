//go:build unix

package main

import (
	"bufio"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// boards starts boards of one project.
type boards struct {
	t     *testing.T
	env   []string
	dir   string
	state string
}

func newBoards(t *testing.T) *boards {
	dir, state := t.TempDir(), t.TempDir()
	env := append(os.Environ(), "XDG_STATE_HOME="+state, "HUSKIES_DB="+filepath.Join(dir, "p.db"), "HUSKIES_AGENT=ann")
	return &boards{t, env, dir, state}
}

func (b *boards) command(args ...string) *exec.Cmd {
	cmd := exec.Command("huskies-mcp", append([]string{"board"}, args...)...)
	cmd.Env, cmd.Dir = b.env, b.dir
	return cmd
}

// start starts a board and returns the address that it prints.
func (b *boards) start() (cmd *exec.Cmd, address string) {
	b.t.Helper()
	cmd = b.command()
	cmd.Stderr = b.t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.t.Fatal(err)
	}
	_, address, ok := strings.Cut(strings.TrimSpace(line), "Open ")
	if !ok {
		b.t.Fatalf("got %q", line)
	}
	return cmd, address
}

// end ends a board as init systems do, and checks its exit code.
func (b *boards) end(cmd *exec.Cmd) {
	b.t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timer := time.NewTimer(20 * time.Second) // 2 s are promised; a test machine may stand still
	defer timer.Stop()
	select {
	case err := <-ended:
		if err != nil {
			b.t.Errorf("the board ended with %v", err)
		}
	case <-timer.C:
		b.t.Fatal("the board does not end")
	}
}

// TestBoardCommand: a second call prints another address of the board that runs; SIGTERM ends it with a stream
// open; started anew it has the same port and knows its browsers; its files are the person's alone.
func TestBoardCommand(t *testing.T) {
	b := newBoards(t)
	first, address := b.start()
	base, token, _ := strings.Cut(address, "?token=")
	jar, _ := cookiejar.New(nil) // never fails
	browser := &http.Client{Jar: jar}
	status := func(address string) int {
		t.Helper()
		answer, err := browser.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	if got := status(base); got != http.StatusUnauthorized {
		t.Errorf("without a token: got %d", got)
	}
	if got := status(address); got != http.StatusOK {
		t.Errorf("with the token: got %d", got)
	}
	out, err := b.command().CombinedOutput()
	if again := strings.TrimSpace(string(out)); err != nil || !strings.Contains(again, "runs already. Open "+base+"?token=") || strings.Contains(again, token) {
		t.Errorf("a second call: %s, %v", out, err)
	}
	stream, err := browser.Get(base + "events")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if _, err := io.ReadFull(stream.Body, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	b.end(first)
	browser.CloseIdleConnections()

	second, address := b.start()
	if again, _, _ := strings.Cut(address, "?"); again != base {
		t.Errorf("started anew it is at %s, was at %s", again, base)
	}
	if got := status(base); got != http.StatusOK {
		t.Errorf("a browser that was let in before: got %d", got)
	}
	b.end(second)

	err = filepath.WalkDir(b.state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == b.state {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestBrowserCommand(t *testing.T) {
	for _, c := range []struct{ system, browser, want string }{
		{"linux", "", "xdg-open URL"},
		{"darwin", "", "open URL"},
		{"windows", "x", "rundll32 url.dll,FileProtocolHandler URL"},
		{"linux", "firefox -P work", "firefox -P work URL"},
		{"linux", "w3m %s:lynx", "w3m URL"},
		{"linux", "echo $(id)", "echo $(id) URL"},
		{"linux", " ", "xdg-open URL"},
	} {
		if got := strings.Join(browserCommand(c.system, c.browser, "URL"), " "); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

// TestSlowBrowser: a browser that sends slowly loses its connection, let in or not.
func TestSlowBrowser(t *testing.T) {
	server := boardServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	if server.ReadTimeout <= 0 || server.WriteTimeout <= 0 {
		t.Fatalf("the server waits %v for a request and %v for an answer to be read, want bounds", server.ReadTimeout, server.WriteTimeout)
	}
	server.ReadTimeout /= 100 // as slow as a test may be
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /enter HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na"); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(hangGuard))
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the connection is open still: %v", err)
	}
}
