package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gofrs/flock"

	"github.com/huskies/huskies-mcp/oplog"
)

// TestStoppedServerHoldsLock: a server is stopped while it holds the lock. Others still read what it acknowledged, their
// writes end with an error that names it, and when it goes on so do all, and nothing was lost.
func TestStoppedServerHoldsLock(t *testing.T) {
	t.Setenv("HUSKIES_LOCK_TIMEOUT", "200ms")
	const writers = 4 // in each server
	db := filepath.Join(t.TempDir(), "x.db")
	held, other := startSession(t, db), startSession(t, db)
	held.must(t, "write_item", arguments{"story_id": "1_story", "stage": "1_backlog", "blocked": true})
	other.must(t, "bump_retry", arguments{"story_id": "1_story"})

	var acked atomic.Int64 // of the server that is stopped
	enough := make(chan struct{})
	bumped := bumpInLoops(held, writers, &acked, enough)
	goOn := sync.OnceFunc(func() {
		close(enough)
		if err := held.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
		if err := bumped(); err != nil {
			t.Errorf("the server that was stopped: %v", err)
		}
	})
	defer goOn() // a stopped process ignores the end of its input
	stopWithLock(t, held.cmd.Process, db+".lock")

	before := int(acked.Load()) + 1
	if got := other.must(t, "read_item", arguments{"story_id": "1_story"}).Item.RetryCount; got < before {
		t.Errorf("another process reads retry_count %d after %d were acknowledged", got, before)
	}
	if got := other.must(t, "list_items", nil).Total; got != 1 {
		t.Errorf("another process lists %d stories", got)
	}
	var writing sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			_, err := other.call("write_item", arguments{"story_id": fmt.Sprintf("%d_refused", 2+i), "stage": "1_backlog"})
			var said toolError
			if !errors.As(err, &said) || !strings.Contains(string(said), fmt.Sprintf("process %d ", held.cmd.Process.Pid)) || !strings.Contains(string(said), "nothing was written") {
				t.Errorf("write while process %d holds the lock: %v", held.cmd.Process.Pid, err)
			}
		})
	}
	writing.Wait()

	goOn()
	a := other.must(t, "bump_retry", arguments{"story_id": "1_story"})
	if want := int(acked.Load()) + 2; a.Item.RetryCount != want {
		t.Errorf("retry_count is %d, want %d", a.Item.RetryCount, want)
	}
	for who, s := range map[string]*session{"stopped": held, "other": other} {
		if it := s.must(t, "read_item", arguments{"story_id": "1_story"}).Item; it.Rev != a.Item.Rev {
			t.Errorf("the %s server shows rev %s, want %s", who, it.Rev, a.Item.Rev)
		}
		if total := s.must(t, "list_items", nil).Total; total != 1 {
			t.Errorf("the %s server shows %d stories: refused writes were made", who, total)
		}
	}
}

// bumpInLoops has so many clients of the server bump 1_story until enough is closed. The function returned waits for them.
func bumpInLoops(s *session, clients int, acked *atomic.Int64, enough <-chan struct{}) (wait func() error) {
	var running sync.WaitGroup
	errs := make([]error, clients)
	for i := range clients {
		running.Go(func() {
			for errs[i] == nil {
				select {
				case <-enough:
					return
				default:
				}
				if _, errs[i] = s.call("bump_retry", arguments{"story_id": "1_story"}); errs[i] == nil {
					acked.Add(1)
				}
			}
		})
	}
	return func() error {
		running.Wait()
		return errors.Join(errs...)
	}
}

// stopWithLock stops a process that writes in a loop at a moment at which it holds the lock, and it can be told that it does.
func stopWithLock(t *testing.T, p *os.Process, path string) {
	t.Helper()
	for range 1000 {
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		var status syscall.WaitStatus // until all of its threads stand still
		if _, err := syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
			t.Fatalf("wait for the process to stop: %v, status %x", err, status)
		}
		probe := flock.New(path)
		free, err := probe.TryLock()
		if err != nil {
			t.Fatal(err)
		}
		_ = probe.Close()
		pid, held, err := oplog.NewLock(strings.TrimSuffix(path, ".lock")).Holder()
		if err != nil {
			t.Fatal(err)
		}
		if !free && held && pid == p.Pid {
			return
		}
		if err := p.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the process never holds the lock")
}
