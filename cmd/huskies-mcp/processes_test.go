package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// contest is what two processes write at the same time: stories of their own, bumps of shared stories, of which none
// may be lost, and claims, of which each may be won once.
type contest struct {
	sharedStories, claims int
	rounds                int             // of writes by each process
	marks                 [2]atomic.Int64 // what each has acknowledged in its mark
	meet                  chan struct{}   // here they wait for each other before a claim
	over                  chan struct{}   // closed when one of them has ended
}

// contender is one of the two processes and what it counts.
type contender struct {
	*session
	me    int
	bumps []int    // acknowledged, by shared story
	won   []string // claims
	lost  int
}

// mark names the story in which a contender counts its own writes.
func mark(me int) string { return fmt.Sprintf("%d_mark", 9000+me) }

// TestTwoProcesses: two processes on one file, 2,000 writes each, half of them to the same stories. No call fails, no
// write is lost, a read sees what the other process acknowledged before it, and in the end both show the same bytes.
func TestTwoProcesses(t *testing.T) {
	c := &contest{sharedStories: 5, claims: 100, rounds: 1000, meet: make(chan struct{}), over: make(chan struct{})}
	if testing.Short() {
		c.rounds, c.claims = 100, 20
	}
	db := filepath.Join(t.TempDir(), "x.db")
	var both [2]*contender
	for me := range both {
		both[me] = &contender{session: startSession(t, db), me: me, bumps: make([]int, c.sharedStories)}
	}
	var revs []string // of the claims
	for i := range c.claims {
		revs = append(revs, both[0].must(t, "write_item", arguments{"story_id": claimed(i), "stage": "1_backlog"}).Item.Rev)
	}
	for i := range c.sharedStories {
		both[1].must(t, "write_item", arguments{"story_id": shared(i), "stage": "2_current", "blocked": true})
	}
	for me := range both {
		both[me].must(t, "write_item", arguments{"story_id": mark(me), "stage": "2_current"})
	}

	var running sync.WaitGroup
	errs := make([]error, len(both))
	over := sync.OnceFunc(func() { close(c.over) })
	for me, p := range both {
		running.Go(func() {
			defer over()
			errs[me] = p.run(c, revs)
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}

	var text [2]string
	for me, p := range both {
		running.Go(func() { text[me] = p.pipelineText(t) })
	}
	running.Wait()
	if text[0] != text[1] {
		t.Errorf("the processes show different pipelines:\n%s\n%s", text[0], text[1])
	}
	c.check(t, both, db)
	if fresh := startSession(t, db).pipelineText(t); fresh != text[0] {
		t.Errorf("a new process shows another pipeline:\n%s\n%s", fresh, text[0])
	}
}

func shared(i int) string  { return fmt.Sprintf("%d_shared", 1+i) }
func claimed(i int) string { return fmt.Sprintf("%d_claim", 100+i) }

// run is what one process does: in each round a write to a story of its own and a bump of a shared one, from time to
// time a claim, and a look at what the other has acknowledged.
func (p *contender) run(c *contest, revs []string) error {
	other := 1 - p.me
	for i := range c.rounds {
		own := arguments{"story_id": mark(p.me), "retry_count": i + 1}
		if i%4 != 0 { // most of them to other stories, each created and then updated
			own = arguments{"story_id": fmt.Sprintf("%d_own_%d", 1000*(p.me+1)+i%50, p.me), "stage": "1_backlog", "name": fmt.Sprint(i)}
		}
		a, err := p.call("write_item", own)
		if err != nil {
			return fmt.Errorf("process %d, round %d: write: %w", p.me, i, err)
		}
		if i%4 == 0 {
			c.marks[p.me].Store(int64(i + 1))
		}
		if len(a.Changed) == 0 {
			return fmt.Errorf("process %d, round %d: write %v changed nothing", p.me, i, own)
		}
		story := (i + p.me) % c.sharedStories
		if _, err := p.call("bump_retry", arguments{"story_id": shared(story)}); err != nil {
			return fmt.Errorf("process %d, round %d: bump: %w", p.me, i, err)
		}
		p.bumps[story]++
		if every := c.rounds / c.claims; i%every == 0 {
			select { // one sends, the other receives
			case c.meet <- struct{}{}:
			case <-c.meet:
			case <-c.over:
				return nil // the other one failed
			}
			if err := p.claim(i/every, revs[i/every]); err != nil {
				return fmt.Errorf("process %d, round %d: claim: %w", p.me, i, err)
			}
		}
		if i%10 == 0 {
			acknowledged := c.marks[other].Load()
			a, err := p.call("read_item", arguments{"story_id": mark(other)})
			if err != nil {
				return fmt.Errorf("process %d, round %d: read: %w", p.me, i, err)
			}
			if int64(a.Item.RetryCount) < acknowledged {
				return fmt.Errorf("process %d, round %d: read %d after %d was acknowledged", p.me, i, a.Item.RetryCount, acknowledged)
			}
		}
	}
	return nil
}

// claim takes a story if nobody has; otherwise the error must show who did.
func (p *contender) claim(i int, rev string) error {
	agents := []string{"coder-0", "coder-1"}
	_, err := p.call("write_item", arguments{"story_id": claimed(i), "agent": agents[p.me], "stage": "2_current", "if_rev": rev})
	var said toolError
	switch {
	case err == nil:
		p.won = append(p.won, claimed(i))
	case errors.As(err, &said) && strings.Contains(string(said), "has moved on") && strings.Contains(string(said), `"agent":"`+agents[1-p.me]+`"`):
		p.lost++
	default:
		return err
	}
	return nil
}

// check compares the sums with the pipeline and the log.
func (c *contest) check(t *testing.T, both [2]*contender, db string) {
	for i := range c.sharedStories {
		want := both[0].bumps[i] + both[1].bumps[i]
		if got := both[0].must(t, "read_item", arguments{"story_id": shared(i)}).Item.RetryCount; got != want {
			t.Errorf("%s has retry_count %d after %d acknowledged bumps", shared(i), got, want)
		}
	}
	for i := range c.claims {
		var winners []string
		for me, p := range both {
			if slices.Contains(p.won, claimed(i)) {
				winners = append(winners, fmt.Sprintf("coder-%d", me))
			}
		}
		it := both[1].must(t, "read_item", arguments{"story_id": claimed(i)}).Item
		if !slices.Equal(winners, []string{it.Agent}) {
			t.Errorf("%s was won by %q, its agent is %q", it.StoryID, winners, it.Agent)
		}
	}
	if both[0].lost+both[1].lost != c.claims {
		t.Errorf("%d and %d claims lost, want %d together", both[0].lost, both[1].lost, c.claims)
	}
	t.Logf("claims won: %d and %d", len(both[0].won), len(both[1].won))
	ops := readLog(t, db)
	if want := c.claims*2 + c.sharedStories + 2 + 4*c.rounds; len(ops) != want {
		t.Errorf("the log has %d ops, want %d", len(ops), want)
	}
	for i, op := range ops { // on one file the history is a chain by one author
		if op.Seq != i+1 || op.Author != ops[0].Author {
			t.Fatalf("op %d of the log has seq %d and author %s", i+1, op.Seq, op.Author)
		}
	}
}

// TestFirstOpenRace: many processes meet a project without a file and write at once. One of them creates it, none fails,
// and there is one key.
func TestFirstOpenRace(t *testing.T) {
	const processes = 8
	rounds := 2
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		dir := t.TempDir()
		db := filepath.Join(dir, ".huskies", "pipeline.db")
		var sessions []*session
		for range processes / 2 { // half of them are up already
			sessions = append(sessions, startSession(t, db))
		}
		var running sync.WaitGroup
		errs := make([]error, processes)
		for i := range processes {
			running.Go(func() {
				id := fmt.Sprintf("%d_story", i+1)
				if i < len(sessions) {
					_, errs[i] = sessions[i].call("write_item", arguments{"story_id": id, "stage": "1_backlog"})
					return
				}
				cmd := exec.Command("huskies-mcp", "--db", db, "call", "write_item", fmt.Sprintf(`{"story_id":%q,"stage":"1_backlog"}`, id))
				if out, err := cmd.CombinedOutput(); err != nil {
					errs[i] = fmt.Errorf("%w: %s", err, out)
				}
			})
		}
		running.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		ops := readLog(t, db)
		stories := map[string]bool{}
		for _, op := range ops {
			stories[op.Story] = true
			if op.Author != ops[0].Author {
				t.Errorf("two authors: %s and %s", op.Author, ops[0].Author)
			}
		}
		if len(ops) != processes || len(stories) != processes {
			t.Errorf("%d ops on %d stories, want %d", len(ops), len(stories), processes)
		}
		if total := sessions[0].must(t, "list_items", nil).Total; total != processes {
			t.Errorf("a process shows %d stories, want %d", total, processes)
		}
		for _, s := range sessions {
			s.end(t)
		}
	}
}

// TestStoppedLockHolder: while a stopped process holds the lock, reads work, in this process and in another, and a write
// is a clear error that names the lock file and, where the kernel tells, the process, whatever program it is. Once the
// holder is gone, writes work again.
func TestStoppedLockHolder(t *testing.T) {
	db := filepath.Join(t.TempDir(), "x.db")
	s := startSession(t, db)
	s.must(t, "write_item", arguments{"story_id": "1_story", "stage": "1_backlog"})
	r := replica.New(replica.Config{
		Path: db, Now: time.Now, Rand: rand.Reader, LockTimeout: 200 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), hangGuard)
	defer cancel()
	bump := func() error {
		_, err := r.Update(ctx, "", func(tx *pipeline.Tx) error {
			_, err := tx.BumpRetry("1_story", 1, 0)
			return err
		})
		return err
	}
	if err := bump(); err != nil {
		t.Fatal(err)
	}

	pid, release := stopLockHolder(t, db+".lock")
	find := "fuser " + db + ".lock"
	if runtime.GOOS == "linux" {
		find = fmt.Sprintf("process %d holds the lock", pid)
	}
	for range 2 { // the second one joins the first one's wait
		var storage *oplog.Error
		if err := bump(); !errors.As(err, &storage) || !strings.Contains(err.Error(), db+".lock") || !strings.Contains(phrase.WhatToDo(storage), find) {
			t.Errorf("write while the lock is held: %v", err)
		}
	}
	err := r.View(ctx, func(p *replica.View) error {
		story, err := p.Story("1_story")
		if err == nil && story.RetryCount != 1 {
			t.Errorf("retry_count is %d, want 1", story.RetryCount)
		}
		return err
	})
	if err != nil {
		t.Errorf("read while the lock is held: %v", err)
	}
	if got := s.must(t, "read_item", arguments{"story_id": "1_story"}).Item.RetryCount; got != 1 {
		t.Errorf("another process reads retry_count %d, want 1", got)
	}

	release()
	if err := bump(); err != nil {
		t.Errorf("write after the holder is gone: %v", err)
	}
	if got := s.must(t, "bump_retry", arguments{"story_id": "1_story"}).Item.RetryCount; got != 3 {
		t.Errorf("retry_count is %d, want 3", got)
	}
}

// stopLockHolder starts a process that holds the lock and stops it. The function returned ends it.
func stopLockHolder(t *testing.T, lock string) (pid int, release func()) {
	t.Helper()
	cmd := exec.Command("hold-lock", lock)
	cmd.Stderr = os.Stderr
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		stdin.Close()
		_ = cmd.Process.Kill() // also ends what is stopped
		_ = cmd.Wait()
	})
	t.Cleanup(release)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("lock holder says %q, %v", line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, release
}
