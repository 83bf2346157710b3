package crdt

import (
	"errors"
	"fmt"
)

// Check proves what must always hold inside the document and returns what does
// not. It is for tests and for examining a running server; it takes time
// proportional to the document.
func (d *Doc) Check() error {
	errs := []error{d.ops.check(), d.list.Check(), d.checkPlaces(), d.pending.check(d)}
	for id, s := range d.stories {
		if s.id != id || !s.Known() {
			errs = append(errs, fmt.Errorf("story %q is filed under %q, its last op is %s", s.id, id, s.last.Op.Short()))
			continue
		}
		errs = append(errs, s.check())
	}
	return errors.Join(errs...)
}

// check proves that the table's parts agree.
func (t *table) check() error {
	var errs []error
	for i := range t.infos[1:] {
		if ref, found := opRef(i+1), t.byID[t.infos[i+1].id]; found != ref {
			errs = append(errs, fmt.Errorf("op %s is at %d, and found at %d", t.id(ref).Short(), ref, found))
		}
	}
	if filed := len(t.byID); filed != len(t.infos)-1 {
		errs = append(errs, fmt.Errorf("%d ops are filed, %d are there", filed, len(t.infos)-1))
	}
	heads, counts := 0, [len(t.counts)]int{}
	for ref := range t.infos {
		info := &t.infos[ref]
		if ref > 0 {
			counts[info.kind]++
		}
		head := ref > 0 && !info.named && info.kind != opHeld
		if head {
			heads++
		}
		if head != (info.head > 0) || head && t.heads[info.head-1] != opRef(ref) {
			errs = append(errs, fmt.Errorf("op %s: head %t, entered as head %d", info.id.Short(), head, info.head))
		}
	}
	if heads != len(t.heads) {
		errs = append(errs, fmt.Errorf("%d heads, %d entered", heads, len(t.heads)))
	}
	if counts != t.counts {
		errs = append(errs, fmt.Errorf("%v ops by kind, %v counted", counts, t.counts))
	}
	return errors.Join(errs...)
}

// checkPlaces proves that every story stands at one element, and that it is
// the one of its winning place.
func (d *Doc) checkPlaces() error {
	var errs []error
	live := 0
	for id, s := range d.stories {
		want := s.spot.own
		if s.placed != (Stamp{}) {
			want = d.ops.infos[d.ops.find(&s.placed.Op)].elem
		}
		switch {
		case want == 0 || s.spot.shown != want || d.list.Value(want).story != s || d.list.Value(want).by != s.placed:
			errs = append(errs, fmt.Errorf("story %s stands at element %d, want %d", id, s.spot.shown, want))
		case d.list.Live(want) == s.Deleted() || s.spot.live == s.Deleted():
			errs = append(errs, fmt.Errorf("story %s: deleted %t, in the list %t", id, s.Deleted(), d.list.Live(want)))
		case !s.Deleted():
			live++
		}
	}
	if live != d.list.Len() {
		errs = append(errs, fmt.Errorf("%d stories have a place, the list shows %d", live, d.list.Len()))
	}
	for id, s := range d.ghosts {
		if s.id != id || s.Known() || d.stories[id] != nil {
			errs = append(errs, fmt.Errorf("story %s is a ghost, and an op is about it", id))
		}
	}
	for id := range d.waiting {
		if ref := d.ops.find(&id); d.ops.infos[ref].elem != 0 {
			errs = append(errs, fmt.Errorf("places wait for the element of op %s, which is in the list", id.Short()))
		}
	}
	return errors.Join(errs...)
}
