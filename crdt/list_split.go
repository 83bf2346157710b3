package crdt

import "math/bits"

// splitLeaf makes room at a gap in a full leaf and returns the gap again.
//
// It cuts at the gap, so that typing goes on in the left leaf until that is
// full, but leaves leafMin on both sides. Leaves filled in one direction keep
// three quarters of what they can hold; no history makes many small ones.
func (t *elemTree) splitLeaf(at gap) gap {
	cut := min(max(at.i, leafMin), leafCap-leafMin)
	right := int32(len(t.leaves))
	t.leaves = append(t.leaves, treeLeaf{})
	l, r := &t.leaves[at.leaf], &t.leaves[right]
	copy(r.elems[:], l.elems[cut:])
	for _, e := range r.elems[:leafCap-cut] {
		t.leafOf[e] = right
	}
	l.n, r.n = int32(cut), int32(leafCap-cut)
	l.live, r.live = l.live&(1<<cut-1), l.live>>cut
	l.next, r.next = right, l.next
	if t.last == at.leaf {
		t.last = right
	}
	t.attach(0, at.leaf, right)
	if at.i > cut {
		return gap{right, at.i - cut}
	}
	return at
}

// splitNode moves the right half of a full node of a level to a new one.
func (t *elemTree) splitNode(level int, left int32) {
	right := t.addNode()
	l, r := &t.nodes[left], &t.nodes[right]
	for _, child := range l.child[nodeMin:] {
		*t.parent(level-1, child) = right
	}
	copy(r.child[:], l.child[nodeMin:])
	copy(r.live[:], l.live[nodeMin:])
	copy(r.least[:], l.least[nodeMin:])
	l.n, r.n = nodeMin, nodeCap-nodeMin
	t.attach(level, left, right)
}

// attach gives a new leaf or node, split off to the right of another of its
// level, a parent, and sums both up there.
func (t *elemTree) attach(level int, left, right int32) {
	switch up := *t.parent(level, left); {
	case up == none:
		t.root = t.addNode()
		t.height++
		t.nodes[t.root].child[0], t.nodes[t.root].n = left, 1
		*t.parent(level, left) = t.root
	case t.nodes[up].n == nodeCap:
		t.splitNode(level+1, up) // left may have a new parent now
	}
	up := *t.parent(level, left)
	*t.parent(level, right) = up
	n := &t.nodes[up]
	c := n.slot(left)
	copy(n.child[c+2:], n.child[c+1:n.n])
	copy(n.live[c+2:], n.live[c+1:n.n])
	copy(n.least[c+2:], n.least[c+1:n.n])
	n.n++
	n.child[c+1] = right
	n.live[c], n.least[c] = t.sum(level, left)
	n.live[c+1], n.least[c+1] = t.sum(level, right)
}

func (t *elemTree) addNode() int32 {
	t.nodes = append(t.nodes, treeNode{parent: none})
	return int32(len(t.nodes) - 1)
}

// parent returns the parent of a leaf, on level 0, or a node, to read and set.
func (t *elemTree) parent(level int, i int32) *int32 {
	if level == 0 {
		return &t.leaves[i].parent
	}
	return &t.nodes[i].parent
}

// sum returns what the parent of a leaf, on level 0, or a node knows of it.
func (t *elemTree) sum(level int, i int32) (live int32, least Elem) {
	if level == 0 {
		leaf := &t.leaves[i]
		return int32(bits.OnesCount64(leaf.live)), t.least(leaf.elems[:leaf.n])
	}
	n := &t.nodes[i]
	for _, l := range n.live[:n.n] {
		live += l
	}
	return live, t.least(n.least[:n.n])
}

// least returns the smallest of at least one element.
func (t *elemTree) least(elems []Elem) Elem {
	least := elems[0]
	for _, e := range elems[1:] {
		if t.smaller(e, least) {
			least = e
		}
	}
	return least
}
