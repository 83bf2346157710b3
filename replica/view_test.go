package replica_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"modernc.org/sqlite"

	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// gate stops the commits of the databases named gated.db while it is closed.
var gate struct {
	mu      sync.Mutex
	stopped chan struct{} // receives when a commit is stopped; nil: the gate is open
	goOn    chan struct{}
}

// closeGate closes the gate and returns a channel that receives when a commit stands before it, and
// what opens it.
func closeGate() (stopped <-chan struct{}, openIt func()) {
	gate.mu.Lock()
	defer gate.mu.Unlock()
	at, goOn := make(chan struct{}, 1), make(chan struct{})
	gate.stopped, gate.goOn = at, goOn
	return at, sync.OnceFunc(func() {
		gate.mu.Lock()
		gate.stopped = nil
		gate.mu.Unlock()
		close(goOn)
	})
}

func init() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		hooks, ok := conn.(sqlite.HookRegisterer)
		if ok && strings.Contains(dsn, "gated.db") {
			hooks.RegisterCommitHook(func() int32 {
				gate.mu.Lock()
				stopped, goOn := gate.stopped, gate.goOn
				gate.mu.Unlock()
				if stopped != nil {
					stopped <- struct{}{}
					<-goOn
				}
				return 0
			})
		}
		return nil
	})
}

// TestViewsBesideAHangingWriter shows that reads of all processes go on while a writer hangs in its
// commit, and show the state before the commit. A caller of the hanging process that waits in vain
// is not told of another process.
func TestViewsBesideAHangingWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gated.db")
	cfg := configOf(t, path)
	cfg.LockTimeout = 1
	r, other := open(t, cfg), newReplica(t, path)
	create(t, other, "1_s")
	listed(t, r)
	stopped, openIt := closeGate()
	defer openIt()
	answer := make(chan error)
	go func() { answer <- rename(r, "1_s", "x") }()
	<-stopped
	for who, reader := range map[string]*replica.Replica{"another process": other, "a new process": newReplica(t, path)} {
		if s, err := read(t, reader, "1_s"); err != nil || s.Name != "" {
			t.Errorf("%s: %q, %v", who, s.Name, err)
		}
	}
	// Reads of the writer's process follow the change that was submitted before, if it comes soon.
	if s, err := read(t, r, "1_s"); err != nil || s.Name != "" {
		t.Errorf("the writer's process: %q, %v", s.Name, err)
	}
	var failed *oplog.Error
	if err := rename(r, "1_s", "y"); !errors.As(err, &failed) || errors.Is(err, oplog.ErrLockTimeout) || failed.Code != replica.CodeStuck {
		t.Errorf("got %v", err)
	}
	openIt()
	if err := <-answer; err != nil {
		t.Error(err)
	}
	if s, err := read(t, other, "1_s"); err != nil || s.Name != "x" {
		t.Errorf("afterwards: %q, %v", s.Name, err)
	}
}

