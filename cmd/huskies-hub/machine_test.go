package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/relay"
	"github.com/huskies/huskies-mcp/replica"
)

// hangGuard ends what hangs. No test measures time.
const hangGuard = 2 * time.Minute

// testHub is a hub's folder, and the process that serves it, if it runs.
type testHub struct {
	t       testing.TB
	dir     folder
	address string
	process *exec.Cmd
	log     *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newFolder returns a folder for a hub, which is to serve at the address, or at a free one if none is given.
func newFolder(t testing.TB, address string) *testHub {
	t.Helper()
	if address == "" {
		address = freeAddress(t)
	}
	return &testHub{t: t, dir: folder(filepath.Join(t.TempDir(), "hub")), address: address, log: &lockedBuffer{}}
}

// newHub makes a hub and serves it.
func newHub(t testing.TB, more ...string) *testHub {
	t.Helper()
	h := newFolder(t, "")
	command(t, append([]string{"init", string(h.dir)}, more...)...)
	h.start()
	t.Cleanup(h.kill)
	return h
}

// command runs huskies-hub and returns what it prints.
func command(t testing.TB, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(args, &out, &errs); code != 0 {
		t.Fatalf("huskies-hub %s: exit code %d: %s", strings.Join(args, " "), code, errs.String())
	}
	return out.String()
}

// start serves in a process of its own, at the same address as before.
func (h *testHub) start() {
	h.t.Helper()
	h.process = exec.Command("huskies-hub", "serve", string(h.dir), "--addr", h.address)
	h.process.Stderr = h.log
	if err := h.process.Start(); err != nil {
		h.t.Fatal(err)
	}
	await(h.t, "the hub serves", func() bool {
		conn, err := net.Dial("tcp", h.address)
		if err == nil {
			conn.Close()
		}
		_, statErr := os.Stat(h.dir.path("address"))
		return err == nil && statErr == nil
	})
}

// kill ends the process with SIGKILL.
func (h *testHub) kill() {
	if h.process != nil {
		_ = h.process.Process.Kill()
		_ = h.process.Wait()
		h.process = nil
		_ = os.Remove(h.dir.path("address")) // as nobody else does
	}
}

// freeAddress is one where nobody listens. The port is one that the system gives to nobody by itself: connections that other
// tests make before it is used do not take it.
func freeAddress(t testing.TB) string {
	t.Helper()
	const first, ports = 10000, 20000
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+mathrand.IntN(ports)))
		if err == nil {
			l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

func (h *testHub) invite() *relay.Invitation {
	h.t.Helper()
	in, err := relay.ParseInvitation(command(h.t, "invite", string(h.dir), "--name", h.address))
	if err != nil {
		h.t.Fatal(err)
	}
	return in
}

// machine is a database with a relay, as a server has them.
type machine struct {
	t       testing.TB
	path    string
	replica *replica.Replica
	stop    context.CancelFunc
	done    chan struct{}
	log     *lockedBuffer
	ahead   time.Duration // how far its clock is ahead
	env     []string      // of the commands that run there, beside the test's
	gapAge  time.Duration // see relay.Config
}

func (m *machine) now() time.Time { return time.Now().Add(m.ahead) }

func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{t: t, path: filepath.Join(t.TempDir(), "pipeline.db"), log: &lockedBuffer{}}
	m.open()
	t.Cleanup(m.close)
	return m
}

func (m *machine) logger() *slog.Logger { return slog.New(slog.NewTextHandler(m.log, nil)) }

