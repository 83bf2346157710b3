package crdt_test

import (
	"bytes"
	"cmp"
	"math/big"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// The order of stories in the model: a tree with an element for every place
// edit, built once all ops are known and read in pre-order.

type modelPlace struct {
	op    *crdt.Op
	after crdt.Anchor
}

// modelElem is an element: of a place edit, or a story's own one, or the root.
type modelElem struct {
	place    *crdt.Op // nil: the story's own
	story    string
	children []*modelElem
}

// order sets the stories' anchors and their order. The places come in the order
// of writes, so one comes after all that it may follow.
func (s *seen) order(places []modelPlace) {
	root := &modelElem{}
	own := map[string]*modelElem{}
	ownElem := func(story string) *modelElem {
		if own[story] == nil {
			own[story] = &modelElem{story: story}
			root.children = append(root.children, own[story])
		}
		return own[story]
	}
	for id, st := range s.Stories {
		ownElem(id)
		st.Anchor = crdt.Anchor{Story: id}
		s.Stories[id] = st
	}
	made := map[crdt.OpID]*modelElem{}
	for _, p := range places {
		after := root
		switch {
		case p.after.Story != "":
			after = ownElem(p.after.Story)
		case !p.after.Op.IsZero():
			after = made[p.after.Op]
		}
		if after == nil || after.place != nil && after.place.Seq >= p.op.Seq {
			continue
		}
		e := &modelElem{place: p.op, story: p.op.Story}
		after.children = append(after.children, e)
		made[p.op.ID] = e
		st := s.Stories[p.op.Story]
		st.Anchor = crdt.Anchor{Op: p.op.ID} // the last one wins
		s.Stories[p.op.Story] = st
	}
	root.walk(func(e *modelElem) {
		st, ok := s.Stories[e.story]
		if ok && !st.Deleted && st.Anchor == e.anchor() {
			s.Order = append(s.Order, e.story)
		}
	})
}

func (e *modelElem) anchor() crdt.Anchor {
	if e.place != nil {
		return crdt.Anchor{Op: e.place.ID}
	}
	return crdt.Anchor{Story: e.story}
}

// walk visits all below e in pre-order.
func (e *modelElem) walk(visit func(*modelElem)) {
	slices.SortFunc(e.children, func(a, b *modelElem) int {
		switch x, y := a.place, b.place; {
		case x == nil && y == nil:
			return modelCompareIDs(a.story, b.story)
		case x == nil:
			return 1
		case y == nil:
			return -1
		default:
			return cmp.Or(cmp.Compare(y.Seq, x.Seq), bytes.Compare(y.Author[:], x.Author[:]), bytes.Compare(y.ID[:], x.ID[:]))
		}
	})
	for _, c := range e.children {
		visit(c)
		c.walk(visit)
	}
}

// modelCompareIDs orders story IDs that begin with a number by it and before
// the others.
func modelCompareIDs(a, b string) int {
	x, numberedA := leadingNumber(a)
	y, numberedB := leadingNumber(b)
	switch {
	case numberedA && !numberedB:
		return -1
	case numberedB && !numberedA:
		return 1
	}
	return cmp.Or(x.Cmp(y), strings.Compare(a, b))
}

func leadingNumber(s string) (*big.Int, bool) {
	digits := s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
	n, _ := new(big.Int).SetString("0"+digits, 10)
	return n, digits != ""
}
