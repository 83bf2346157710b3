package relay

import (
	"bytes"
	"cmp"
	"container/heap"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// world is all of it, at one moment.
type world struct {
	t        *testing.T
	random   *rand.Rand
	now      time.Duration
	events   queue
	planned  int
	ops      []simOp
	machines []*machine
	stores   []*store // of the hub, the last one is in use
	hubUp    bool
	busy     time.Duration // until when the hub stores
	schema   *crdt.Schema
	shelf    *simShelf
	stories  int

	sent, repeated, delivered, bytesUp, bytesDown int64
	lags, lagsAway                                []time.Duration
}

// simOp is an op, named by its place.
type simOp struct {
	op      *crdt.Op
	author  int
	size    int
	written time.Duration
	away    bool // its author was not connected
}

// store is what the hub has on its disk from one loss to the next.
type store struct {
	epoch  int
	ops    []int32
	at     []time.Duration
	bytes  []int64 // of all up to this one
	where  []int32 // the last place of an op and one, 0: none
	copies int     // ops that stand in it more than once
}

func (w *world) add(s *store, op int32, at time.Duration) {
	if s.place(op) > 0 {
		s.copies++
	}
	s.bytes = append(s.bytes, s.size(len(s.ops))+int64(w.ops[op].size))
	s.ops, s.at = append(s.ops, op), append(s.at, at)
	for int(op) >= len(s.where) {
		s.where = append(s.where, 0)
	}
	s.where[op] = int32(len(s.ops))
}

// size returns how many bytes the first n messages have.
func (s *store) size(n int) int64 {
	if n == 0 {
		return 0
	}
	return s.bytes[n-1]
}

// place returns the place of an op and one, 0 if the store does not have it.
func (s *store) place(op int32) int {
	if int(op) >= len(s.where) {
		return 0
	}
	return int(s.where[op])
}

// machine is what a machine keeps of the protocol, and its connection.
type machine struct {
	id        int
	key       ed25519.PrivateKey
	author    crdt.Author
	delay     time.Duration // to the hub
	joined    bool
	joinedAt  time.Duration
	connected bool
	conn      int // which connection it is: what was sent over an earlier one is void
	since     time.Duration
	from      int   // what was read when the connection began
	read      []int // of each store
	outbox    []int32
	sending   bool
	again     *mark // all of the earlier stores is to be sent from here on
	others    bool  // this connection is old enough to send what others wrote
	acked     mark
	own       int32 // its last op, -1: none
	doc       *crdt.Doc
	holds     map[string]*holding
}

// mark is a message that was seen in a store.
type mark struct{ store, place int }

// event is something that happens.
type event struct {
	at time.Duration
	n  int
	do func()
}

type queue []event

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at < q[j].at || q[i].at == q[j].at && q[i].n < q[j].n }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

func (w *world) last() *store { return w.stores[len(w.stores)-1] }

