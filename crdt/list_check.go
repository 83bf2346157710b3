package crdt

import (
	"fmt"
	"math/bits"
	"slices"
)

// check proves the invariants and returns the number of live elements.
func (t *elemTree) check() (live int, err error) {
	c := treeCheck{elemTree: t, seen: make([]bool, len(t.leafOf))}
	if err := c.node(t.height, t.root, none); err != nil {
		return 0, err
	}
	if i := slices.Index(c.seen[1:], false); i >= 0 {
		return 0, fmt.Errorf("list: element %d is not in the tree", i+1)
	}
	if len(c.order) != len(t.leaves) || c.order[0] != 0 || c.order[len(c.order)-1] != t.last || t.leafOf[0] != 0 {
		return 0, fmt.Errorf("list: %d leaves, in order %d, the last is %d", len(t.leaves), c.order, t.last)
	}
	next := none
	for _, leaf := range slices.Backward(c.order) {
		if t.leaves[leaf].next != next {
			return 0, fmt.Errorf("list: leaf %d links to %d, not %d", leaf, t.leaves[leaf].next, next)
		}
		next = leaf
		live += bits.OnesCount64(t.leaves[leaf].live)
	}
	return live, nil
}

// treeCheck is one walk over a tree.
type treeCheck struct {
	*elemTree
	seen  []bool  // by Elem
	order []int32 // the leaves
}

// node checks all from a node of a level downwards; level 0 is a leaf.
func (c *treeCheck) node(level int, i, parent int32) error {
	if up := *c.parent(level, i); up != parent {
		return fmt.Errorf("list: node %d of level %d has parent %d, not %d", i, level, up, parent)
	}
	if level == 0 {
		return c.leaf(i)
	}
	n := &c.nodes[i]
	if n.n > nodeCap || n.n < nodeMin && parent != none || n.n < 2 {
		return fmt.Errorf("list: node %d of level %d has %d children", i, level, n.n)
	}
	for k, child := range n.child[:n.n] {
		if err := c.node(level-1, child, i); err != nil {
			return err
		}
		if live, least := c.sum(level-1, child); live != n.live[k] || least != n.least[k] {
			return fmt.Errorf("list: node %d of level %d counts %d live and the least %d under child %d, which has %d and %d",
				i, level, n.live[k], n.least[k], child, live, least)
		}
	}
	return nil
}

func (c *treeCheck) leaf(i int32) error {
	leaf := &c.leaves[i]
	if leaf.n < leafMin && leaf.parent != none || leaf.live>>leaf.n != 0 {
		return fmt.Errorf("list: leaf %d has %d elements, live %b", i, leaf.n, leaf.live)
	}
	for _, e := range leaf.elems[:leaf.n] {
		if e <= 0 || int(e) >= len(c.seen) || c.seen[e] || c.leafOf[e] != i {
			return fmt.Errorf("list: leaf %d has element %d, which is unknown, elsewhere or here twice", i, e)
		}
		c.seen[e] = true
	}
	c.order = append(c.order, i)
	return nil
}