// TestSlowReader shows that a View that takes its time keeps neither writers nor other readers
// waiting, in its own process and in others, and that it goes on to show what it showed.
func TestSlowReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r, other := newReplica(t, path), newReplica(t, path)
	create(t, r, "1_s")
	err := r.View(t.Context(), func(v *replica.View) error {
		for i, w := range []*replica.Replica{r, other, r, other} {
			name := fmt.Sprint("name ", i)
			if err := rename(w, "1_s", name); err != nil {
				return err
			}
			for _, reader := range []*replica.Replica{r, other} {
				if s, err := read(t, reader, "1_s"); err != nil || s.Name != name {
					t.Errorf("a read beside the slow one: %q, %v, want %q", s.Name, err, name)
				}
			}
			if s, err := v.Story("1_s"); err != nil || s.Name != "" {
				t.Errorf("the slow View shows %q, %v", s.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestViewsAndUpdatesAreInOneOrder lets many goroutines of two replicas on one file add to a counter
// and read it at once. Each Update returns a number of its own, no View shows less than what was
// acknowledged before it began, none shows more than was begun before it ended, and no View shows
// less than an earlier one.
func TestViewsAndUpdatesAreInOneOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	replicas := []*replica.Replica{newReplica(t, path), newReplica(t, path)}
	create(t, replicas[0], "1_s")
	const writers, each = 4, 40
	var begun, done atomic.Int64 // Updates
	var running, reading sync.WaitGroup
	var seen sync.Map
	for i := range writers {
		running.Go(func() {
			for range each {
				begun.Add(1)
				s, err := bump(replicas[i%2], "1_s")
				if err != nil {
					t.Error(err)
					return
				}
				if _, twice := seen.LoadOrStore(s.RetryCount, i); twice {
					t.Errorf("two Updates made the count %d", s.RetryCount)
				}
				done.Add(1)
			}
		})
	}
	ended := make(chan struct{})
	for i := range 4 {
		reading.Go(func() {
			last := int64(0)
			for over := false; !over; {
				select {
				case <-ended:
					over = true
				default:
				}
				least := max(last, done.Load())
				s, err := read(t, replicas[i%2], "1_s")
				if most := begun.Load(); err != nil || s.RetryCount < least || s.RetryCount > most {
					t.Errorf("a View shows %d (%v), want %d to %d", s.RetryCount, err, least, most)
					return
				}
				last = s.RetryCount
			}
		})
	}
	running.Wait()
	close(ended)
	reading.Wait()
	if s, err := read(t, replicas[1], "1_s"); err != nil || s.RetryCount != writers*each {
		t.Errorf("in the end the count is %d, %v", s.RetryCount, err)
	}
	text(t, replicas[0])
}

// TestCloseBesideCalls closes a replica while Views, Updates and Watches run. Each call ends with an
// answer or with the end of the replica, and every acknowledged change is there.
func TestCloseBesideCalls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	var acknowledged atomic.Int64
	var running sync.WaitGroup
	loop := func(call func() error) {
		running.Go(func() {
			for {
				if err := call(); errors.Is(err, context.Canceled) {
					return
				} else if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 2 {
		loop(func() error {
			_, err := bump(r, "1_s")
			if err == nil {
				acknowledged.Add(1)
			}
			return err
		})
		loop(func() error {
			return r.View(context.Background(), func(v *replica.View) error { v.IDs("", 10); return nil })
		})
		loop(func() error {
			return r.Watch(context.Background(), func(*replica.View) (bool, error) { return false, nil })
		})
	}
	for acknowledged.Load() < 20 {
		if _, err := read(t, r, "1_s"); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	running.Wait()
	if s, err := read(t, newReplica(t, path), "1_s"); err != nil || s.RetryCount != acknowledged.Load() {
		t.Errorf("%d changes were acknowledged, and the count is %d (%v)", acknowledged.Load(), s.RetryCount, err)
	}
}

// TestPanicInAView shows that a panic of a View's function leaves the replica usable.
func TestPanicInAView(t *testing.T) {
	r := newReplica(t, filepath.Join(t.TempDir(), "p.db"))
	create(t, r, "1_s")
	for range 6 { // more often than there are connections
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic does not reach the caller")
				}
			}()
			_ = r.View(t.Context(), func(*replica.View) error { panic("slip") })
		}()
	}
	if err := rename(r, "1_s", "x"); err != nil {
		t.Error(err)
	}
	if s, err := read(t, r, "1_s"); err != nil || s.Name != "x" {
		t.Errorf("%q, %v", s.Name, err)
	}
}

// TestReadsDoNotMigrate shows that reading an older file changes nothing in it, and that the first
// write brings it up to date.
func TestReadsDoNotMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := chain(t, path, 5)
	want := text(t, r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	makeOlder(t, path)
	before := databaseFiles(t, path)
	r = newReplica(t, path)
	if got := dump(t, r); got != want {
		t.Errorf("the older file shows another state: %s", got)
	}
	if n := len(exported(t, r)); n != 5 {
		t.Errorf("%d ops are exported, want 5", n)
	}
	if got := databaseFiles(t, path); string(got["p.db"]) != string(before["p.db"]) || len(got["p.db-wal"]) > 0 {
		t.Error("reading changed the file")
	}
	write(t, r, "1_s", pipeline.Changes{Name: ptr("later")})
	if s, err := read(t, newReplica(t, path), "1_s"); err != nil || s.Name != "later" {
		t.Errorf("%q, %v", s.Name, err)
	}
	text(t, r)
}
