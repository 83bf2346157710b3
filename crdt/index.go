package crdt

import "encoding/binary"

// index finds ops in a table by their IDs, which stand there: a map of the IDs would
// hold each once more, and a replay of 100,000 ops waits for memory twice as long.
// The zero index is not ready.
type index struct {
	// first holds, by their first bytes, the ops of which these are taken by no other.
	first map[uint64]opRef
	// others holds the rest. Who makes ops can make such, at 2^32 tries each.
	others map[OpID]opRef
}

func newIndex() index { return index{first: make(map[uint64]opRef)} }

func (id *OpID) first() uint64 { return binary.NativeEndian.Uint64(id[:]) }

// find returns the op with the ID, 0 if it is not here.
func (x *index) find(infos []opInfo, id *OpID) opRef {
	if ref := x.first[id.first()]; ref == 0 || infos[ref].id == *id {
		return ref
	}
	return x.others[*id]
}

// add enters an op that is not here yet.
func (x *index) add(id *OpID, ref opRef) {
	if _, taken := x.first[id.first()]; !taken {
		x.first[id.first()] = ref
		return
	}
	if x.others == nil {
		x.others = make(map[OpID]opRef)
	}
	x.others[*id] = ref
}

// grow makes room for n more ops.
func (x *index) grow(n int) {
	first := make(map[uint64]opRef, len(x.first)+n)
	for key, ref := range x.first {
		first[key] = ref
	}
	x.first = first
}

func (x *index) len() int { return len(x.first) + len(x.others) }
