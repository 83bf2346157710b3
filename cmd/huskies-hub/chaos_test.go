package main

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/relay"
	"github.com/huskies/huskies-mcp/replica"
)

// chaos is a hub and machines that fail, and agents that work on nevertheless.
type chaos struct {
	t        *testing.T
	h        *testHub // nil if there are several
	machines []*chaosMachine
	first    int // how many machines there were in the beginning; agents work on these
	random   *rand.Rand
	journal  *journal
	stop     chan struct{}
	agents   sync.WaitGroup
	began    time.Time // when the hub began last
	stores   []string  // copies of the hub's store
	deleted  time.Time // when messages of the hub were deleted last
	end      time.Time // of all that goes wrong
}

// TestChaos: on three machines of two processes each agents write, and claim the same stories, while links are cut,
// processes killed, machines put back to what they were before and copied, and the hub is killed, stopped and hung, loses
// messages or its store, or has it put back to an earlier state. When that is over, every acknowledged op is on every machine,
// none twice, all show the same, and no story was claimed by two at a time but where the rules allow it. HUSKIES_CHAOS=10m lets
// it run for longer, HUSKIES_SEED=N repeats a run as far as the processes do the same.
func TestChaos(t *testing.T) {
	duration, seed := chaosTime(t, 12*time.Second), chaosSeed(t)
	began := time.Now()
	h := newHub(t)
	ch := newChaos(t, seed, func() *chaosMachine { return newChaosMachine(t, h) })
	ch.h, ch.end = h, began.Add(duration)
	ch.employ(seed)
	times := map[string]int{}
	for time.Now().Before(ch.end) {
		time.Sleep(ch.upTo(800 * time.Millisecond))
		f := ch.drawFault()
		times[f.name]++
		f.do(ch, ch.machines[ch.random.IntN(ch.first)])
	}
	close(ch.stop)
	ch.agents.Wait()
	t.Logf("faults: %v", times)
	ch.quiet()
	ch.checkMachines()
	ch.journal.checkFences(t)
	ch.journal.checkClaims(t, began)
}

// chaosTime returns for how long the test runs.
func chaosTime(t *testing.T, otherwise time.Duration) time.Duration {
	text := os.Getenv("HUSKIES_CHAOS")
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func chaosSeed(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("HUSKIES_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("HUSKIES_SEED=%d", seed)
	return seed
}

// newChaos makes three machines that share the stories which agents want.
func newChaos(t *testing.T, seed uint64, machine func() *chaosMachine) *chaos {
	ch := &chaos{t: t, first: 3, random: rand.New(rand.NewPCG(seed, 0)), journal: newJournal(), stop: make(chan struct{})}
	for range ch.first {
		ch.machines = append(ch.machines, machine())
	}
	t.Cleanup(func() {
		if t.Failed() {
			for i, c := range ch.machines {
				t.Logf("end of the log of machine %d:\n%s", i, tail(c.log, 20_000))
			}
		}
	})
	for i := range wantedStories {
		got, err := ch.machines[0].process(0).call("write_item", map[string]any{"story_id": wanted(i), "stage": "1_backlog"})
		if err != nil {
			t.Fatal(err)
		}
		ch.journal.acknowledge(got.Item.Rev)
	}
	waitFor(t, "stories can be claimed", func() bool {
		got, err := ch.machines[ch.first-1].process(0).call("claim_item", map[string]any{"story_id": wanted(0), "lease_seconds": 1, "agent": "first"})
		return err == nil && got.Claimed
	})
	ch.began = time.Now()
	return ch
}

// employ starts the agents: of each process one writes and two claim.
func (ch *chaos) employ(seed uint64) {
	for i, c := range ch.machines {
		for slot := range processesEach {
			for kind, work := range []func(*agent){(*agent).writes, (*agent).claims, (*agent).claims} {
				name := fmt.Sprintf("a%d%d%d", i, slot, kind)
				a := &agent{chaos: ch, by: c, slot: slot, name: name, random: rand.New(rand.NewPCG(seed, uint64(1+100*i+10*slot+kind)))}
				ch.agents.Go(func() { work(a) })
			}
		}
	}
}

// waitFor is await for what takes longer to find out, or to come.
func waitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * hangGuard); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after minutes: %s", what)
		}
	}
}

