package crdt_test

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// listModel is the tree that a list is by definition: children sorted, read in
// pre-order. It is slow and plain on purpose.
type listModel struct {
	elems []listModelElem // by Elem; the first is the start
}

type listModelElem struct {
	seq      uint64
	value    int
	live     bool
	children []crdt.Elem
}

func newListModel() *listModel { return &listModel{make([]listModelElem, 1)} }

func (m *listModel) insert(after crdt.Elem, seq uint64, value int) crdt.Elem {
	e := crdt.Elem(len(m.elems))
	m.elems = append(m.elems, listModelElem{seq: seq, value: value, live: true})
	siblings := append(m.elems[after].children, e)
	slices.SortFunc(siblings, func(a, b crdt.Elem) int { // newest first, then the greater
		x, y := m.elems[a], m.elems[b]
		return cmp.Or(cmp.Compare(y.seq, x.seq), cmp.Compare(y.value, x.value))
	})
	m.elems[after].children = siblings
	return e
}

// order returns all elements in order, dead ones too.
func (m *listModel) order() []crdt.Elem {
	var order []crdt.Elem
	var walk func(crdt.Elem)
	walk = func(e crdt.Elem) {
		for _, child := range m.elems[e].children {
			order = append(order, child)
			walk(child)
		}
	}
	walk(0)
	return order
}

// check compares all that a list says with the model, and proves the list's
// invariants.
func (m *listModel) check(t rapid.TB, l *crdt.List[int]) {
	t.Helper()
	if err := l.Check(); err != nil {
		t.Fatal(err)
	}
	order := m.order()
	var live []crdt.Elem // of those passed
	for i, e := range order {
		want := m.elems[e]
		if got := (listModelElem{seq: l.Seq(e), value: l.Value(e), live: l.Live(e)}); got.seq != want.seq || got.value != want.value || got.live != want.live {
			t.Fatalf("element %d: got %+v, want %+v", e, got, want)
		}
		if got, err := l.Position(e); err != nil || got != len(live) {
			t.Fatalf("position of %d: got %d, %v, want %d", e, got, err, len(live))
		}
		got, ok := l.Prev(e)
		if want := len(live) > 0; ok != want || ok && got != live[len(live)-1] {
			t.Fatalf("before %d: got %d, %t, want the last of %v", e, got, ok, live)
		}
		// The neighbours, and one far away.
		for _, k := range []int{max(i-1, 0), i, min(i+1, len(order)-1), i * 7919 % len(order)} {
			if got, want := l.Compare(e, order[k]), cmp.Compare(i, k); cmp.Compare(got, 0) != want {
				t.Fatalf("compare element %d, %d-th, with %d, %d-th: got %d, want the sign of %d", e, i, order[k], k, got, want)
			}
		}
		if want.live {
			if got, ok := l.At(len(live)); !ok || got != e {
				t.Fatalf("at %d: got %d, %t, want %d", len(live), got, ok, e)
			}
			live = append(live, e)
		}
	}
	if l.Len() != len(live) {
		t.Fatalf("length: got %d, want %d", l.Len(), len(live))
	}
	sameElems(t, "all", l.All(), live)
	for _, i := range []int{0, len(order) / 3, len(order) - 1} {
		if len(order) > 0 {
			rest := slices.DeleteFunc(slices.Clone(order[i+1:]), func(e crdt.Elem) bool { return !m.elems[e].live })
			sameElems(t, "after one", l.After(order[i]), rest)
		}
	}
}

func sameElems(t rapid.TB, what string, seq iter.Seq2[crdt.Elem, int], want []crdt.Elem) {
	t.Helper()
	got := make([]crdt.Elem, 0, len(want))
	for e := range seq {
		got = append(got, e)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s (-want +got):\n%s", what, gocmp.Diff(want, got))
	}
}

// listPair is a list and its model.
type listPair struct {
	list  *crdt.List[int]
	model *listModel
}

func newListPair() *listPair { return &listPair{crdt.NewList(cmp.Compare[int]), newListModel()} }

// insert adds an element to both; no two elements have one value. The values
// alternate between ends, so that they do not follow the order of insertion.
func (p *listPair) insert(t rapid.TB, after crdt.Elem, seq uint64) crdt.Elem {
	t.Helper()
	value := len(p.model.elems)
	if value%2 == 0 {
		value = -value
	}
	want := p.model.insert(after, seq, value)
	got, err := p.list.Insert(after, seq, value)
	if err != nil || got != want {
		t.Fatalf("insert after %d, seq %d: got element %d, %v, want %d", after, seq, got, err, want)
	}
	return got
}

