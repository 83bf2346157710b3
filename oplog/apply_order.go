package oplog

import (
	"github.com/huskies/huskies-mcp/crdt"
)

// order is the whole order of the list in memory, for a transaction that inserts
// where a walk over the table would be long. Its elements are all live. A nil order
// is none.
type order struct {
	list *crdt.List[*element]
	at   map[int64]crdt.Elem // by the element's n
	made crdt.Elem           // the element that gap inserted, whose n is not known yet
}

// loadOrder reads the order from the table.
func (w *stateWriter) loadOrder() error {
	rows, err := w.q.AllPlaces(w.ctx)
	if err != nil {
		return err
	}
	o := &order{list: crdt.NewList(compareElements), at: make(map[int64]crdt.Elem, len(rows))}
	for i := range rows {
		row := &rows[i]
		e := &element{n: row.N, label: row.Label.Int64, seq: uint64(row.Seq)}
		if row.OpID != nil {
			e.by = stampOf(row.Seq, row.Author, row.OpID)
		} else {
			e.ownKey = row.OwnKey
		}
		o.at[e.n] = o.list.Append(e.seq, e)
	}
	w.order = o
	return nil
}

// gap inserts x behind anchor and returns the elements next to it.
func (o *order) gap(x, anchor *element) (left, right *element, err error) {
	var after crdt.Elem
	if anchor != &listStart {
		after = o.at[anchor.n]
	}
	if o.made, err = o.list.Insert(after, x.seq, x); err != nil {
		return nil, nil, err
	}
	left = &listStart
	at, err := o.list.Position(o.made)
	if err != nil {
		return nil, nil, err
	}
	if e, ok := o.list.At(at - 1); ok {
		left = o.list.Value(e)
	}
	if e, ok := o.list.At(at + 1); ok {
		right = o.list.Value(e)
	}
	return left, right, nil
}

// enter says that the element which gap inserted has its number now.
func (o *order) enter(e *element) {
	if o != nil && o.made != 0 && o.list.Value(o.made) == e {
		o.at[e.n] = o.made
	}
}

// relabel gives an element another label.
func (o *order) relabel(n, label int64) {
	if o == nil {
		return
	}
	if e, ok := o.at[n]; ok {
		o.list.Value(e).label = label
	}
}
