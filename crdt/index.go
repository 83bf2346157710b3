package crdt

import "hash/maphash"

// index finds ops in a table by their IDs. It is a hash table with open addressing and
// linear probing (Knuth, The Art of Computer Programming, volume 3, section 6.4,
// algorithm L) that takes 8 to 16 bytes an op, since the IDs stand in the table
// already; a map holds each once more, and a replay of 100,000 ops waits for memory
// twice as long. Ops never leave it.
type index struct {
	slots []opRef // a power of two of them, at most half in use; 0: free
	used  int
	// seed is no part of what the document is: it keeps those who make ops from
	// making IDs that all belong in one place.
	seed maphash.Seed
}

func newIndex() index { return index{slots: make([]opRef, 8), seed: maphash.MakeSeed()} }

// slot returns where the op with the ID is or, if it is not here, belongs.
func (x *index) slot(infos []opInfo, id *OpID) *opRef {
	mask := uint64(len(x.slots) - 1)
	for i := maphash.Bytes(x.seed, id[:]); ; i++ {
		slot := &x.slots[i&mask]
		if *slot == 0 || infos[*slot].id == *id {
			return slot
		}
	}
}

// add enters an op that is in infos and not yet here.
func (x *index) add(infos []opInfo, ref opRef) {
	x.grow(infos, 1)
	*x.slot(infos, &infos[ref].id) = ref
	x.used++
}

// grow makes room for n more ops.
func (x *index) grow(infos []opInfo, n int) {
	size := len(x.slots)
	for size < 2*(x.used+n) {
		size *= 2
	}
	if size == len(x.slots) {
		return
	}
	old := x.slots
	x.slots = make([]opRef, size)
	for _, ref := range old {
		if ref != 0 {
			*x.slot(infos, &infos[ref].id) = ref
		}
	}
}
