package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fleet is several server processes on one database that are killed and started again while clients call them. The
// test's own goroutine starts and kills.
type fleet struct {
	db      string
	servers []atomic.Pointer[server]
	kills   int
}

// server is one process of a fleet. Any number of goroutines may call it at once: they share its pipes.
type server struct {
	*session
	calls    sync.RWMutex  // held for reading by every call under way
	doomed   atomic.Bool   // it is being killed
	killedAt time.Time     // to be read after gone
	gone     chan struct{} // closed when the dead process has been waited for
	reaped   time.Time     // when that was; to be read after gone
}

// times of a call: if it took effect, then between them.
type times struct{ call, end time.Time }

// errGone: the process was killed by the test before it answered.
var errGone = errors.New("the server was killed")

func startFleet(t *testing.T, db string, n int) *fleet {
	t.Helper()
	f := &fleet{db: db, servers: make([]atomic.Pointer[server], n)}
	for i := range n {
		f.start(t, i)
	}
	return f
}

// start starts server i, and returns when it has the database open.
func (f *fleet) start(t *testing.T, i int) {
	t.Helper()
	s := &server{session: startSession(t, f.db), gone: make(chan struct{})}
	s.must(t, "list_items", arguments{"limit": 1})
	f.servers[i].Store(s)
}

// killOne kills a server with SIGKILL while clients call it and starts another one in its place. From time to time it
// also kills one that has only just begun.
func (f *fleet) killOne(t *testing.T, rng *rand.Rand) {
	t.Helper()
	i := rng.IntN(len(f.servers))
	s := f.servers[i].Load()
	s.killed = true
	s.killedAt = time.Now()
	s.doomed.Store(true)
	if err := s.cmd.Process.Kill(); err != nil {
		t.Errorf("kill: %v", err)
	}
	s.calls.Lock() // the client reads to the end of the pipe: what was answered before death counts
	s.end(t)
	s.reaped = time.Now()
	s.calls.Unlock()
	close(s.gone)
	f.kills++
	s.checkLog(t)
	if !t.Failed() {
		_ = os.Remove(s.stderr) // there will be many
	}
	if rng.IntN(8) == 0 {
		f.killEarly(t, time.Duration(rng.IntN(20_000))*time.Microsecond)
	}
	f.start(t, i)
}

// killEarly starts a process that nobody talks to and kills it.
func (f *fleet) killEarly(t *testing.T, after time.Duration) {
	t.Helper()
	cmd := exec.Command("huskies-mcp", "--db", f.db)
	stdin, err := cmd.StdinPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	time.Sleep(after)
	if err := cmd.Process.Kill(); err != nil {
		t.Errorf("kill: %v", err)
	}
	_ = cmd.Wait() // says that it was killed
	f.kills++
}

// killUntil kills at random moments, on the average one a pause, until done is closed.
func (f *fleet) killUntil(t *testing.T, rng *rand.Rand, pause time.Duration, done <-chan struct{}) {
	t.Helper()
	for {
		timer := time.NewTimer(time.Duration(rng.Int64N(int64(2 * pause))))
		select {
		case <-done:
			timer.Stop()
			return
		case <-timer.C:
			f.killOne(t, rng)
		}
	}
}

// end ends all servers and looks at their logs.
func (f *fleet) end(t *testing.T) {
	t.Helper()
	for i := range f.servers {
		s := f.servers[i].Load()
		s.session.end(t)
		s.checkLog(t)
	}
}

// checkLog fails the test if the server saw anything that a person should look at.
func (s *server) checkLog(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(s.stderr)
	if err != nil || strings.Contains(string(text), "level=WARN") || strings.Contains(string(text), "level=ERROR") {
		t.Errorf("log of process %d (%v):\n%s", s.cmd.Process.Pid, err, text)
	}
}

// timedCall makes one tool call of server i. If the server is killed before it answers the error is errGone, and the
// call ends when the dead process has been waited for: nothing of it runs any more.
//
// What a process that dies in a commit leaves in the write-ahead log is either seen by the next reader or, as long as
// any process has the database open, never; and of a fleet all but one always have. So nothing takes effect later.
func (f *fleet) timedCall(i int, tool string, args arguments) (answer, times, error) {
	for {
		s := f.servers[i].Load()
		s.calls.RLock()
		if s.doomed.Load() { // it is not asked
			s.calls.RUnlock()
			<-s.gone
			time.Sleep(time.Millisecond) // until the next one is there
			continue
		}
		at := times{call: time.Now()}
		a, err := s.call(tool, args)
		at.end = time.Now()
		s.calls.RUnlock()
		var said toolError
		if err == nil || errors.As(err, &said) || !s.doomed.Load() {
			return a, at, err
		}
		<-s.gone
		at.end = s.reaped
		return answer{}, at, errGone
	}
}
