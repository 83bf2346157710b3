package crdt

import (
	"errors"
	"fmt"
	"iter"
)

var (
	// ErrUnknownElem reports an Elem that names no element of the list.
	ErrUnknownElem = errors.New("unknown list element")
	// ErrSeq reports an element whose seq is not greater than the seq of the
	// element it follows. Nobody can have seen that one and written this.
	ErrSeq = errors.New("seq is not greater than the seq of the element before")
)

// Elem names an element of one [List]: a local number, given in the order of
// insertion, that never leaves the process. The zero Elem is the list's start,
// which is no element: it can be followed, and neither deleted nor restored.
// There are 2^31-1 others, more than memory for their list.
type Elem int32

// List is a replicated list (RGA: Roh et al. 2011, "Replicated abstract data
// types: Building blocks for collaborative applications"). Lists with the same
// elements are the same list, whatever order the elements came in.
//
// It is a tree, read in pre-order. An element is a child of the one it was
// inserted after. Siblings stand by descending seq, those of one seq by
// descending value, as compare orders them: what was written later stands
// nearer to where it was written. No element ever leaves. A deleted one is
// dead (a tombstone): it shows no more, and keeps its place because others
// may follow it.
//
// Only the order is kept, not the tree. To insert x after p, call an element
// smaller than x if siblings would stand so: by seq, then by value. Right of p
// stand, in this order:
//
//   - the children of p that are greater than x, each with all below it. As an
//     element has a greater seq than its parent, all of that is greater too;
//   - the place of x;
//   - a child of p that is smaller than x. If there is none, a later sibling of
//     p or of an element above p, or the end. The seq of that sibling is at most
//     that of p, so less than that of x.
//
// Hence x goes before the first element right of p that is smaller, whatever
// else has come before it.
//
// Insert, Delete, Restore, At, Position, Compare and Prev take O(log n) steps
// at worst, dead elements counted, for hostile elements too; now and then Insert
// also copies the list's memory, to grow it.
//
// A List is for one goroutine at a time.
type List[E any] struct {
	elems   []listElem[E] // by Elem; the first is the start
	compare func(a, b E) int
	tree    elemTree
	live    int
}

type listElem[E any] struct {
	seq   uint64
	value E
}

// NewList returns an empty list. Compare is a total order of the elements of
// one seq, the same on all replicas: of siblings, the greater stands first. It
// is never 0 for two elements.
func NewList[E any](compare func(a, b E) int) *List[E] {
	l := &List[E]{elems: make([]listElem[E], 1), compare: compare}
	l.tree = newElemTree(l.smaller)
	return l
}

// Insert adds a live element after another or, after the zero Elem, at the
// list's start. Whether the other is live does not matter. Seq must be greater
// than that of the other; at the start it may be any.
func (l *List[E]) Insert(after Elem, seq uint64, v E) (Elem, error) {
	if after != 0 && !l.has(after) {
		return 0, fmt.Errorf("insert after %d: %w", after, ErrUnknownElem)
	}
	if after != 0 && seq <= l.elems[after].seq {
		return 0, fmt.Errorf("insert seq %d after an element of seq %d: %w", seq, l.elems[after].seq, ErrSeq)
	}
	e := Elem(len(l.elems))
	l.elems = append(l.elems, listElem[E]{seq, v})
	at := l.tree.after(after)
	// What stands there is almost always older: no search then.
	if right, ok := l.tree.elem(at); ok && seq <= l.elems[right].seq {
		at = l.tree.firstSmaller(at, e)
	}
	l.tree.insert(at, e)
	l.live++
	return e, nil
}

// Append adds a live element at the list's end, whatever stands there: for loading a
// list whose order is known, element after element.
func (l *List[E]) Append(seq uint64, v E) Elem {
	e := Elem(len(l.elems))
	l.elems = append(l.elems, listElem[E]{seq, v})
	l.tree.insert(gap{l.tree.last, int(l.tree.leaves[l.tree.last].n)}, e)
	l.live++
	return e
}

// Every ranges over all elements in order, dead ones too. The list must not change
// meanwhile.
func (l *List[E]) Every() iter.Seq2[Elem, E] {
	return func(yield func(Elem, E) bool) {
		for leaf := int32(0); leaf != none; leaf = l.tree.leaves[leaf].next {
			at := &l.tree.leaves[leaf]
			for _, e := range at.elems[:at.n] {
				if !yield(e, l.elems[e].value) {
					return
				}
			}
		}
	}
}

