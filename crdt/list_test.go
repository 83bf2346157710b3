package crdt_test

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestListBig grows a list to several levels of nodes, at all kinds of places.
func TestListBig(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	p := newListPair()
	for size := 0; size < 12_000; {
		after := crdt.Elem(rng.IntN(size + 1))
		seq := uint64(1 + rng.IntN(3))
		if after != 0 {
			seq += p.list.Seq(after)
		}
		run := 1 + rng.IntN(300)
		kind := rng.IntN(3)
		for range run {
			e := p.insert(t, after, seq)
			switch kind {
			case 0: // typed forwards
				after, seq = e, seq+1
			case 1: // typed backwards
				seq++
			}
			if rng.IntN(3) == 0 {
				p.setLive(t, 1+crdt.Elem(rng.IntN(int(e))), rng.IntN(3) == 0)
			}
		}
		if size/4000 != (size+run)/4000 {
			p.check(t)
		}
		size += run
	}
	p.check(t)
}

// TestListManySiblings: however 100,000 elements at one place come in, they
// stand by descending seq, and three of one seq by descending value.
func TestListManySiblings(t *testing.T) {
	const n = 100_000
	decreasing := ascending(n)
	slices.Reverse(decreasing)
	for _, tc := range []struct {
		name  string
		order []int
	}{
		{"increasing", ascending(n)},
		{"decreasing", decreasing},
		{"random", rand.New(rand.NewPCG(1, 2)).Perm(n)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := crdt.NewList(cmp.Compare[int])
			for _, v := range tc.order {
				if _, err := l.Insert(0, uint64(v/3), v); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Check(); err != nil {
				t.Fatal(err)
			}
			want := n
			for e, v := range l.All() {
				if want--; v != want || l.Seq(e) != uint64(v/3) {
					t.Fatalf("got %d of seq %d, want %d", v, l.Seq(e), want)
				}
			}
			if want != 0 {
				t.Fatalf("%d elements are missing", want)
			}
		})
	}
}

// TestC34_NoSuchElement: what names no element is refused and changes nothing.
func TestC34_NoSuchElement(t *testing.T) {
	l := crdt.NewList(cmp.Compare[rune])
	typeRunes(t, l, "ab")
	for _, e := range []crdt.Elem{-1, 3, math.MinInt32, math.MaxInt32} {
		_, err := l.Insert(e, 9, 'x')
		wantError(t, err, crdt.ErrUnknownElem)
		wantError(t, l.Delete(e), crdt.ErrUnknownElem)
		wantError(t, l.Restore(e), crdt.ErrUnknownElem)
		_, err = l.Position(e)
		wantError(t, err, crdt.ErrUnknownElem)
		if l.Live(e) || l.Seq(e) != 0 || l.Value(e) != 0 {
			t.Errorf("element %d: got live %t, seq %d, value %q, want none of it", e, l.Live(e), l.Seq(e), l.Value(e))
		}
		if prev, ok := l.Prev(e); ok {
			t.Errorf("before %d: got %d, want none", e, prev)
		}
		for after := range l.After(e) {
			t.Errorf("after %d: got %d, want none", e, after)
		}
		for _, known := range []crdt.Elem{0, 1, 2} {
			if l.Compare(e, known) <= 0 || l.Compare(known, e) >= 0 {
				t.Errorf("compare %d with %d: got %d and %d, want it behind", e, known, l.Compare(e, known), l.Compare(known, e))
			}
		}
		if got := l.Compare(e, 77); got != 0 {
			t.Errorf("compare %d with 77: got %d, want 0", e, got)
		}
	}
	for _, i := range []int{-1, 2, math.MinInt, math.MaxInt} {
		if e, ok := l.At(i); ok || e != 0 {
			t.Errorf("at %d: got %d, %t, want none", i, e, ok)
		}
	}
	wantRunes(t, l, "ab")
}

