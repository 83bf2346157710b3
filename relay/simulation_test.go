package relay

import (
	"bytes"
	"container/heap"
	"crypto/ed25519"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

var machines = flag.Int("machines", 200, "how many machines TestSimulation has")

// TestSimulation simulates a hub and many machines for a week: ops are written, sent, acknowledged and read with
// delays, losses and partitions; machines join and go away; the hub is killed, its store is put back to an earlier
// state, and is lost. Each op is signed and verified by package crdt, and twenty machines apply all to a document.
// In the end every machine has every op, and the twenty documents are one. Machines also claim stories: the fences of a
// story rise, and no two machines have it by the word of a hub that has not lost its store.
//
// The hub and the machines here follow the rules of package relay. Of its code they use that which reserves stories; the rest
// needs a real hub.
func TestSimulation(t *testing.T) {
	w := newWorld(t, *machines, rand.New(rand.NewPCG(23, uint64(*machines))))
	w.run()
	w.converged()
	w.report()
}

const (
	simulated   = 7 * 24 * time.Hour
	opsEach     = 50                     // a machine's in that time, on average
	admitTime   = 100 * time.Microsecond // to admit an op that was read: docs/performance.md
	storeTime   = 30 * time.Microsecond  // for the hub to store one of a batch
	away        = 0.1                    // of the times a machine goes, it is for a day
	lossOfBatch = 0.002                  // a batch and its connection are lost on the way
	measured    = 1000                   // one of so many messages that a machine reads, on average
	sampled     = 20                     // machines with a document
)

func (w *world) after(d time.Duration, do func()) {
	w.planned++
	heap.Push(&w.events, event{w.now + d, w.planned, do})
}

// some draws a time whose mean is d.
func (w *world) some(d time.Duration) time.Duration {
	return time.Duration(w.random.ExpFloat64() * float64(d))
}

func newWorld(t *testing.T, n int, random *rand.Rand) *world {
	w := &world{t: t, random: random, schema: pipeline.Schema(), hubUp: true, stores: []*store{{}}, shelf: newShelf()}
	for id := range n {
		var seed [ed25519.SeedSize]byte
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		key := ed25519.NewKeyFromSeed(seed[:])
		m := &machine{id: id, key: key, author: crdt.AuthorOf(key), delay: time.Duration(1+random.IntN(150)) * time.Millisecond, own: -1, holds: map[string]*holding{}}
		if id%max(n/sampled, 1) == 0 && id/max(n/sampled, 1) < sampled {
			m.doc = crdt.NewDoc(w.schema)
		}
		w.machines = append(w.machines, m)
		joins := time.Duration(0)
		if id%5 == 4 { // a fifth comes later
			joins = time.Duration(random.Int64N(int64(simulated)))
		}
		w.after(joins, func() {
			m.joined, m.joinedAt = true, w.now
			w.connect(m)
			w.again(simulated/opsEach, func() { w.write(m) })
			w.goes(m)
			w.again(simulated/claimsEach, func() { w.claimAny(m) })
		})
	}
	for day := time.Duration(1); day < 7; day++ {
		w.after(day*24*time.Hour, func() { w.hubFails(time.Minute, w.last(), &w.shelf.reservations) })
		w.after(day*24*time.Hour-5*time.Hour, w.partition)
	}
	w.after(58*time.Hour, func() {
		then := w.shelf.clone()
		w.after(2*time.Hour, func() { w.hubFails(time.Hour, w.putBack(2*time.Hour), then) })
	})
	w.after(100*time.Hour, func() {
		w.hubFails(time.Minute, &store{epoch: w.last().epoch + 1}, &newShelf().reservations)
	})
	return w
}

// again does something now and then until the end.
func (w *world) again(each time.Duration, do func()) {
	w.after(w.some(each), func() {
		if w.now > simulated {
			return
		}
		do()
		w.again(each, do)
	})
}

// goes cuts the machine off now and then.
func (w *world) goes(m *machine) {
	w.after(w.some(8*time.Hour), func() {
		if w.now > simulated {
			return
		}
		gone := w.some(10 * time.Minute)
		if w.random.Float64() < away {
			gone = 24 * time.Hour
		}
		w.cut(m)
		w.after(gone, func() { w.connect(m); w.goes(m) })
	})
}

// partition cuts off a tenth of the machines for two hours.
func (w *world) partition() {
	for _, m := range w.machines {
		if w.random.IntN(10) == 0 {
			w.cut(m)
			w.after(2*time.Hour, func() { w.connect(m) })
		}
	}
}

// hubFails ends all connections. The hub comes back with a store, and with reservations.
func (w *world) hubFails(down time.Duration, with *store, reserved *reservations) {
	w.hubUp = false
	for _, m := range w.machines {
		w.cut(m)
	}
	w.after(down, func() {
		w.hubUp = true
		w.shelf.begins(w.now, reserved)
		if with != w.last() {
			w.stores = append(w.stores, with)
		}
		for _, m := range w.machines {
			w.after(time.Duration(w.random.Int64N(int64(2*maxBackoff))), func() {
				w.connect(m)
				w.after(3*m.delay, func() { w.claimAny(m) }) // at once, while others may not have entered what they hold
			})
		}
	})
}

// putBack returns the store as it was some time ago.
func (w *world) putBack(ago time.Duration) *store {
	now := w.last()
	old := &store{epoch: now.epoch}
	for i, op := range now.ops {
		if now.at[i] <= w.now-ago {
			w.add(old, op, now.at[i])
		}
	}
	return old
}

// converged fails unless every machine has every op, has sent its own, and the documents are one.
func (w *world) converged() {
	w.t.Helper()
	for i := range w.ops {
		if w.last().place(int32(i)) == 0 {
			w.t.Fatalf("op %d of machine %d, written at %v, is not on the hub", i, w.ops[i].author, w.ops[i].written)
		}
	}
	var first []byte
	for _, m := range w.machines {
		if n := len(m.outbox); !m.connected || m.read[len(m.read)-1] != len(w.last().ops) || n > 0 || m.again != nil {
			w.t.Fatalf("machine %d: connected %v, has read %d of %d, has %d to send", m.id, m.connected, m.read[len(m.read)-1], len(w.last().ops), n)
		}
		if m.doc == nil {
			continue
		}
		if n := m.doc.PendingLen(); n > 0 || m.doc.Len() != len(w.ops) {
			w.t.Fatalf("machine %d: %d ops wait, %d of %d are applied", m.id, n, m.doc.Len(), len(w.ops))
		}
		text := m.doc.AppendText(nil)
		if first == nil {
			first = text
		}
		if !bytes.Equal(first, text) {
			w.t.Fatalf("machine %d shows another pipeline than machine 0", m.id)
		}
		w.fencesCount(m)
	}
}

func (w *world) report() {
	quantile := func(all []time.Duration, q float64) time.Duration {
		if len(all) == 0 {
			return 0
		}
		slices.Sort(all)
		return all[int(q*float64(len(all)-1))].Round(time.Millisecond)
	}
	n := int64(len(w.ops))
	w.t.Logf("%d machines, %d ops of %d stories", len(w.machines), n, w.stories)
	w.t.Logf("claims: %d, and %d refused; %d of what a machine that was away had, %d of what a hub had lost", w.shelf.claims, w.shelf.refused, w.shelf.taken, w.shelf.lost)
	w.t.Logf("seen by another machine that is connected: p50 %v, p99 %v; by one that was away: p50 %v, p99 %v",
		quantile(w.lags, 0.5), quantile(w.lags, 0.99), quantile(w.lagsAway, 0.5), quantile(w.lagsAway, 0.99))
	w.t.Logf("messages up: %d, %.2f an op, of them %d that the hub had; twice in its store: %d; %.1f MB", w.sent, float64(w.sent)/float64(n), w.repeated, w.last().copies, float64(w.bytesUp)/1e6)
	w.t.Logf("messages down: %d, %.2f an op and machine; %.1f MB a machine", w.delivered, float64(w.delivered)/float64(n)/float64(len(w.machines)), float64(w.bytesDown)/1e6/float64(len(w.machines)))
}