func (p *listPair) setLive(t rapid.TB, e crdt.Elem, live bool) {
	t.Helper()
	do := p.list.Delete
	if live {
		do = p.list.Restore
	}
	if err := do(e); err != nil {
		t.Fatalf("element %d, live %t: %v", e, live, err)
	}
	p.model.elems[e].live = live
}

func (p *listPair) check(t rapid.TB) { t.Helper(); p.model.check(t, p.list) }

// TestListModel: after each step of any history the list is what the model says.
func TestListModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newListPair()
		elem := func(t *rapid.T, from int) crdt.Elem {
			if len(p.model.elems) <= from {
				t.Skip("no element yet")
			}
			return crdt.Elem(rapid.IntRange(from, len(p.model.elems)-1).Draw(t, "element"))
		}
		// Few seqs, so that many are equal; 0 only at the start.
		seq := func(t *rapid.T, after crdt.Elem) uint64 {
			low := uint64(0)
			if after != 0 {
				low = p.model.elems[after].seq + 1
			}
			return rapid.Uint64Range(low, low+3).Draw(t, "seq")
		}
		setLive := func(live bool) func(t *rapid.T) {
			return func(t *rapid.T) {
				first := elem(t, 1)
				for e := first; e < min(first+crdt.Elem(rapid.IntRange(1, 80).Draw(t, "count")), crdt.Elem(len(p.model.elems))); e++ {
					p.setLive(t, e, live)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				after := elem(t, 0)
				p.insert(t, after, seq(t, after))
			},
			"type": func(t *rapid.T) {
				after := elem(t, 0)
				n := seq(t, after)
				for range rapid.IntRange(1, 80).Draw(t, "count") {
					after, n = p.insert(t, after, n), n+1
				}
			},
			"siblings": func(t *rapid.T) {
				after := elem(t, 0)
				n, step := seq(t, after), rapid.Uint64Range(0, 1).Draw(t, "step")
				for range rapid.IntRange(1, 80).Draw(t, "count") {
					p.insert(t, after, n)
					n += step
				}
			},
			"delete":  setLive(false),
			"restore": setLive(true),
			"":        func(t *rapid.T) { p.check(t) },
		})
	})
}

// listElems are elements to insert in some order; their values are the indexes.
type listElems []struct {
	parent int // index of the element it follows, an earlier one; -1 at the start
	seq    uint64
}

func newListElems(n int, intN func(n int, label string) int) listElems {
	elems := make(listElems, n)
	for i := range elems {
		e := &elems[i]
		e.parent = intN(i+1, "parent") - 1
		e.seq = uint64(intN(3, "seq"))
		if e.parent >= 0 {
			e.seq += elems[e.parent].seq + 1
		}
	}
	return elems
}

// list inserts all, by index, each after the one it follows, and returns the
// list's values.
func (elems listElems) list(t rapid.TB, order []int) []int {
	t.Helper()
	l := crdt.NewList(cmp.Compare[int])
	here := map[int]crdt.Elem{-1: 0}
	var insert func(i int)
	insert = func(i int) {
		if _, ok := here[i]; ok {
			return
		}
		insert(elems[i].parent)
		e, err := l.Insert(here[elems[i].parent], elems[i].seq, i)
		if err != nil {
			t.Fatal(err)
		}
		here[i] = e
	}
	for _, i := range order {
		insert(i)
	}
	if err := l.Check(); err != nil {
		t.Fatal(err)
	}
	values := make([]int, 0, len(elems))
	for _, v := range l.All() {
		values = append(values, v)
	}
	return values
}

// TestListOrderOfInsertion: the same elements give the same list in any order
// that has each after the one it follows.
func TestListOrderOfInsertion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		elems := newListElems(rapid.IntRange(0, 40).Draw(t, "elements"), func(n int, label string) int {
			return rapid.IntRange(0, n-1).Draw(t, label)
		})
		order := ascending(len(elems))
		other := rapid.Permutation(order).Draw(t, "order")
		if diff := gocmp.Diff(elems.list(t, order), elems.list(t, other)); diff != "" {
			t.Fatalf("another order (-first +other):\n%s", diff)
		}
	})
}

// TestListOrderOfInsertionBig is the same with several levels of nodes.
func TestListOrderOfInsertionBig(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	elems := newListElems(10_000, func(n int, _ string) int { return rng.IntN(n) })
	want := elems.list(t, ascending(len(elems)))
	for range 3 {
		if diff := gocmp.Diff(want, elems.list(t, rng.Perm(len(elems)))); diff != "" {
			t.Fatalf("another order (-first +other):\n%s", diff)
		}
	}
}

// ascending returns the numbers from 0 to n-1.
func ascending(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}
