package crdt

import (
	"cmp"
	"iter"
	"strings"
)

// The list of stories. Every place edit makes an element of its own, which
// stays for ever, since others may be put behind it; a story stands at the
// element of its winning place edit, so that a move cannot make it two
// (Kleppmann 2020, "Moving elements in list CRDTs"). A story that no op has
// placed stands at an element that all replicas know without being told: its
// seq is 0, which puts it behind all others.
//
// A place edit counts once the element it names is in the list. Until then,
// and for ever if it names what is none, or one whose seq is not below its
// own, the story stands where its other edits put it. That depends on the set
// of ops alone, not on their order.

// element is what the list holds.
type element struct {
	story *DocStory
	by    Stamp // of the place edit's op; zero: the story's own element
}

// spot is a story's part in the list.
type spot struct {
	own   Elem // the story's own element; 0: nobody needed it yet
	shown Elem // where the story stands
	live  bool // shown is: the story is not deleted
}

// waitingPlace is a place edit whose anchor is not in the list.
type waitingPlace struct {
	story *DocStory
	by    opRef
}

// compareElements orders elements of one seq, of which the greater stands
// first: greater author, then greater op ID; own elements by story ID.
func compareElements(a, b element) int {
	if a.by == (Stamp{}) || b.by == (Stamp{}) {
		return CompareStoryIDs(b.story.id, a.story.id)
	}
	return cmp.Or(a.by.Author.Compare(b.by.Author), a.by.Op.Compare(b.by.Op))
}

// place merges a place edit of the op by, and with it those that waited for
// it: a loop, since they may be a long chain.
func (d *Doc) place(s *DocStory, by opRef, after Anchor) {
	at, ok := d.find(after)
	if !ok {
		d.waiting[after.Op] = append(d.waiting[after.Op], waitingPlace{s, by})
		return
	}
	if !d.attach(s, by, at) {
		return
	}
	for attached := []opRef{by}; len(attached) > 0; {
		ref := attached[len(attached)-1]
		attached = attached[:len(attached)-1]
		id := d.ops.id(ref)
		released := d.waiting[id]
		delete(d.waiting, id)
		for _, w := range released {
			if d.attach(w.story, w.by, d.ops.infos[ref].elem) {
				attached = append(attached, w.by)
			}
		}
	}
}

// find returns the element that the anchor names.
func (d *Doc) find(a Anchor) (Elem, bool) {
	switch {
	case a.Story != "":
		return d.ownElem(d.named(a.Story)), true
	case a.Op.IsZero():
		return 0, true // the start
	}
	e := d.ops.infos[d.ops.find(&a.Op)].elem
	return e, e != 0
}

// named returns the story that an anchor names, a ghost if no applied op is
// about it.
func (d *Doc) named(id string) *DocStory {
	if s, ok := d.stories[id]; ok {
		return s
	}
	s := d.ghost(id)
	d.ghosts[s.id] = s
	return s
}

// attach puts the element of a place edit into the list, unless its seq is not
// above that of what it follows, and moves the story to it if it wins.
func (d *Doc) attach(s *DocStory, by opRef, after Elem) bool {
	stamp := d.ops.stamp(by)
	e, err := d.list.Insert(after, stamp.Seq, element{s, stamp})
	if err != nil {
		return false
	}
	d.ops.infos[by].elem = e
	if s.Placed(stamp) {
		d.settle(s)
	} else {
		_ = d.list.Delete(e)
	}
	return true
}

// ownElem returns the story's own element.
func (d *Doc) ownElem(s *DocStory) Elem {
	if s.spot.own == 0 {
		s.spot.own, _ = d.list.Insert(0, 0, element{story: s}) // the start takes any seq
		_ = d.list.Delete(s.spot.own)
	}
	return s.spot.own
}