// Delete makes an element dead. If it is dead already, nothing changes.
func (l *List[E]) Delete(e Elem) error {
	if !l.has(e) {
		return fmt.Errorf("delete %d: %w", e, ErrUnknownElem)
	}
	if l.tree.setLive(e, false) {
		l.live--
	}
	return nil
}

// Restore makes an element live again. If it is live already, nothing changes.
func (l *List[E]) Restore(e Elem) error {
	if !l.has(e) {
		return fmt.Errorf("restore %d: %w", e, ErrUnknownElem)
	}
	if l.tree.setLive(e, true) {
		l.live++
	}
	return nil
}

// Live reports whether e is an element and live.
func (l *List[E]) Live(e Elem) bool { return l.has(e) && l.tree.live(e) }

// Seq returns the seq of an element, 0 if e is none.
func (l *List[E]) Seq(e Elem) uint64 {
	if !l.has(e) {
		return 0
	}
	return l.elems[e].seq
}

// Value returns the value of an element, live or dead; the zero E if e is no
// element of the list.
func (l *List[E]) Value(e Elem) E {
	if !l.has(e) {
		return l.elems[0].value
	}
	return l.elems[e].value
}

// Len returns the number of live elements.
func (l *List[E]) Len() int { return l.live }

// At returns the i-th live element, from 0, and false if there is none.
func (l *List[E]) At(i int) (Elem, bool) {
	if i < 0 || i >= l.live {
		return 0, false
	}
	return l.tree.at(i), true
}

// Position returns the number of live elements before e, which may be dead: an
// element inserted after e will be at this position, plus 1 if e is live,
// unless newer ones stand there. It is 0 for the start.
func (l *List[E]) Position(e Elem) (int, error) {
	switch {
	case e == 0:
		return 0, nil
	case !l.has(e):
		return 0, fmt.Errorf("position of %d: %w", e, ErrUnknownElem)
	}
	return l.tree.rank(e), nil
}

// Compare returns a negative number if a stands before b, a positive one if
// after it and 0 if they are one, live or dead. The start stands before all
// elements; what is unknown stands after them and is all one.
func (l *List[E]) Compare(a, b Elem) int {
	switch {
	case a == b:
		return 0
	case l.has(a) && l.has(b):
		return l.tree.compare(a, b)
	}
	return l.part(a) - l.part(b)
}

// All ranges over the live elements in order. The list must not change
// meanwhile.
func (l *List[E]) All() iter.Seq2[Elem, E] { return l.After(0) }

// After ranges over the live elements that stand after e, which may be dead;
// over all after the start, over none if e is unknown. The list must not
// change meanwhile.
func (l *List[E]) After(e Elem) iter.Seq2[Elem, E] {
	return func(yield func(Elem, E) bool) {
		if e != 0 && !l.has(e) {
			return
		}
		for live := range l.tree.liveFrom(l.tree.after(e)) {
			if !yield(live, l.elems[live].value) {
				return
			}
		}
	}
}

// Prev returns the nearest live element before e, which may be dead, and false
// if there is none.
func (l *List[E]) Prev(e Elem) (Elem, bool) {
	i, err := l.Position(e)
	if err != nil {
		return 0, false
	}
	return l.At(i - 1)
}

// Check proves the invariants of the list. It is for tests.
func (l *List[E]) Check() error {
	live, err := l.tree.check()
	if err != nil {
		return err
	}
	if live != l.live || len(l.tree.leafOf) != len(l.elems) {
		return fmt.Errorf("list: %d live of %d elements counted, %d of %d in the tree",
			l.live, len(l.elems)-1, live, len(l.tree.leafOf)-1)
	}
	return nil
}

func (l *List[E]) has(e Elem) bool { return 0 < e && int(e) < len(l.elems) }

// part says what an Elem stands among: 0 the start, 1 elements, 2 the unknown.
func (l *List[E]) part(e Elem) int {
	switch {
	case e == 0:
		return 0
	case l.has(e):
		return 1
	}
	return 2
}

// smaller is the order of siblings: a stands after b if both follow the same.
func (l *List[E]) smaller(a, b Elem) bool {
	x, y := &l.elems[a], &l.elems[b]
	if x.seq != y.seq {
		return x.seq < y.seq
	}
	return l.compare(x.value, y.value) < 0
}
