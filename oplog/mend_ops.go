package oplog

import "github.com/huskies/huskies-mcp/crdt"

// mendedOps are the ops of a copy: which of them a document applies, and which wait for
// ops that are not there, or for such as wait.
type mendedOps struct {
	applied map[crdt.OpID]bool
	waiters map[crdt.OpID][]*waiter // by what they wait for
	waiting int64
	lastSeq uint64 // the greatest that is applied
}

type waiter struct {
	id      crdt.OpID
	seq     uint64
	parents int // that are not applied
}

func newMendedOps() *mendedOps {
	return &mendedOps{applied: make(map[crdt.OpID]bool), waiters: make(map[crdt.OpID][]*waiter)}
}

// have reports whether the op that a column names is in the copy.
func (o *mendedOps) have(column any) bool {
	id, _ := column.([]byte)
	if len(id) != len(crdt.OpID{}) {
		return false
	}
	_, here := o.applied[crdt.OpID(id)]
	return here
}

// add takes an op.
func (o *mendedOps) add(op *crdt.Op) {
	w := &waiter{id: op.ID, seq: op.Seq}
	for _, p := range op.Parents {
		if !o.applied[p] {
			w.parents++
			o.waiters[p] = append(o.waiters[p], w)
		}
	}
	if w.parents == 0 {
		o.apply(w)
		return
	}
	o.applied[w.id] = false
	o.waiting++
}

// addDamaged takes an op of which no more is known than what stands beside its payload.
// A replica takes it for applied if its seq may be right, see decision 1.
func (o *mendedOps) addDamaged(id crdt.OpID, seq uint64) {
	if seq <= o.lastSeq+1 {
		o.apply(&waiter{id: id, seq: seq})
		return
	}
	o.applied[id] = false
}

// apply applies an op, and those that wait for nothing else.
func (o *mendedOps) apply(w *waiter) {
	for next := []*waiter{w}; len(next) > 0; {
		w, next = next[len(next)-1], next[:len(next)-1]
		o.applied[w.id], o.lastSeq = true, max(o.lastSeq, w.seq)
		for _, child := range o.waiters[w.id] {
			if child.parents--; child.parents == 0 {
				o.waiting--
				next = append(next, child)
			}
		}
		delete(o.waiters, w.id)
	}
}
