package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/relay"
)

// link is a way to the hub that can be cut.
type link struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func newLink(t testing.TB, to string) *link {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{listener: l, to: to}
	t.Cleanup(func() { l.Close(); k.set(false) })
	go k.accept()
	return k
}

func (k *link) accept() {
	for {
		in, err := k.listener.Accept()
		if err != nil {
			return
		}
		k.mu.Lock()
		down := k.down
		k.mu.Unlock()
		out, err := net.Dial("tcp", k.to)
		if err != nil || down {
			in.Close()
			continue
		}
		k.mu.Lock()
		k.conns = append(k.conns, in, out)
		k.mu.Unlock()
		go func() { io.Copy(out, in); out.Close() }()
		go func() { io.Copy(in, out); in.Close() }()
	}
}

// set cuts the link, or lets new connections through.
func (k *link) set(up bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = !up
	for _, c := range k.conns {
		c.Close()
	}
	k.conns = nil
}

// TestChaos: three machines of two processes each write, while links are cut and the hub is killed, loses its store or
// has it put back to an earlier state. When that is over, every acknowledged op is on every machine. HUSKIES_CHAOS=10m lets it
// run for longer, HUSKIES_SEED=N repeats a run as far as the processes do the same.
func TestChaos(t *testing.T) {
	duration := 8 * time.Second
	if text := os.Getenv("HUSKIES_CHAOS"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("HUSKIES_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("HUSKIES_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	h := newHub(t)
	var machines, processes []*machine
	var links []*link
	for range 3 {
		k := newLink(t, h.address)
		m := newMachine(t)
		in := h.invite()
		in.Address = k.listener.Addr().String()
		if err := m.join(in); err != nil {
			t.Fatal(err)
		}
		second := m.second()
		m.relay()
		second.relay()
		machines, links, processes = append(machines, m), append(links, k), append(processes, m, second)
	}
	var all sync.WaitGroup
	stop := make(chan struct{})
	written := make([]int, len(processes))
	for i, p := range processes {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				p.write(fmt.Sprintf("%d_story_x", n*len(processes)+i+1))
				written[i]++
			}
		})
	}
	end := time.Now().Add(duration)
	for time.Now().Before(end) {
		time.Sleep(time.Duration(random.IntN(600)) * time.Millisecond)
		switch k := links[random.IntN(len(links))]; random.IntN(7) {
		case 0, 1:
			k.set(false)
		case 2, 3:
			k.set(true)
		case 4:
			h.kill()
			h.start()
		case 5:
			h.kill()
			h.put(t, "")
			h.start()
		case 6:
			h.kill()
			old := h.copyStore(t)
			h.start()
			time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
			h.kill()
			h.put(t, old)
			h.start()
		}
	}
	close(stop)
	all.Wait()
	n := 0
	for _, w := range written {
		n += w
	}
	for _, k := range links {
		k.set(true)
	}
	t.Logf("%d ops of %d processes", n, len(processes))
	converge(t, n, machines...)
	for _, m := range machines {
		missing, err := m.replica.Missing(t.Context(), [32]byte{}, 10)
		if err != nil || len(missing) > 0 {
			t.Errorf("a machine misses %d ops, error %v", len(missing), err)
		}
		if !slices.Equal(m.stories(), machines[0].stories()) {
			t.Error("machines with the same ops show other stories")
		}
	}
}

// copyStore copies the hub's store, which nobody serves.
func (h *testHub) copyStore(t testing.TB) string {
	old := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(old, os.DirFS(h.dir.path("store"))); err != nil {
		t.Fatal(err)
	}
	return old
}

// put replaces the hub's store, which nobody serves, by another or by none.
func (h *testHub) put(t testing.TB, store string) {
	err := os.RemoveAll(h.dir.path("store"))
	if err == nil && store != "" {
		err = os.Rename(store, h.dir.path("store"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestStatusIsOfTheLiving: what a relay said that was killed since is not taken for what is.
func TestStatusIsOfTheLiving(t *testing.T) {
	m := newMachine(t)
	if err := m.replica.PutRelayStatus([]byte(`{"at":1,"connected_since":1}`)); err != nil {
		t.Fatal(err)
	}
	if status, err := relay.ReadStatus(m.replica); err != nil || status != (relay.Status{}) {
		t.Errorf("status %+v, error %v, want none", status, err)
	}
}
