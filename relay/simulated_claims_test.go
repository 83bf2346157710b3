package relay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Machines of the simulation reserve stories with the code of this package. Its hub answers as JetStream does.

const (
	claimsEach    = 10               // a machine's in the simulated time, on average
	claimLength   = 20 * time.Minute // on average
	renewAfter    = reservationLife / 2
	retryAfter    = time.Minute // on average
	enterTrips    = 8           // round trips from the beginning of a connection until what is held is entered
	storiesForOne = 10          // machines for each story that they claim
	hubBorn       = 1 << 30     // in seconds since 1970: the hub's clock when the simulation begins
)

// simShelf is what the hub has of reservations, and what is known of who has what.
type simShelf struct {
	reservations
	began time.Duration // the hub, last
	loss  int           // how often the store was lost or put back
	holds map[string]*held
	// fences are the last that machines got, by story.
	fences map[string]crdt.Fence
	// Counts: claims, those that another machine had, those taken over from one that was away, and those that a hub which had
	// lost its store gave to another one.
	claims, refused, taken, lost int
}

// reservations are what the hub has on its disk.
type reservations struct {
	last map[string]entry
	seq  uint64
}

func (r *reservations) clone() *reservations { return &reservations{maps.Clone(r.last), r.seq} }

// held says who has a story by the hub's word, whatever becomes of its store.
type held struct {
	m     *machine
	until time.Duration
	loss  int // when it was said
	free  bool
}

// holding is what a machine holds, as far as it knows.
type holding struct {
	m     *machine
	story string
	fence crdt.Fence
	over  bool
}

func newShelf() *simShelf {
	return &simShelf{reservations: reservations{last: map[string]entry{}}, holds: map[string]*held{}, fences: map[string]crdt.Fence{}}
}

// begins is a start of the hub, with what it has on its disk, or had.
func (s *simShelf) begins(now time.Duration, with *reservations) {
	if with != &s.reservations {
		s.reservations = *with
		s.loss++
	}
	s.seq++ // the word that it begins
	s.began = now
}

// hubTime is the hub's clock.
func hubTime(at time.Duration) time.Time { return time.Unix(hubBorn, 0).Add(at) }

// call is one that a machine makes. It goes on where it was when the hub's answer is there.
type call struct {
	w       *world
	m       *machine
	conn    int
	resumes chan struct{}
	rests   chan struct{}
}

// calls runs fn as one of many at a time: it rests while it waits for the hub.
func (w *world) calls(m *machine, fn func(*claimant)) {
	c := &call{w, m, m.conn, make(chan struct{}), make(chan struct{})}
	go func() {
		<-c.resumes
		fn(&claimant{c, m.author.String(), "", reservationLife})
		c.rests <- struct{}{}
	}()
	c.goOn()
}

func (c *call) goOn() {
	c.resumes <- struct{}{}
	<-c.rests
}

func (c *call) wait(d time.Duration) {
	c.w.after(d, c.goOn)
	c.rests <- struct{}{}
	<-c.resumes
}

// ask does something at the hub, and waits for the answer. Either may be lost with the connection.
func (c *call) ask(at func(*simShelf)) error {
	for _, there := range []bool{true, false} {
		c.wait(c.m.delay)
		if c.m.conn != c.conn || !c.m.connected || !c.w.hubUp {
			return ErrUnreachable
		}
		if there {
			at(c.w.shelf)
		}
	}
	return nil
}

// look implements shelf.
func (c *call) look(_ context.Context, story string) (have entry, now, began time.Time, err error) {
	err = c.ask(func(s *simShelf) { have, now, began = s.last[story], hubTime(c.w.now), hubTime(s.began) })
	return have, now, began, err
}

// began implements shelf.
func (c *call) began(context.Context) (began time.Time, err error) {
	err = c.ask(func(s *simShelf) { began = hubTime(s.began) })
	return began, err
}

// put implements shelf.
func (c *call) put(_ context.Context, story string, last uint64, next reservation) (seq uint64, err error) {
	overtaken := false
	err = c.ask(func(s *simShelf) {
		if overtaken = s.last[story].seq != last; overtaken {
			return
		}
		s.seq++
		seq = s.seq
		s.last[story] = entry{next, seq}
		c.w.isPut(c.m, story, next)
	})
	if err == nil && overtaken {
		err = &jetstream.APIError{ErrorCode: jetstream.JSErrCodeStreamWrongLastSequence}
	}
	return seq, err
}

