package crdt

import (
	"iter"
	"math/bits"
	"slices"
)

// elemTree keeps the elements of a [List] in their order. It is a B+ tree (Comer
// 1979, "The ubiquitous B-tree") whose inner nodes know, of each child, how many
// live elements are below it and which element is the smallest. So it finds the
// i-th live element, the number of live elements before a given one, and the
// first smaller element right of a gap, each by one way along the height.
//
// Elements are added and never removed, so nodes split and never join. Nodes
// are addressed by number, not by pointer: the garbage collector finds nothing
// to follow.
type elemTree struct {
	smaller func(a, b Elem) bool // a total order, not the order of the list
	leafOf  []int32              // by Elem; the list's start counts to the first leaf
	leaves  []treeLeaf           // the first stays the leftmost
	nodes   []treeNode
	root    int32 // a leaf if height is 0, else a node
	height  int   // levels of nodes above the leaves
	last    int32 // the rightmost leaf
}

const (
	leafCap = 64 // the bits of treeLeaf.live
	nodeCap = 32

	// Only the root has less.
	leafMin = leafCap / 4
	nodeMin = nodeCap / 2

	none int32 = -1 // no leaf, no node
)

// treeLeaf is a run of elements.
type treeLeaf struct {
	elems  [leafCap]Elem
	live   uint64 // bit i says whether elems[i] is live
	n      int32  // what is beyond is stale
	parent int32  // none at the root
	next   int32  // the leaf to the right, or none
}

// treeNode is a run of children: leaves on level 1, nodes of the level below on
// higher ones.
type treeNode struct {
	child  [nodeCap]int32
	live   [nodeCap]int32 // live elements below the child
	least  [nodeCap]Elem  // the smallest element below the child
	n      int32          // what is beyond is stale
	parent int32          // none at the root
}

// gap is a place between elements: before elems[i] of the leaf, or after its
// last. The end of a leaf and the beginning of the next are one place.
type gap struct {
	leaf int32
	i    int
}

func newElemTree(smaller func(a, b Elem) bool) elemTree {
	return elemTree{
		smaller: smaller,
		leafOf:  []int32{0},
		leaves:  []treeLeaf{{parent: none, next: none}},
	}
}

// find returns the gap before e.
func (t *elemTree) find(e Elem) gap {
	leaf := t.leafOf[e]
	return gap{leaf, slices.Index(t.leaves[leaf].elems[:], e)}
}

// after returns the gap after e, or the first of all if e is the start.
func (t *elemTree) after(e Elem) gap {
	if e == 0 {
		return gap{}
	}
	at := t.find(e)
	at.i++
	return at
}

// elem returns the element right of a gap, and false at the end.
func (t *elemTree) elem(at gap) (Elem, bool) {
	leaf := &t.leaves[at.leaf]
	if at.i < int(leaf.n) {
		return leaf.elems[at.i], true
	}
	if leaf.next == none {
		return 0, false
	}
	return t.leaves[leaf.next].elems[0], true // no leaf but an only one is empty
}

// firstSmaller returns the gap before the first element right of at that is
// smaller than e, or the end.
func (t *elemTree) firstSmaller(at gap, e Elem) gap {
	leaf := &t.leaves[at.leaf]
	if i := at.i + t.search(leaf.elems[at.i:leaf.n], e); i < int(leaf.n) {
		return gap{at.leaf, i}
	}
	level := 0
	for n, c := range t.above(at.leaf) {
		if c += 1 + t.search(n.least[c+1:n.n], e); c < int(n.n) {
			return t.firstSmallerBelow(level, n.child[c], e)
		}
		level++
	}
	return gap{t.last, int(t.leaves[t.last].n)}
}

// firstSmallerBelow is firstSmaller among the elements below a child, where
// there is one.
func (t *elemTree) firstSmallerBelow(level int, child int32, e Elem) gap {
	for range level {
		n := &t.nodes[child]
		child = n.child[t.search(n.least[:n.n], e)]
	}
	leaf := &t.leaves[child]
	return gap{child, t.search(leaf.elems[:leaf.n], e)}
}

// search returns the index of the first element smaller than e, or the length.
func (t *elemTree) search(elems []Elem, e Elem) int {
	for i, x := range elems {
		if t.smaller(x, e) {
			return i
		}
	}
	return len(elems)
}