// settle makes the story stand where it should, and only there.
func (d *Doc) settle(s *DocStory) {
	var want Elem
	switch {
	case s.placed != (Stamp{}):
		want = d.ops.infos[d.ops.find(&s.placed.Op)].elem
	case s.Known():
		want = d.ownElem(s)
	default:
		return // named by an anchor; no op is about it
	}
	live := !s.Deleted()
	if s.spot.shown == want && s.spot.live == live {
		return
	}
	if s.spot.shown != 0 {
		_ = d.list.Delete(s.spot.shown)
	}
	if live {
		_ = d.list.Restore(want)
	} else {
		_ = d.list.Delete(want)
	}
	s.spot.shown, s.spot.live = want, live
}

// Element is an element of the list of stories.
type Element struct {
	Story string
	// By is the place edit's op; zero: the story's own element.
	By Stamp
	// Anchor is the op whose element it waits for; zero: it is in the list.
	Anchor OpID
	// Shown: a story that is not deleted stands here.
	Shown bool
}

// Elements yields all elements of the list in its order, dead ones too, then those
// that wait for others, in no particular order.
func (d *Doc) Elements() iter.Seq[Element] {
	return func(yield func(Element) bool) {
		for e, el := range d.list.Every() {
			if !yield(Element{Story: el.story.id, By: el.by, Shown: d.list.Live(e)}) {
				return
			}
		}
		for anchor, places := range d.waiting {
			for _, w := range places {
				if !yield(Element{Story: w.story.id, By: d.ops.stamp(w.by), Anchor: anchor}) {
					return
				}
			}
		}
	}
}

// Placed yields the stories that are not deleted, in the order of their
// places.
func (d *Doc) Placed() iter.Seq[*DocStory] { return d.placedAfter(0) }

// PlacedAfter yields the stories that are not deleted and stand behind the
// place that a names, whether or not a story still stands there; nothing, and
// false, if there is no such place.
func (d *Doc) PlacedAfter(a Anchor) (iter.Seq[*DocStory], bool) {
	known := a.Story == "" || d.Story(a.Story) != nil
	if known {
		if e, ok := d.find(a); ok {
			return d.placedAfter(e), true
		}
	}
	return func(func(*DocStory) bool) {}, false
}

func (d *Doc) placedAfter(e Elem) iter.Seq[*DocStory] {
	return func(yield func(*DocStory) bool) {
		for _, el := range d.list.After(e) {
			if !yield(el.story) {
				return
			}
		}
	}
}

// LastPlace returns the place behind which nothing stands but deleted stories.
func (d *Doc) LastPlace() Anchor {
	if n := d.list.Len(); n > 0 {
		return d.PlacedAt(n - 1).Anchor()
	}
	return Anchor{}
}

// PlacedLen returns the number of stories that are not deleted.
func (d *Doc) PlacedLen() int { return d.list.Len() }

// PlacedAt returns the story at position i, from 0, among those that are not
// deleted; nil if there are not so many.
func (d *Doc) PlacedAt(i int) *DocStory {
	e, ok := d.list.At(i)
	if !ok {
		return nil
	}
	return d.list.Value(e).story
}

// Position returns how many stories that are not deleted stand before s.
func (d *Doc) Position(s *DocStory) int {
	n, _ := d.list.Position(s.spot.shown) // a story stands somewhere
	return n
}

// CompareStoryIDs orders story IDs as people count: those that begin with
// digits first, by their number, then all by their bytes.
func CompareStoryIDs(a, b string) int {
	na, nb := leadingDigits(a), leadingDigits(b)
	if (na == "") != (nb == "") {
		if na == "" {
			return 1
		}
		return -1
	}
	na, nb = strings.TrimLeft(na, "0"), strings.TrimLeft(nb, "0")
	return cmp.Or(cmp.Compare(len(na), len(nb)), strings.Compare(na, nb), strings.Compare(a, b))
}

func leadingDigits(s string) string {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n]
}

// StorySortKey returns bytes that compare as CompareStoryIDs compares the IDs.
func StorySortKey(id string) []byte {
	digits := leadingDigits(id)
	if digits == "" {
		return append([]byte{1}, id...)
	}
	digits = strings.TrimLeft(digits, "0")
	return append(append([]byte{0, byte(len(digits))}, digits...), id...)
}