func (w *world) run() {
	for w.events.Len() > 0 {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now += time.Hour // what is on its way comes
	for _, m := range w.machines {
		w.sync(m)
	}
}

func (w *world) cut(m *machine) {
	w.sync(m)
	m.connected, m.sending, m.others = false, false, false
	m.conn++
}

// connect compares what the machine remembers of the hub with what the hub has, and begins to read. When it has
// caught up it sends.
func (w *world) connect(m *machine) {
	if !m.joined || m.connected || !w.hubUp {
		return
	}
	m.connected, m.since = true, w.now+3*m.delay
	for len(m.read) < len(w.stores) {
		m.read = append(m.read, 0)
	}
	here := len(w.stores) - 1
	if !w.same(m, here) {
		m.read[here] = 0
		m.acked = mark{}
		w.resend(m)
	} else if here > 0 && m.read[here] == 0 { // it was put back to what this machine had read
		m.read[here] = min(w.lastRead(m), len(w.last().ops))
	}
	m.from = m.read[here]
	conn := m.conn
	w.enter(m)
	w.after(3*m.delay+time.Duration(len(w.last().ops)-m.from)*admitTime, func() {
		if m.conn != conn {
			return
		}
		w.send(m)
		w.sendOthers(m, conn)
	})
}

// sendOthers lets a machine send what others wrote, when it has read what they sent themselves.
func (w *world) sendOthers(m *machine, conn int) {
	w.after(sendOthersAfter+time.Duration(w.random.Int64N(int64(sendOthersAfter))), func() {
		if m.conn != conn {
			return
		}
		if w.sync(m); len(w.last().ops) > m.read[len(m.read)-1]+outboxPage {
			w.sendOthers(m, conn)
			return
		}
		m.others = true
		w.send(m)
	})
}

// lastRead returns how far the machine has read the last store that it read.
func (w *world) lastRead(m *machine) int {
	for i := len(m.read) - 1; i >= 0; i-- {
		if m.read[i] > 0 {
			return m.read[i]
		}
	}
	return 0
}

// same reports whether the machine's marks are where they were.
func (w *world) same(m *machine, here int) bool {
	now := w.last()
	for i := len(m.read) - 1; i >= 0; i-- {
		if m.read[i] == 0 {
			continue
		}
		marks := []mark{{i, m.read[i]}}
		if m.acked.place > 0 {
			marks = append(marks, m.acked)
		}
		for _, k := range marks {
			if k.store == here {
				continue
			}
			if then := w.stores[k.store]; then.epoch != now.epoch || k.place > len(now.ops) || now.ops[k.place-1] != then.ops[k.place-1] {
				return false
			}
		}
		break
	}
	return true
}

// resend puts the machine's own ops into the outbox, and all that it had read.
func (w *world) resend(m *machine) {
	m.outbox, m.again = nil, &mark{}
	for i := range w.ops {
		if w.ops[i].author == m.id {
			m.outbox = append(m.outbox, int32(i))
		}
	}
}

// fill puts a batch of what others wrote into the outbox, if it is time for it.
func (w *world) fill(m *machine) {
	here, s := len(w.stores)-1, w.last()
	for m.again != nil && m.others && len(m.outbox) < outboxPage {
		k := m.again
		switch {
		case k.store == here:
			m.again = nil
		case k.place >= m.read[k.store]:
			k.store, k.place = k.store+1, 0
		default:
			op := w.stores[k.store].ops[k.place]
			k.place++
			if p := s.place(op); w.ops[op].author != m.id && (p == 0 || p > m.read[here]) {
				m.outbox = append(m.outbox, op)
			}
		}
	}
}

// hasRead reports whether the machine read an op from an earlier store.
func (w *world) hasRead(m *machine, op int32) bool {
	for i, read := range m.read[:len(m.read)-1] {
		if place := w.stores[i].place(op); place > 0 && place <= read {
			return true
		}
	}
	return false
}

// sync reads what has come by now.
func (w *world) sync(m *machine) {
	if !m.connected || w.now < m.since {
		return
	}
	here, s := len(w.stores)-1, w.last()
	came := sort.Search(len(s.at), func(i int) bool { return s.at[i] > w.now-m.delay })
	came = min(came, m.from+int((w.now-m.since)/admitTime))
	read := m.read[here]
	if came <= read {
		return
	}
	w.delivered += int64(came - read)
	w.bytesDown += s.size(came) - s.size(read)
	for i := read + w.random.IntN(2*measured); i < came; i += 1 + w.random.IntN(2*measured) {
		w.measure(m, s, i)
	}
	if m.doc != nil {
		w.applyAll(m, s.ops[read:came])
	}
	m.read[here] = came
}

// measure notes how long after it was written the machine has a message.
func (w *world) measure(m *machine, s *store, i int) {
	o := &w.ops[s.ops[i]]
	if o.author == m.id || o.written < m.joinedAt || w.hasRead(m, s.ops[i]) {
		return
	}
	seen := max(s.at[i]+m.delay, m.since+time.Duration(i-m.from)*admitTime)
	if o.away || o.written < m.since {
		w.lagsAway = append(w.lagsAway, seen-o.written)
	} else {
		w.lags = append(w.lags, seen-o.written)
	}
}

func (w *world) applyAll(m *machine, ops []int32) {
	for _, op := range ops {
		if o := w.ops[op].op; !m.doc.Has(o.ID) {
			w.apply(m, o)
		}
	}
}

func (w *world) apply(m *machine, op *crdt.Op) {
	if _, err := m.doc.Apply(op); err != nil {
		w.t.Fatalf("machine %d: %v", m.id, err)
	}
}

// write makes an op of what the machine has.
func (w *world) write(m *machine) {
	w.sync(m)
	w.writeOp(m, w.draft(m))
}

func (w *world) writeOp(m *machine, op *crdt.Op) {
	signed, err := crdt.Sign(op, m.key)
	if err != nil {
		w.t.Fatal(err)
	}
	verified, err := crdt.Verify(signed.Payload, signed.Signature)
	if err != nil {
		w.t.Fatal(err)
	}
	m.own = int32(len(w.ops))
	w.ops = append(w.ops, simOp{verified, m.id, len(signed.Payload) + len(signed.Signature), w.now, !m.connected})
	m.outbox = append(m.outbox, m.own)
	if m.doc != nil {
		w.apply(m, verified)
	}
	w.send(m)
}

// draft returns a change to a story: a new one, or one that the machine has.
func (w *world) draft(m *machine) *crdt.Op {
	op := &crdt.Op{Agent: "coder", At: w.now.Milliseconds()}
	op.Parents, op.Seq = w.next(m)
	stages := pipeline.Stages()
	stage := crdt.Set(pipeline.NameStage, crdt.String(string(stages[w.random.IntN(len(stages))])))
	known := w.known(m)
	switch {
	case known < 0 || w.random.IntN(10) == 0:
		w.stories++
		op.Story, op.Creates = fmt.Sprintf("%d_story_made_by_%d", w.stories, m.id), true
		op.Edits = []crdt.Edit{stage, crdt.Set(pipeline.NameName, crdt.String("A story of five words")), crdt.Place(crdt.Anchor{})}
	case w.random.IntN(2) == 0:
		op.Story, op.Edits = w.ops[known].op.Story, []crdt.Edit{crdt.Note("What a coder notes when a step is done, in a sentence or two.")}
	default:
		op.Story, op.Edits = w.ops[known].op.Story, []crdt.Edit{stage, crdt.Set(pipeline.NameAgent, crdt.String("coder"))}
	}
	return op
}

// known draws an op that the machine has, mostly one of the latest; -1 if it has none.
func (w *world) known(m *machine) int32 {
	here := len(m.read) - 1
	if m.own >= 0 && w.random.IntN(2) == 0 || here < 0 || m.read[here] == 0 {
		return m.own
	}
	back := min(m.read[here], 1+int(w.some(time.Second)/time.Millisecond))
	return w.stores[here].ops[m.read[here]-back]
}

// next returns the parents of the machine's next op: heads among the latest that it has.
func (w *world) next(m *machine) (parents []crdt.OpID, seq uint64) {
	if m.doc != nil {
		return m.doc.Next()
	}
	var latest []*crdt.Op
	if here := len(m.read) - 1; here >= 0 {
		for i := m.read[here] - 1; i >= max(0, m.read[here]-4*crdt.MaxParents); i-- {
			latest = append(latest, w.ops[w.stores[here].ops[i]].op)
		}
	}
	if m.own >= 0 {
		latest = append(latest, w.ops[m.own].op)
	}
	covered := map[crdt.OpID]bool{}
	for _, op := range latest {
		for _, p := range op.Parents {
			covered[p] = true
		}
	}
	latest = slices.DeleteFunc(latest, func(op *crdt.Op) bool { return covered[op.ID] })
	slices.SortFunc(latest, func(a, b *crdt.Op) int { return cmp.Or(cmp.Compare(b.Seq, a.Seq), bytes.Compare(a.ID[:], b.ID[:])) })
	latest = slices.CompactFunc(latest, func(a, b *crdt.Op) bool { return a.ID == b.ID })
	for _, op := range latest[:min(len(latest), crdt.MaxParents)] {
		parents, seq = append(parents, op.ID), max(seq, op.Seq)
	}
	crdt.SortOpIDs(parents)
	return parents, seq + 1
}

// send sends a batch of the outbox. What came back in the stream is out of it.
func (w *world) send(m *machine) {
	if !m.connected || m.sending || w.now < m.since || len(w.last().ops) > 0 && m.read[len(w.stores)-1] < m.from {
		return
	}
	here, s, conn := len(w.stores)-1, w.last(), m.conn
	m.outbox = slices.DeleteFunc(m.outbox, func(op int32) bool { return s.place(op) > 0 && s.place(op) <= m.read[here] })
	w.fill(m)
	batch := slices.Clone(m.outbox[:min(len(m.outbox), outboxPage)])
	if len(batch) == 0 {
		return
	}
	m.sending = true
	w.after(m.delay, func() {
		if m.conn != conn || !w.hubUp {
			return
		}
		lost := w.random.Float64() < lossOfBatch
		arrived := len(batch)
		if lost {
			arrived = w.random.IntN(len(batch) + 1)
		}
		w.busy = max(w.busy, w.now)
		for _, op := range batch[:arrived] {
			w.sent++
			w.bytesUp += int64(w.ops[op].size)
			if p := s.place(op); p > 0 && s.at[p-1] > w.now-DuplicateWindow {
				w.repeated++
				continue
			}
			w.busy += storeTime
			w.add(s, op, w.busy)
		}
		if lost { // nothing is acknowledged
			w.cut(m)
			w.after(minBackoff, func() { w.connect(m) })
			return
		}
		w.after(w.busy-w.now+m.delay, func() {
			if m.conn != conn {
				return
			}
			m.sending = false
			m.outbox = slices.DeleteFunc(m.outbox, func(op int32) bool { return slices.Contains(batch, op) })
			m.acked = mark{here, s.place(batch[len(batch)-1])}
			w.sync(m)
			w.send(m)
		})
	})
}
