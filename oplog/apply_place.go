package oplog

import (
	"bytes"
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// The list of stories in a table. crdt.List says what the list is, and why a new
// element goes before the first element right of its anchor that is smaller. Here each
// element has a label, and the order of the labels is the order of the list.

// element is an element of the list.
type element struct {
	n      int64
	label  int64
	seq    uint64
	by     crdt.Stamp // zero: a story's own element
	ownKey []byte
}

// listStart stands before all elements.
var listStart = element{label: math.MinInt64}

// compareElements orders elements of one seq, of which the greater stands first.
func compareElements(a, b *element) int {
	if a.ownKey != nil || b.ownKey != nil {
		return bytes.Compare(b.ownKey, a.ownKey)
	}
	return cmp.Or(a.by.Author.Compare(b.by.Author), a.by.Op.Compare(b.by.Op))
}

// smaller reports whether a stands after b if both follow the same element.
func (a *element) smaller(b *element) bool {
	if a.seq != b.seq {
		return a.seq < b.seq
	}
	return compareElements(a, b) < 0
}

// place merges a place edit, and with it those that waited for it: a loop, since they
// may be a long chain.
func (w *stateWriter) place(s *openStory, op *crdt.Op, after crdt.Anchor) error {
	x := &element{seq: op.Seq, by: op.Stamp()}
	anchor, err := w.findAnchor(after)
	if err != nil {
		return err
	}
	row := db.AddPlaceParams{Story: s.n, OpID: op.ID[:], Seq: int64(op.Seq), Author: op.Author[:]}
	switch {
	case anchor == nil: // it waits
		row.Anchor = after.Op[:]
		_, err := w.q.AddPlace(w.ctx, row)
		return err
	case anchor.label != math.MinInt64 && x.seq <= anchor.seq:
		return nil // it can never be in the list
	}
	if err := w.label(x, anchor); err != nil {
		return err
	}
	row.Label = sql.NullInt64{Int64: x.label, Valid: true}
	if x.n, err = w.q.AddPlace(w.ctx, row); err != nil {
		return err
	}
	w.order.enter(x)
	if s.Placed(x.by) {
		s.place = x.n
	}
	return w.placeWaiting(x)
}

// placeWaiting puts those into the list that waited for x, and those that waited for
// them.
func (w *stateWriter) placeWaiting(x *element) error {
	for placed := []*element{x}; len(placed) > 0; {
		anchor := placed[len(placed)-1]
		placed = placed[:len(placed)-1]
		waiting, err := w.q.PlacesWaitingFor(w.ctx, anchor.by.Op[:])
		if err != nil {
			return err
		}
		for _, row := range waiting {
			e := &element{n: row.N, seq: uint64(row.Seq), by: stampOf(row.Seq, row.Author, row.OpID)}
			if e.seq <= anchor.seq {
				if err := w.q.DropPlace(w.ctx, row.N); err != nil {
					return err
				}
				continue
			}
			if err := w.placeOne(e, anchor, row.Story); err != nil {
				return err
			}
			placed = append(placed, e)
		}
	}
	return nil
}

// placeOne puts an element that waited behind its anchor.
func (w *stateWriter) placeOne(e, anchor *element, story int64) error {
	if w.order == nil { // an insertion before may have moved it
		label, err := w.q.PlaceLabel(w.ctx, anchor.n)
		if err != nil {
			return err
		}
		anchor.label = label.Int64
	}
	if err := w.label(e, anchor); err != nil {
		return err
	}
	if err := w.q.LabelPlace(w.ctx, db.LabelPlaceParams{Label: sql.NullInt64{Int64: e.label, Valid: true}, N: e.n}); err != nil {
		return err
	}
	w.order.enter(e)
	s, err := w.storyByN(story)
	if err == nil && s.Placed(e.by) {
		s.place = e.n
	}
	return err
}

// findAnchor returns the element that an anchor names, nil if it is not in the list.
func (w *stateWriter) findAnchor(a crdt.Anchor) (*element, error) {
	switch {
	case a.Story != "":
		s, err := w.story(a.Story)
		if err != nil {
			return nil, err
		}
		return w.ownPlace(s)
	case a.Op.IsZero():
		return &listStart, nil
	}
	row, err := w.q.PlaceByOp(w.ctx, a.Op[:])
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &element{n: row.N, label: row.Label.Int64, seq: uint64(row.Seq)}, err
}

// ownPlace returns a story's own element, which it makes if nobody needed it before.
func (w *stateWriter) ownPlace(s *openStory) (*element, error) {
	e := &element{ownKey: crdt.StorySortKey(s.ID())}
	row, err := w.q.OwnPlace(w.ctx, e.ownKey)
	if err == nil {
		e.n, e.label = row.N, row.Label.Int64
		return e, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	if err := w.label(e, &listStart); err != nil {
		return nil, err
	}
	e.n, err = w.q.AddPlace(w.ctx, db.AddPlaceParams{
		Story: s.n, Author: []byte{}, OwnKey: e.ownKey, Label: sql.NullInt64{Int64: e.label, Valid: true},
	})
	w.order.enter(e)
	return e, err
}

// label finds where a new element goes that follows anchor, and gives it its label.
func (w *stateWriter) label(x, anchor *element) error {
	left, right, err := w.gap(x, anchor)
	if err != nil {
		return err
	}
	for range 2 {
		if label, ok := between(left, right); ok {
			x.label = label
			return nil
		}
		if err := w.respread(left, right); err != nil {
			return err
		}
	}
	return fmt.Errorf("no label is left between %d and %d: %w", left.label, right.label, ErrState)
}

// maxWalk is how many elements a search for a place looks at one by one. Beyond that
// the order is loaded into memory, once for the transaction.
const maxWalk = 1000

// gap returns the elements between which x goes that follows anchor: the start if
// there is none to the left, nil if there is none to the right.
func (w *stateWriter) gap(x, anchor *element) (left, right *element, err error) {
	if w.order != nil {
		return w.order.gap(x, anchor)
	}
	if x.ownKey != nil {
		return w.ownGap(x)
	}
	left = anchor
	for limit, walked := int64(4), 0; ; limit = 256 {
		rows, err := w.q.PlacesAfter(w.ctx, db.PlacesAfterParams{Label: sql.NullInt64{Int64: left.label, Valid: true}, Limit: limit})
		if err != nil {
			return nil, nil, err
		}
		for i := range rows {
			e := elementOf(&rows[i])
			if e.smaller(x) {
				return left, e, nil
			}
			left = e
		}
		if walked += len(rows); len(rows) < int(limit) {
			return left, nil, nil
		}
		if walked >= maxWalk {
			if err := w.loadOrder(); err != nil {
				return nil, nil, err
			}
			return w.order.gap(x, anchor)
		}
	}
}

func elementOf(row *db.PlacesAfterRow) *element {
	e := &element{n: row.N, label: row.Label.Int64, seq: uint64(row.Seq)}
	if row.OpID != nil {
		e.by = stampOf(row.Seq, row.Author, row.OpID)
	} else {
		e.ownKey = row.OwnKey
	}
	return e
}

// ownGap is gap for a story's own element: it goes before the own element with the
// next greater key.
func (w *stateWriter) ownGap(x *element) (left, right *element, err error) {
	next, err := w.q.NextOwnPlace(w.ctx, x.ownKey)
	before := sql.NullInt64{Int64: math.MaxInt64, Valid: true}
	switch {
	case err == nil:
		right = &element{n: next.N, label: next.Label.Int64}
		before = next.Label
	case !errors.Is(err, sql.ErrNoRows):
		return nil, nil, err
	}
	last, err := w.q.PlaceBefore(w.ctx, before)
	if errors.Is(err, sql.ErrNoRows) {
		return &listStart, right, nil
	}
	return &element{n: last.N, label: last.Label.Int64}, right, err
}

const (
	// labelStep is how far from its neighbour an element goes at either end.
	labelStep = 1 << 32
	// maxLabel bounds labels on both sides of 0.
	maxLabel = 1 << 62
)

// between returns a label between those of two neighbours, and false if there is
// none.
func between(left, right *element) (label int64, ok bool) {
	switch {
	case left.label == math.MinInt64 && right == nil:
		return 0, true
	case right == nil:
		label = left.label + labelStep
		return label, label < maxLabel
	case left.label == math.MinInt64:
		label = right.label - labelStep
		return label, label > -maxLabel
	}
	label = left.label + (right.label-left.label)/2
	return label, label > left.label
}

// respread spreads labels evenly over the smallest range around a gap that is sparse
// enough: the greater the range, the sparser it must be (Bender, Cole, Demaine,
// Farach-Colton and Zito 2002, "Two simplified algorithms for maintaining order in a
// list"). So few elements are labelled anew, counted over many insertions.
func (w *stateWriter) respread(left, right *element) error {
	around := left
	if left.label == math.MinInt64 {
		around = right
	}
	most := 1.0
	for bits := 1; bits <= 63; bits++ {
		most *= 4.0 / 3
		size := uint64(1) << bits
		low := (uint64(around.label) + maxLabel) &^ (size - 1) // from 0
		from, to := int64(low-maxLabel), int64(low-maxLabel+size-1)
		count, err := w.q.CountLabels(w.ctx, db.CountLabelsParams{
			FromLabel: sql.NullInt64{Int64: from, Valid: true}, ToLabel: sql.NullInt64{Int64: to, Valid: true},
		})
		if err != nil {
			return err
		}
		step := size / uint64(count+1)
		if float64(count) <= most && step >= 4 {
			return w.relabel(from, to, int64(step), left, right)
		}
	}
	return fmt.Errorf("the list has no room for more labels: %w", ErrState)
}

func (w *stateWriter) relabel(from, to, step int64, neighbours ...*element) error {
	rows, err := w.q.LabelsBetween(w.ctx, db.LabelsBetweenParams{
		FromLabel: sql.NullInt64{Int64: from, Valid: true}, ToLabel: sql.NullInt64{Int64: to, Valid: true},
	})
	if err != nil {
		return err
	}
	for i, n := range rows {
		label := from + step/2 + int64(i)*step
		if err := w.q.LabelPlace(w.ctx, db.LabelPlaceParams{Label: sql.NullInt64{Int64: label, Valid: true}, N: n}); err != nil {
			return err
		}
		w.order.relabel(n, label)
		for _, e := range neighbours {
			if e != nil && e.n == n && e != &listStart {
				e.label = label
			}
		}
	}
	return nil
}