// TestC34_Start: the start can be followed and asked about, and is no element.
func TestC34_Start(t *testing.T) {
	for _, text := range []string{"", "ab"} {
		l := crdt.NewList(cmp.Compare[rune])
		typeRunes(t, l, text)
		wantError(t, l.Delete(0), crdt.ErrUnknownElem)
		wantError(t, l.Restore(0), crdt.ErrUnknownElem)
		if l.Live(0) || l.Seq(0) != 0 || l.Value(0) != 0 || l.Compare(0, 0) != 0 {
			t.Errorf("start: got live %t, seq %d, value %q", l.Live(0), l.Seq(0), l.Value(0))
		}
		if i, err := l.Position(0); i != 0 || err != nil {
			t.Errorf("position of the start: got %d, %v, want 0", i, err)
		}
		if prev, ok := l.Prev(0); ok {
			t.Errorf("before the start: got %d, want none", prev)
		}
		if e, ok := l.At(0); ok != (text != "") || ok && (l.Compare(0, e) >= 0 || l.Compare(e, 0) <= 0) {
			t.Errorf("first of %q: got %d, %t, before the start %t", text, e, ok, l.Compare(0, e) >= 0)
		}
		wantRunes(t, l, text)
		if _, err := l.Insert(0, 9, 'x'); err != nil {
			t.Fatal(err)
		}
		wantRunes(t, l, "x"+text)
		if _, err := l.Insert(0, 0, 'z'); err != nil {
			t.Fatal(err)
		}
		wantRunes(t, l, "x"+text+"z")
	}
}

// TestC34_Seq: an element is later than the one it follows.
func TestC34_Seq(t *testing.T) {
	l := crdt.NewList(cmp.Compare[rune])
	first, err := l.Insert(0, 0, 'a') // any seq may stand at the start
	if err != nil {
		t.Fatal(err)
	}
	second, err := l.Insert(first, 5, 'b')
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		after crdt.Elem
		seq   uint64
	}{{first, 0}, {second, 0}, {second, 4}, {second, 5}} {
		_, err := l.Insert(tc.after, tc.seq, 'x')
		wantError(t, err, crdt.ErrSeq)
	}
	last, err := l.Insert(second, math.MaxUint64, 'c')
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Insert(last, math.MaxUint64, 'x')
	wantError(t, err, crdt.ErrSeq)
	wantRunes(t, l, "abc")
}

// TestC34_Deleted: a dead element keeps its place, can be followed, is deleted
// again without harm, and comes back where it was.
func TestC34_Deleted(t *testing.T) {
	l := crdt.NewList(cmp.Compare[rune])
	elems := typeRunes(t, l, "abc")
	b := elems[1]
	for range 2 {
		if err := l.Delete(b); err != nil {
			t.Fatal(err)
		}
		wantRunes(t, l, "ac")
	}
	if l.Live(b) || l.Value(b) != 'b' || l.Seq(b) != 2 {
		t.Errorf("dead b: got live %t, %q, seq %d", l.Live(b), l.Value(b), l.Seq(b))
	}
	if i, err := l.Position(b); i != 1 || err != nil {
		t.Errorf("position of dead b: got %d, %v, want 1", i, err)
	}
	if prev, ok := l.Prev(elems[2]); !ok || prev != elems[0] {
		t.Errorf("before c: got %d, %t, want a", prev, ok)
	}
	if l.Compare(elems[0], b) >= 0 || l.Compare(b, elems[2]) >= 0 {
		t.Error("dead b does not stand between a and c")
	}
	if _, err := l.Insert(b, 9, 'x'); err != nil {
		t.Fatal(err)
	}
	wantRunes(t, l, "axc")
	for range 2 {
		if err := l.Restore(b); err != nil {
			t.Fatal(err)
		}
		wantRunes(t, l, "abxc")
	}
	for range l.All() {
		break // a range may end early
	}
}

// TestEditingTrace: the keystrokes of a whole paper give the paper.
func TestEditingTrace(t *testing.T) {
	trace, err := editingTrace()
	if err != nil {
		t.Fatal(err)
	}
	if len(trace.Edits) != 259_778 {
		t.Fatalf("got %d edits, want 259778", len(trace.Edits))
	}
	l, err := trace.apply()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Check(); err != nil {
		t.Fatal(err)
	}
	wantRunes(t, l, trace.FinalText)
}

