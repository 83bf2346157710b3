package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
)

// TestWaitersAreNotInTheWay: a hundred calls that wait in one process are each answered by the change that it waits for,
// made by another process; meanwhile its other calls and requests go on.
func TestWaitersAreNotInTheWay(t *testing.T) {
	const waiters = 100
	db := filepath.Join(t.TempDir(), "x.db")
	s, other := startSession(t, db), startSession(t, db)
	other.must(t, "write_item", arguments{"story_id": "900_story", "stage": "1_backlog"})
	since := other.must(t, "list_items", nil).Cursor
	got := make([]string, waiters)
	var waiting sync.WaitGroup
	for n := range waiters {
		waiting.Go(func() {
			var a struct{ Changes []shownItem }
			if _, err := s.callFor("wait_for_change", arguments{"since": since, "story_id": fmt.Sprintf("%d_story", n), "timeout_seconds": 50}, &a); err != nil {
				t.Error(err)
			}
			for _, c := range a.Changes {
				got[n] += c.StoryID + " " + c.Stage
			}
		})
	}
	var want []string
	for n := range waiters {
		s.must(t, "bump_retry", arguments{"story_id": "900_story"})
		if _, err := s.ListTools(s.ctx, mcp.ListToolsRequest{}); err != nil {
			t.Error(err)
		}
		other.must(t, "write_item", arguments{"story_id": fmt.Sprintf("%d_story", n), "stage": "1_backlog"})
		want = append(want, fmt.Sprintf("%d_story 1_backlog", n))
	}
	waiting.Wait()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got):", diff)
	}
}

// toolCall is a tools/call request as a line.
func toolCall(id int, tool, args string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`+"\n", id, tool, args)
}

// TestSignalEndsWaits: a server that is told to end answers the calls that wait, and ends well.
func TestSignalEndsWaits(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := exec.Command("huskies-mcp", "--db", filepath.Join(t.TempDir(), "x.db"), "--log-level", "warn")
		cmd.Stderr = t.Output()
		in, err1 := cmd.StdinPipe()
		out, err2 := cmd.StdoutPipe()
		if err := errors.Join(err1, err2, cmd.Start()); err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if _, err := io.WriteString(in, toolCall(1, "wait_for_change", `{"since":"0","timeout_seconds":50}`)+toolCall(2, "list_items", `{}`)); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() || !strings.Contains(lines.Text(), `"id":2,`) { // so the one before has begun
			t.Errorf("got %s, want the answer to list_items", lines.Text())
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || !strings.Contains(lines.Text(), `"structuredContent":{"changed":false,"changes":[],"message":"nothing yet","cursor":"0"}`) {
			t.Errorf("%v: got %s", signal, lines.Text())
		}
		if lines.Scan() {
			t.Errorf("%v: got %s, want no more", signal, lines.Text())
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: the server ended with %v", signal, err)
		}
	}
}

// TestWaitOnARemovedDatabase: who waits hears that the database is gone, and the next call does, too.
func TestWaitOnARemovedDatabase(t *testing.T) {
	db := filepath.Join(t.TempDir(), "x.db")
	s := startSession(t, db)
	s.must(t, "write_item", arguments{"story_id": "1_story", "stage": "1_backlog"})
	since := s.must(t, "list_items", nil).Cursor
	done := make(chan error)
	go func() {
		_, err := s.callFor("wait_for_change", arguments{"since": since, "timeout_seconds": 50}, new(any))
		done <- err
	}()
	s.must(t, "list_items", nil)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(db + suffix); err != nil {
			t.Error(err)
		}
	}
	var said toolError
	if err := <-done; !errors.As(err, &said) || !strings.Contains(string(said), "was removed") {
		t.Errorf("the call that waits: %v", err)
	}
}
