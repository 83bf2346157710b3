package crdt

import (
	"cmp"
	"maps"
	"slices"
)

// opRef is an op's place in a table: a local number that never leaves the
// process. The zero opRef is no op.
type opRef int32

// table holds what must be known of every op whose parents are here: its ID,
// its place in the order of writes, its part in the graph.
type table struct {
	infos   []opInfo // by opRef; the first is no op
	byID    map[OpID]opRef
	authors []Author
	refs    map[Author]int32 // into authors
	heads   []opRef
	counts  [opAssumed + 1]int // of ops, by kind
}

type opInfo struct {
	id     OpID
	seq    uint64
	author int32
	// head is 1 + the op's index in heads, or 0.
	head int32
	// elem is the element that the op's place edit made, once it is in the list.
	elem Elem
	kind opKind
	// named: an applied op has it among its parents.
	named bool
}

// opKind says what became of an op in a table.
type opKind uint8

const (
	// opApplied: its edits are merged.
	opApplied opKind = iota
	// opHeld: its author is not trusted, so its edits are not merged.
	opHeld
	// opAssumed: its edits are missing, see [Doc.AssumeApplied].
	opAssumed
)

func newTable() table {
	return table{infos: make([]opInfo, 1), byID: make(map[OpID]opRef), refs: make(map[Author]int32)}
}

// grow makes room for n more ops.
func (t *table) grow(n int) {
	t.infos = slices.Grow(t.infos, n)
	byID := make(map[OpID]opRef, len(t.byID)+n)
	maps.Copy(byID, t.byID)
	t.byID = byID
}

// add enters an op and makes it a head unless it is held.
func (t *table) add(id OpID, seq uint64, author Author, kind opKind) opRef {
	ref := opRef(len(t.infos))
	t.infos = append(t.infos, opInfo{id: id, seq: seq, author: t.authorRef(author), kind: kind})
	t.byID[id] = ref
	t.counts[kind]++
	t.settleHead(ref)
	return ref
}

func (t *table) authorRef(a Author) int32 {
	ref, ok := t.refs[a]
	if !ok {
		ref = int32(len(t.authors))
		t.authors = append(t.authors, a)
		t.refs[a] = ref
	}
	return ref
}

// find returns the op, 0 if it is not here. Most ops asked for are the last.
func (t *table) find(id *OpID) opRef {
	if last := opRef(len(t.infos) - 1); t.infos[last].id == *id {
		return last
	}
	return t.byID[*id]
}

// name records that an applied op has ref among its parents.
func (t *table) name(ref opRef) {
	t.infos[ref].named = true
	t.settleHead(ref)
}

// settleHead makes ref a head or not, as it should be.
func (t *table) settleHead(ref opRef) {
	info := &t.infos[ref]
	switch should := !info.named && info.kind != opHeld; {
	case should && info.head == 0:
		t.heads = append(t.heads, ref)
		info.head = int32(len(t.heads))
	case !should && info.head != 0:
		last := t.heads[len(t.heads)-1]
		t.heads[info.head-1] = last
		t.infos[last].head = info.head
		t.heads = t.heads[:len(t.heads)-1]
		info.head = 0
	}
}

// id returns the op's ID; the zero OpID for no op.
func (t *table) id(ref opRef) OpID { return t.infos[ref].id }

// stamp returns the op's place in the order of writes.
func (t *table) stamp(ref opRef) Stamp {
	info := &t.infos[ref]
	return Stamp{Seq: info.seq, Author: t.authors[info.author], Op: info.id}
}

// idsOf returns the IDs of the ops of one kind, sorted.
func (t *table) idsOf(kind opKind) []OpID {
	var ids []OpID
	for i := range t.infos[1:] {
		if t.infos[i+1].kind == kind {
			ids = append(ids, t.infos[i+1].id)
		}
	}
	SortOpIDs(ids)
	return ids
}

// headIDs returns the IDs of the heads, sorted.
func (t *table) headIDs() []OpID {
	ids := make([]OpID, len(t.heads))
	for i, ref := range t.heads {
		ids[i] = t.id(ref)
	}
	SortOpIDs(ids)
	return ids
}

// greatestHeads returns up to n heads that were read, those with the greatest
// seq, and among equals those with the lowest ID. One that is assumed may have
// another seq than its damaged row says: what names it may turn out to break the
// rule of seq, and be refused when the op comes.
func (t *table) greatestHeads(n int) []opRef {
	var heads []opRef
	for _, ref := range t.heads {
		if t.infos[ref].kind == opApplied {
			heads = append(heads, ref)
		}
	}
	if len(heads) > n {
		slices.SortFunc(heads, func(a, b opRef) int {
			return cmp.Or(cmp.Compare(t.infos[b].seq, t.infos[a].seq), t.id(a).Compare(t.id(b)))
		})
		heads = heads[:n]
	}
	return heads
}