// trace is testdata/editing-trace.json.gz.
type trace struct {
	FinalText string
	Edits     []traceEdit
}

// traceEdit deletes the character at a position or inserts one there.
type traceEdit struct {
	position int
	char     rune // 0 deletes
}

func (e *traceEdit) UnmarshalJSON(b []byte) error {
	var deleted int
	var char string
	if err := json.Unmarshal(b, &[]any{&e.position, &deleted, &char}); err != nil {
		return err
	}
	for _, r := range char {
		e.char = r
	}
	if (e.char == 0) != (deleted == 1) {
		return errors.New("neither one insert nor one delete")
	}
	return nil
}

var editingTrace = sync.OnceValues(func() (*trace, error) {
	f, err := os.Open(filepath.Join("testdata", "editing-trace.json.gz"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var t trace
	return &t, json.NewDecoder(z).Decode(&t)
})

// apply does all edits on a new list, by position, as an editor would.
func (t *trace) apply() (*crdt.List[rune], error) {
	l := crdt.NewList(cmp.Compare[rune])
	for i, edit := range t.Edits {
		if edit.char == 0 {
			e, _ := l.At(edit.position)
			if err := l.Delete(e); err != nil {
				return nil, err
			}
			continue
		}
		before, _ := l.At(edit.position - 1) // the start, if there is none
		if _, err := l.Insert(before, uint64(i)+1, edit.char); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// typeRunes inserts a text at the start, each rune after the one before it,
// with seqs from 1.
func typeRunes(t *testing.T, l *crdt.List[rune], text string) (elems []crdt.Elem) {
	t.Helper()
	var last crdt.Elem
	for i, r := range text {
		e, err := l.Insert(last, uint64(i)+1, r)
		if err != nil {
			t.Fatal(err)
		}
		elems, last = append(elems, e), e
	}
	return elems
}

func wantRunes(t testing.TB, l *crdt.List[rune], want string) {
	t.Helper()
	if diff := gocmp.Diff(want, runesOf(l)); diff != "" {
		t.Fatalf("list (-want +got):\n%s", diff)
	}
}

func runesOf(l *crdt.List[rune]) string {
	runes := make([]rune, 0, l.Len())
	for _, r := range l.All() {
		runes = append(runes, r)
	}
	return string(runes)
}

// TestAppend shows that a list which is loaded in its order is the list, also for
// what is inserted afterwards.
func TestAppend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, loaded := crdt.NewList(cmp.Compare[int]), crdt.NewList(cmp.Compare[int])
		elems := []crdt.Elem{0}
		insert := func(l *crdt.List[int], after crdt.Elem, seq uint64, v int) crdt.Elem {
			e, err := l.Insert(after, seq, v)
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		for v := range rapid.IntRange(0, 200).Draw(t, "elements") {
			after := rapid.SampledFrom(elems).Draw(t, "after")
			elems = append(elems, insert(l, after, l.Seq(after)+uint64(rapid.IntRange(1, 3).Draw(t, "seq")), v))
			if rapid.IntRange(0, 3).Draw(t, "dead") == 0 {
				_ = l.Delete(elems[len(elems)-1])
			}
		}
		in := map[int]crdt.Elem{}
		for e, v := range l.Every() {
			in[v] = loaded.Append(l.Seq(e), v)
			if !l.Live(e) {
				_ = loaded.Delete(in[v])
			}
		}
		for v := range 20 {
			after, seq := rapid.SampledFrom(elems).Draw(t, "after"), uint64(100+v)
			insert(l, after, seq, 1000+v)
			to := crdt.Elem(0)
			if after != 0 {
				to = in[l.Value(after)]
			}
			insert(loaded, to, seq, 1000+v)
		}
		var got, want []int
		for _, v := range l.All() {
			want = append(want, v)
		}
		for _, v := range loaded.All() {
			got = append(got, v)
		}
		if !slices.Equal(got, want) || loaded.Check() != nil {
			t.Fatalf("got %v, want %v, check %v", got, want, loaded.Check())
		}
	})
}
