package replica

import (
	"cmp"
	"iter"
	"slices"

	"github.com/huskies/huskies-mcp/pipeline"
)

// maxChanges is how many of the last changes a replica keeps for those who ask
// what changed since: days of work of a dozen agents, in some 2 MB.
const maxChanges = 16_384

// Change is a change at the position of the row that brought it about: its own
// op's, or that of the op for which its op had waited.
type Change struct {
	Position Position
	pipeline.Change
}

// changes are the last changes, in the order in which they were applied. Rows
// that changed nothing are among them, without a story.
type changes struct {
	ring  []entry
	first int // the oldest one's index, once the ring is full
	// from is the arrival number after which none is missing.
	from int64
}

type entry struct {
	arrival int64
	op      [4]byte
	change  pipeline.Change
}

// begin makes room for the changes of a log whose last row has the given arrival
// number, of which the replay needs to keep the last alone.
func (c *changes) begin(last int64) {
	c.from = max(0, last-maxChanges)
	c.ring = make([]entry, 0, max(0, min(last, maxChanges)))
}

// wants reports whether changes at the arrival number are kept.
func (c *changes) wants(arrival int64) bool { return arrival > c.from }

// add enters what a row changed; nothing is entered too.
func (c *changes) add(at cursor, made []pipeline.Change) {
	if len(made) == 0 {
		c.addOne(entry{arrival: at.arrival, op: opStart(at.id)})
	}
	for _, change := range made {
		if last := c.last(); last != nil && last.change.Agent == change.Agent {
			change.Agent = last.change.Agent // the text of one serves all
		} else {
			change = change.Clone()
		}
		c.addOne(entry{at.arrival, opStart(at.id), change})
	}
}

func (c *changes) addOne(e entry) {
	if len(c.ring) < maxChanges {
		c.ring = append(c.ring, e)
		return
	}
	c.from = c.ring[c.first].arrival
	c.ring[c.first] = e
	c.first = (c.first + 1) % maxChanges
}

// last returns the newest entry, nil if there is none.
func (c *changes) last() *entry {
	if len(c.ring) == 0 {
		return nil
	}
	return c.at(len(c.ring) - 1)
}

// at returns an entry by its age, from 0 for the oldest.
func (c *changes) at(i int) *entry { return &c.ring[(c.first+i)%len(c.ring)] }

// after returns the number of entries up to the arrival number, and whether p is
// a position of this log.
func (c *changes) after(p Position) (n int, ok bool) {
	if p.Arrival == 0 && c.from == 0 {
		return 0, true
	}
	// The entries may be in two runs, each in order.
	old, young := c.ring[c.first:], c.ring[:c.first]
	n = upTo(old, p.Arrival)
	if n == len(old) {
		n += upTo(young, p.Arrival)
	}
	if p.Arrival <= c.from || n == 0 {
		return 0, false
	}
	e := c.at(n - 1)
	return n, e.arrival == p.Arrival && e.op == p.Op
}

func upTo(run []entry, arrival int64) int {
	n, _ := slices.BinarySearchFunc(run, arrival+1, func(e entry, a int64) int { return cmp.Compare(e.arrival, a) })
	return n
}

// ChangesLocked returns what changed after the position, in the order in which it
// was applied. It is not ok if that is not known: so much has changed since, or
// the position is not one of the log as it is. Only the functions that View,
// ViewAfter and Watch call may call it and use what it returns.
func (r *Replica) ChangesLocked(since Position) (after iter.Seq[Change], ok bool) {
	if since.Epoch != r.epoch {
		return nil, false
	}
	n, ok := r.changes.after(since)
	if !ok {
		return nil, false
	}
	return func(yield func(Change) bool) {
		for i := n; i < len(r.changes.ring); i++ {
			e := r.changes.at(i)
			if !yield(Change{Position{e.arrival, e.op, r.epoch}, e.change}) {
				return
			}
		}
	}, true
}
