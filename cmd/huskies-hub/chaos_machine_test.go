package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// processesEach is how many servers a machine runs.
const processesEach = 2

// chaosMachine is a machine whose servers are processes of their own, in a network namespace where the test may make one, and
// that reaches the hub by a link. While they run
// nothing of this process has the database open.
type chaosMachine struct {
	*machine
	link *link
	// saved is a folder with a copy of the database from before, "" if there is none.
	saved string

	mu        sync.Mutex // guards all below
	processes [processesEach]*process
	away      []span
	restored  []time.Time // when it was put back to what it was before
}

// span is a time in which something was so. The zero end says that it still is.
type span struct{ from, to time.Time }

// newChaosMachine joins a new machine to the hub, and starts its servers.
func newChaosMachine(t *testing.T, h *testHub) *chaosMachine {
	c := &chaosMachine{machine: newMachine(t), link: newLink(t, h.address, newWire(t))}
	c.joinBy(h)
	c.start()
	t.Cleanup(c.crash)
	return c
}

// joinBy joins the machine to the hub by its link.
func (c *chaosMachine) joinBy(h *testHub) {
	c.t.Helper()
	in := h.invite()
	in.Address = c.link.address()
	if err := c.join(in); err != nil {
		c.t.Fatal(err)
	}
	c.close()
}

// start starts the servers that do not run.
func (c *chaosMachine) start() {
	for i := range c.processes {
		if c.process(i) == nil {
			p := c.startProcess()
			c.mu.Lock()
			c.processes[i] = p
			c.mu.Unlock()
		}
	}
}

// process returns one of the servers, nil while it does not run.
func (c *chaosMachine) process(i int) *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.processes[i]
}

// kill ends one of the servers with SIGKILL. The machine may be away then, until another one is its relay.
func (c *chaosMachine) kill(i int) {
	p := c.process(i)
	if p == nil {
		return
	}
	c.leave()
	c.mu.Lock()
	c.processes[i] = nil
	c.mu.Unlock()
	p.kill()
}

// crash ends all servers.
func (c *chaosMachine) crash() {
	for i := range c.processes {
		c.kill(i)
	}
}

// leave notes that the machine may not be connected from now on, comeBack that nothing keeps it away any more.
func (c *chaosMachine) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.away); n == 0 || !c.away[n-1].to.IsZero() {
		c.away = append(c.away, span{from: time.Now()})
	}
}

func (c *chaosMachine) comeBack() {
	passes := c.link.passes()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.away); passes && n > 0 && c.away[n-1].to.IsZero() {
		c.away[n-1].to = time.Now()
	}
}

// cut cuts the link, silence lets nothing through any more, and mend mends both.
func (c *chaosMachine) cut() {
	c.leave()
	c.link.set(false)
}

func (c *chaosMachine) silence() {
	c.leave()
	c.link.silence()
}

func (c *chaosMachine) mend() {
	c.link.set(true)
	c.comeBack()
}

// databaseFiles are the files of a database that nobody has open.
var databaseFiles = []string{"", "-wal"}

// copyTo copies the database of a machine that was crashed.
func (c *chaosMachine) copyTo(path string) {
	c.t.Helper()
	for _, end := range databaseFiles {
		b, err := os.ReadFile(c.path + end)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(path+end, b, 0o600)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// save keeps a copy of the database for later.
func (c *chaosMachine) save() {
	c.saved = c.t.(*testing.T).TempDir()
	c.copyTo(c.savedPath())
}

func (c *chaosMachine) savedPath() string { return filepath.Join(c.saved, "pipeline.db") }

// rollBack puts the saved copy in the place of the database of a machine that was crashed.
func (c *chaosMachine) rollBack() {
	c.t.Helper()
	c.mu.Lock()
	c.restored = append(c.restored, time.Now())
	c.mu.Unlock()
	for _, end := range append(databaseFiles, "-shm") {
		if err := os.Remove(c.path + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.t.Fatal(err)
		}
	}
	saved := chaosMachine{machine: &machine{t: c.t, path: c.savedPath()}}
	saved.copyTo(c.path)
}

// reading calls fn with the database open in this process.
func (c *chaosMachine) reading(fn func()) {
	c.open()
	defer c.close()
	fn()
}

// allOps returns the ops of the database by the first 12 digits of their IDs, but for those about members.
func (c *chaosMachine) allOps() map[string]*crdt.Op {
	c.t.Helper()
	all := make(map[string]*crdt.Op)
	signed, _, err := c.replica.OpsAfter(c.t.Context(), 0, 1_000_000)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := range signed {
		op, err := crdt.Decode(signed[i].Payload)
		if err != nil {
			c.t.Fatal(err)
		}
		if !pipeline.Reserved(op.Story) {
			all[op.ID.Short()] = op
		}
	}
	return all
}

// wasAway reports whether the machine may have been without the hub at some time between the two, or just before.
func (c *chaosMachine) wasAway(from, to time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	back := func(s span) time.Time { return s.to.Add(comesBackWithin) }
	return slices.ContainsFunc(c.away, func(s span) bool { return s.from.Before(to) && (s.to.IsZero() || back(s).After(from)) })
}

// comesBackWithin is how long after its return a machine may still not know what happened meanwhile: it waits for up to
// four seconds between two tries, and the machine of the test is slow.
const comesBackWithin = 10 * time.Second

func (c *chaosMachine) String() string { return fmt.Sprintf("machine at %s", c.path) }