// quiet mends what is broken and waits until all machines have the same.
func (ch *chaos) quiet() {
	ch.t.Helper()
	for i, c := range ch.machines {
		c.mend()
		got, err := c.process(0).call("write_item", map[string]any{"name": fmt.Sprintf("last word %d", i)})
		if err != nil {
			ch.t.Fatal(err) // without this op nobody may know that an op before is missing
		}
		ch.journal.acknowledge(got.Item.Rev)
	}
	began := time.Now()
	for i, c := range ch.machines {
		c.open()
		ch.t.Cleanup(c.close)
		defer func() {
			if ch.t.Failed() {
				_, state, err := c.replica.Hub(context.Background())
				missing, _ := c.replica.Missing(context.Background(), [32]byte{}, 1000)
				ch.t.Logf("machine %d has %d ops, lacks %d, outbox %d, read to %d, error %v", i, len(c.ops()), len(missing), state.Outbox, state.Read.Seq, err)
			}
		}()
	}
	waitFor(ch.t, "nothing is to be sent, and all machines have the same ops", func() bool {
		for _, c := range ch.machines {
			if _, state, err := c.replica.Hub(ch.t.Context()); err != nil || state.Outbox != 0 || !ch.lacksOnlyLost(c) {
				return false
			}
		}
		first := ch.machines[0].ops()
		return !slices.ContainsFunc(ch.machines[1:], func(c *chaosMachine) bool { return !slices.Equal(c.ops(), first) })
	})
	ch.t.Logf("%d ops, the same after %v", len(ch.machines[0].ops()), time.Since(began).Round(time.Millisecond))
}

// lacksOnlyLost reports whether the ops that others build on and that are missing were lost with a machine that alone had
// them: the hub had lost their messages before anybody else read them.
func (ch *chaos) lacksOnlyLost(c *chaosMachine) bool {
	missing, err := c.replica.Missing(ch.t.Context(), crdt.OpID{}, 1_000_000)
	return err == nil && !slices.ContainsFunc(missing, func(id crdt.OpID) bool { return !ch.journal.lost[id.Short()] })
}

// checkMachines shows that every machine has what was acknowledged, and shows the same.
func (ch *chaos) checkMachines() {
	ch.t.Helper()
	want := ch.machines[0].dump()
	for name, times := range ch.machines[0].storyNames() {
		if times > 1 {
			ch.t.Errorf("%s was made %d times", name, times)
		}
	}
	for i, c := range ch.machines {
		if diff := cmp.Diff(want, c.dump()); diff != "" {
			ch.t.Errorf("machine %d shows another state (-first +this):\n%.4000s", i, diff)
		}
		ops := c.allOps()
		ch.journal.see(ops)
		for rev := range ch.journal.acked {
			if ops[rev] == nil && !ch.journal.lost[rev] {
				ch.t.Errorf("machine %d lacks the acknowledged op %s", i, rev)
			}
		}
		c.crash()
		c.close()
		c.verify()
	}
	ch.t.Logf("%d changes acknowledged, %d ops lost with machines that were put back", len(ch.journal.acked), len(ch.journal.lost))
}

// verify checks the database. An author that was put back to what it was before may have gone on from there: that is no fault
// of what is stored.
func (m *machine) verify() {
	m.t.Helper()
	out, err := m.huskies("verify", "--all")
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "fault") && !strings.Contains(line, " signed two ops at seq ") {
			m.t.Errorf("verify says: %s", line)
		}
	}
	if err != nil && !strings.Contains(out, " rows by ") {
		m.t.Errorf("verify: %v: %s", err, out)
	}
}

// storyNames counts the stories of each name.
func (m *machine) storyNames() map[string]int {
	m.t.Helper()
	times := map[string]int{}
	err := m.replica.View(m.t.Context(), func(v *replica.View) error {
		page, err := v.List(pipeline.Filter{}, nil, 1_000_000)
		for _, st := range page.Stories {
			if st.Name != "" {
				times[st.Name]++
			}
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return times
}

// dumpedHere are rows of the dump that say in which order the ops came here, or follow it: see docs/design.md on charts and
// docs/decisions/0021-decided-twice-apart.md.
var dumpedHere = []string{"history ", "spell ", "flow ", "exception ", "late ", "waiting ", "member ", "overwritten "}

// dump returns what the database shows, but for the order in which it came.
func (m *machine) dump() []string {
	m.t.Helper()
	log, err := oplog.Open(context.Background(), oplog.Config{Path: m.path, Now: time.Now, Rand: crand.Reader, Logger: m.logger()})
	if err != nil {
		m.t.Fatal(err)
	}
	defer log.Close()
	var b bytes.Buffer
	if err := log.View(m.t.Context(), func(snap *oplog.Snapshot) error {
		b.Reset()
		return snap.Dump(&b)
	}); err != nil {
		m.t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(b.String(), "\n"), func(line string) bool {
		return slices.ContainsFunc(dumpedHere, func(kind string) bool { return strings.HasPrefix(line, kind) })
	})
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