// author returns the key that signs the machine's ops.
func (m *machine) author() crdt.Author {
	m.t.Helper()
	author, _, err := m.replica.Author(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return author
}

// nkey returns the key with which the machine connects.
func (m *machine) nkey() (pair nkeys.KeyPair, public string) {
	m.t.Helper()
	seed, err := m.replica.TransportSeed(m.t.Context())
	if err == nil {
		pair, err = nkeys.FromRawSeed(nkeys.PrefixByteUser, seed)
	}
	if err == nil {
		public, err = pair.PublicKey()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return pair, public
}

// isCut reports whether the hub does not let the machine in any more.
func (m *machine) isCut() bool {
	status, err := relay.ReadStatus(m.replica)
	return err == nil && status.ConnectedSince == 0 && strings.Contains(status.LastError, "does not let this machine in")
}

// isConnected reports whether the machine's relay is connected to the hub.
func (m *machine) isConnected() bool {
	status, err := relay.ReadStatus(m.replica)
	return err == nil && status.ConnectedSince != 0
}

// config is what the machine's relay works with.
func (m *machine) config() relay.Config {
	return relay.Config{Replica: m.replica, Now: m.now, Rand: rand.Reader, Logger: m.logger(), GapAge: m.gapAge}
}

// second is another process of the machine.
func (m *machine) second() *machine {
	s := &machine{t: m.t, path: m.path, log: &lockedBuffer{}}
	s.open()
	m.t.Cleanup(s.close)
	return s
}

// open starts the machine's process, so to speak.
func (m *machine) open() {
	m.replica = replica.New(replica.Config{Path: m.path, Now: m.now, Rand: rand.Reader, Logger: m.logger()})
}

// relay starts the relay.
func (m *machine) relay() {
	ctx, stop := context.WithCancel(context.Background())
	m.stop, m.done = stop, make(chan struct{})
	go func() {
		relay.New(m.config()).Run(ctx)
		close(m.done)
	}()
}

// pause stops the relay.
func (m *machine) pause() {
	if m.stop != nil {
		m.stop()
		<-m.done
		m.stop = nil
	}
}

func (m *machine) close() {
	m.pause()
	_ = m.replica.Close()
}

func (m *machine) join(in *relay.Invitation) error {
	joining := relay.Joining{Replica: m.replica, Rand: rand.Reader, Now: time.Now, Name: filepath.Base(filepath.Dir(m.path))}
	_, err := joining.Join(m.t.Context(), in)
	return err
}

// joined is a new machine that is joined to the hub, and exchanges.
func (h *testHub) joined() *machine {
	h.t.Helper()
	m := newMachine(h.t)
	if err := m.join(h.invite()); err != nil {
		h.t.Fatal(err)
	}
	m.relay()
	return m
}

// write makes a story with an ID.
func (m *machine) write(id string) {
	m.t.Helper()
	if err := m.tryWrite(id); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) tryWrite(id string) error {
	stage := pipeline.Backlog
	_, err := m.replica.Update(m.t.Context(), "tester", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write(id, pipeline.Changes{Stage: &stage, Name: &id})
		return err
	})
	return err
}

// ops returns the IDs of all ops here but for those about members, sorted.
func (m *machine) ops() []string {
	m.t.Helper()
	ops, _, err := m.replica.OpsAfter(m.t.Context(), 0, 1_000_000)
	if err != nil {
		m.t.Fatal(err)
	}
	var ids []string
	for _, signed := range ops {
		op, err := crdt.Decode(signed.Payload)
		if err != nil {
			m.t.Fatal(err)
		}
		if op.Story != members.Story {
			ids = append(ids, op.ID.String())
		}
	}
	slices.Sort(ids)
	return ids
}

// stories returns the stories here, with their revs.
func (m *machine) stories() (all []string) {
	m.t.Helper()
	err := m.replica.View(m.t.Context(), func(v *replica.View) error {
		page, err := v.List(pipeline.Filter{}, nil, 1_000_000)
		for _, s := range page.Stories {
			all = append(all, s.ID+" "+s.Rev.String())
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return all
}

// story returns a story as it is here.
func (m *machine) story(id string) (st pipeline.Story) {
	m.t.Helper()
	err := m.replica.View(m.t.Context(), func(v *replica.View) (err error) {
		st, err = v.Story(id)
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return st
}

// notes returns the texts of a story's notes.
func (m *machine) notes(id string) (texts []string) {
	m.t.Helper()
	err := m.replica.View(m.t.Context(), func(v *replica.View) error {
		notes, _ := v.Notes(id, 100)
		for _, n := range notes {
			texts = append(texts, n.Text)
		}
		return v.Err()
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return texts
}

// huskies runs the other command on a machine's database, and returns what it prints.
func (m *machine) huskies(args ...string) (out string, err error) {
	m.t.Helper()
	path, err := huskiesMCP()
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"--db", m.path, "--no-auto-backup"}, args...)...)
	cmd.Env = append(os.Environ(), m.env...)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

// await waits until something is so.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatalf("not after a minute: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// converge waits until all machines have the same ops, n of them, and nothing to send.
func converge(t testing.TB, n int, machines ...*machine) {
	t.Helper()
	defer func() {
		if t.Failed() {
			for i, m := range machines {
				_, state, err := m.replica.Hub(t.Context())
				t.Logf("machine %d has %d ops, outbox %d, error %v; its log:\n%s", i, len(m.ops()), state.Outbox, err, m.log)
			}
		}
	}()
	await(t, "all machines have the same ops", func() bool {
		for _, m := range machines {
			_, state, err := m.replica.Hub(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if state.Outbox != 0 || len(m.ops()) != n || !slices.Equal(m.ops(), machines[0].ops()) {
				return false
			}
		}
		return true
	})
}