// isPut fails if another machine has the story by the hub's word, unless the hub has lost that, and either its time to hear
// what machines hold is over, or the machine enters what it held before, too.
func (w *world) isPut(m *machine, story string, next reservation) {
	s := w.shelf
	before := s.holds[story]
	switch {
	case before == nil || before.free || before.m == m:
	case w.now > before.until+takeOverAfter:
		s.taken++
	case before.loss < s.loss && (w.now >= s.began+settleTime || m.holds[story] != nil):
		s.lost++
	default:
		w.t.Errorf("machine %d reserves %s at %v, which machine %d has until %v", m.id, story, w.now, before.m.id, before.until)
	}
	s.holds[story] = &held{m, time.UnixMilli(next.Until).Sub(hubTime(0)), s.loss, next.Author == ""}
}

func (w *world) claimAny(m *machine) {
	w.claim(m, fmt.Sprintf("%d_story_to_claim", w.random.IntN(max(1, len(w.machines)/storiesForOne))))
}

// claim claims a story unless the machine has it, or is cut off. Where another one has it, the machine tries again soon.
func (w *world) claim(m *machine, story string) {
	if !m.connected || w.now < m.since || m.holds[story] != nil {
		return
	}
	w.calls(m, func(c *claimant) {
		fence, by, err := c.reserve(context.Background(), story, "coder", false)
		switch {
		case by != "":
			w.shelf.refused++
			w.after(w.some(retryAfter), func() { w.claim(m, story) })
		case err == nil:
			w.after(0, func() { w.claimed(&holding{m: m, story: story, fence: fence}) })
		}
	})
}

// claimed fails unless the fence of a claim is greater than that of all claims before.
func (w *world) claimed(h *holding) {
	s := w.shelf
	if before := s.fences[h.story]; h.fence.Compare(before) <= 0 {
		w.t.Errorf("machine %d claims %s at %v with fence %v, after one with %v", h.m.id, h.story, w.now, h.fence, before)
	}
	s.fences[h.story] = h.fence
	s.claims++
	h.m.holds[h.story] = h
	w.sync(h.m)
	w.writeOp(h.m, w.claimOp(h))
	w.renews(h)
	w.after(w.some(claimLength), func() { w.endClaim(h) })
}

// claimOp is the op of a claim.
func (w *world) claimOp(h *holding) *crdt.Op {
	op := &crdt.Op{Agent: "coder", At: w.now.Milliseconds(), Story: h.story, Fence: h.fence}
	op.Parents, op.Seq = w.next(h.m)
	op.Edits = []crdt.Edit{
		crdt.Set(pipeline.NameStage, crdt.String(string(pipeline.Current))), crdt.Set(pipeline.NameAgent, crdt.String("coder")),
		crdt.Set(pipeline.NameClaim, crdt.String(h.fence.String())),
	}
	return op
}

// renews renews a holding in time. When another machine has the story, it is over.
func (w *world) renews(h *holding) {
	w.after(renewAfter, func() {
		if !h.over {
			w.renew(h)
			w.renews(h)
		}
	})
}

func (w *world) renew(h *holding) {
	if !h.m.connected || w.now < h.m.since {
		return
	}
	w.calls(h.m, func(c *claimant) {
		if _, by, err := c.reserve(context.Background(), h.story, "coder", true); err == nil && by != "" {
			w.forget(h)
		}
	})
}

func (w *world) forget(h *holding) {
	if h.over = true; h.m.holds[h.story] == h {
		delete(h.m.holds, h.story)
	}
}

// endClaim gives a story back. A machine that is cut off lets the reservation run out.
func (w *world) endClaim(h *holding) {
	if h.over {
		return
	}
	w.forget(h)
	if !h.m.connected {
		return
	}
	w.calls(h.m, func(c *claimant) {
		if have, _, _, err := c.at.look(context.Background(), h.story); err == nil && c.has(&have.reservation) {
			_ = c.giveBack(context.Background(), h.story, &have) // it runs out
		}
	})
}

// enter tells the hub what a machine holds that has just connected.
func (w *world) enter(m *machine) {
	conn := m.conn
	w.after(2*enterTrips*m.delay, func() {
		if m.conn != conn {
			return
		}
		for _, story := range slices.Sorted(maps.Keys(m.holds)) {
			w.renew(m.holds[story])
		}
	})
}

// fencesCount fails unless the claims of a document are those with the greatest fences.
func (w *world) fencesCount(m *machine) {
	w.t.Helper()
	claim, _ := w.schema.Field(pipeline.NameClaim)
	for story, fence := range w.shelf.fences {
		if got := m.doc.Story(story).Str(claim); got != fence.String() {
			w.t.Errorf("machine %d shows the claim of %s with fence %s, want %s", m.id, story, got, fence)
		}
	}
}