// insert puts the next Elem, live, at a gap.
func (t *elemTree) insert(at gap, e Elem) {
	if t.leaves[at.leaf].n == leafCap {
		at = t.splitLeaf(at)
	}
	leaf := &t.leaves[at.leaf]
	copy(leaf.elems[at.i+1:leaf.n+1], leaf.elems[at.i:leaf.n])
	leaf.elems[at.i] = e
	left := uint64(1)<<at.i - 1
	leaf.live = leaf.live&left | 1<<at.i | leaf.live&^left<<1
	leaf.n++
	t.leafOf = append(t.leafOf, at.leaf)
	least := true // of all below; what is not here is not further up
	for n, c := range t.above(at.leaf) {
		n.live[c]++
		if least = least && t.smaller(e, n.least[c]); least {
			n.least[c] = e
		}
	}
}

// live reports whether an element is live.
func (t *elemTree) live(e Elem) bool {
	at := t.find(e)
	return t.leaves[at.leaf].live>>at.i&1 == 1
}

// setLive reports whether it changed anything.
func (t *elemTree) setLive(e Elem, live bool) bool {
	at := t.find(e)
	leaf := &t.leaves[at.leaf]
	if (leaf.live>>at.i&1 == 1) == live {
		return false
	}
	leaf.live ^= 1 << at.i
	by := int32(1)
	if !live {
		by = -1
	}
	for n, c := range t.above(at.leaf) {
		n.live[c] += by
	}
	return true
}

// at returns the i-th live element, which there must be.
func (t *elemTree) at(i int) Elem {
	child := t.root
	for range t.height {
		n, c := &t.nodes[child], 0
		for i >= int(n.live[c]) {
			i -= int(n.live[c])
			c++
		}
		child = n.child[c]
	}
	leaf := &t.leaves[child]
	return leaf.elems[nthBit(leaf.live, i)]
}

// nthBit returns the index of the n-th set bit of w, from 0.
func nthBit(w uint64, n int) (i int) {
	for width := 32; width > 0; width /= 2 {
		if low := bits.OnesCount64(w >> i & (1<<width - 1)); n >= low {
			n -= low
			i += width
		}
	}
	return i
}

// rank returns the number of live elements before e.
func (t *elemTree) rank(e Elem) int {
	at := t.find(e)
	rank := bits.OnesCount64(t.leaves[at.leaf].live & (1<<at.i - 1))
	for n, c := range t.above(at.leaf) {
		for _, live := range n.live[:c] {
			rank += int(live)
		}
	}
	return rank
}

// compare returns a negative number if a stands before b, a positive one if
// after it, 0 if they are one.
func (t *elemTree) compare(a, b Elem) int {
	x, y := t.find(a), t.find(b)
	if x.leaf == y.leaf {
		return x.i - y.i
	}
	// All leaves are equally deep, so both ways up meet in one step.
	left, right := x.leaf, y.leaf
	for level := 0; ; level++ {
		up, other := *t.parent(level, left), *t.parent(level, right)
		if up == other {
			n := &t.nodes[up]
			return n.slot(left) - n.slot(right)
		}
		left, right = up, other
	}
}

// liveFrom ranges over the live elements right of a gap.
func (t *elemTree) liveFrom(at gap) iter.Seq[Elem] {
	return func(yield func(Elem) bool) {
		for at.leaf != none {
			leaf := &t.leaves[at.leaf]
			for live := leaf.live >> at.i << at.i; live != 0; live &= live - 1 {
				if !yield(leaf.elems[bits.TrailingZeros64(live)]) {
					return
				}
			}
			at = gap{leaf: leaf.next}
		}
	}
}

// above ranges over the nodes above a leaf, from below, each with the index of
// the child on the way.
func (t *elemTree) above(leaf int32) iter.Seq2[*treeNode, int] {
	return func(yield func(*treeNode, int) bool) {
		child, up := leaf, t.leaves[leaf].parent
		for up != none {
			n := &t.nodes[up]
			if !yield(n, n.slot(child)) {
				return
			}
			child, up = up, n.parent
		}
	}
}

// slot returns the index of a child.
func (n *treeNode) slot(child int32) int { return slices.Index(n.child[:], child) }
