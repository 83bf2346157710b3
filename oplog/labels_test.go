package oplog

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// listCase makes many elements of the list at one place.
type listCase struct {
	name string
	// edit returns what the next op does to its story. Before are the ops made so far.
	edit func(before []crdt.OpID) crdt.Edit
	low  bool // each op has seq 1 and no parents
}

var listCases = []listCase{
	{"behind one story", func([]crdt.OpID) crdt.Edit { return crdt.Place(crdt.Anchor{Story: "0_story_first"}) }, false},
	{"behind one element", func(before []crdt.OpID) crdt.Edit {
		if len(before) == 0 {
			return crdt.Place(crdt.Anchor{})
		}
		return crdt.Place(crdt.Anchor{Op: before[0]})
	}, false},
	{"at the start", func([]crdt.OpID) crdt.Edit { return crdt.Place(crdt.Anchor{}) }, false},
	{"at the end", func(before []crdt.OpID) crdt.Edit {
		if len(before) == 0 {
			return crdt.Place(crdt.Anchor{})
		}
		return crdt.Place(crdt.Anchor{Op: before[len(before)-1]})
	}, false},
	{"at the start, with low seqs", func([]crdt.OpID) crdt.Edit { return crdt.Place(crdt.Anchor{}) }, true},
	{"at the start and elsewhere, with low seqs", func(before []crdt.OpID) crdt.Edit {
		switch n := len(before); n % 8 {
		case 5: // it gets an element of its own
			return crdt.Set("name", crdt.String("x"))
		case 6:
			return crdt.Place(crdt.Anchor{Story: fmt.Sprintf("%d_story_s", n/2)})
		case 7: // it can never be in the list, since its anchor has the same seq
			return crdt.Place(crdt.Anchor{Op: before[n/2]})
		}
		return crdt.Place(crdt.Anchor{})
	}, true},
	{"nowhere", func([]crdt.OpID) crdt.Edit { return crdt.Set("name", crdt.String("x")) }, false},
}

// fill writes n ops of the case, some hundred in a transaction, and returns their IDs.
func (c *listCase) fill(l *Log, n int) (ids []crdt.OpID, err error) {
	const together = 500
	release, err := NewLock(l.cfg.Path).Acquire(context.Background())
	if err != nil {
		return nil, err
	}
	defer release()
	for len(ids) < n {
		err := l.Write(context.Background(), func(tx *Tx) error {
			for range min(together, n-len(ids)) {
				id, err := c.one(tx, l.Key(), ids)
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return nil
		})
		if err != nil {
			return ids, err
		}
	}
	return ids, nil
}

func (c *listCase) one(tx *Tx, key ed25519.PrivateKey, before []crdt.OpID) (id crdt.OpID, err error) {
	op := &crdt.Op{Story: fmt.Sprintf("%d_story_s", len(before)+1), Seq: 1, Edits: []crdt.Edit{crdt.Set("stage", crdt.String("1_backlog")), c.edit(before)}}
	if !c.low {
		if op.Parents, op.Seq, err = tx.Next(); err != nil {
			return id, err
		}
	}
	signed, err := crdt.Sign(op, key)
	if err != nil {
		return id, err
	}
	_, kind, err := tx.Append(op, signed)
	if err == nil && kind != Applied {
		err = fmt.Errorf("op %d is %v, want applied", len(before), kind)
	}
	return signed.ID, err
}

// TestLabels shows that elements which all go to one place in the list stand there as the
// model has them, and that the labels say an order. Gaps are used up many times over, and
// a low seq leads a walk past more elements than are looked at one by one.
func TestLabels(t *testing.T) {
	t.Parallel()
	for _, c := range listCases {
		t.Run(c.name, func(t *testing.T) {
			n := 2*maxWalk + 200
			if c.name == "behind one story" && !testing.Short() {
				n = 10_000
			}
			l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
			if _, err := c.fill(l, n); err != nil {
				t.Fatal(err)
			}
			checkState(t, l)
			labelsInOrder(t, l)
			appendOps(t, l, "another story, after the order was in memory")
			checkState(t, l)
		})
	}
}

// TestLabelsOfManyTransactions is TestLabels where each op has a transaction of its own,
// and so walks over the table.
func TestLabelsOfManyTransactions(t *testing.T) {
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	var ids []crdt.OpID
	for i := range 300 {
		c := listCases[[]int{0, 1, 4, 2}[i%4]]
		check(t, write(l, func(tx *Tx) error {
			id, err := c.one(tx, l.Key(), ids)
			ids = append(ids, id)
			return err
		}))
	}
	checkState(t, l)
	labelsInOrder(t, l)
}

// labelsInOrder shows that no two elements have one label.
func labelsInOrder(t *testing.T, l *Log) {
	t.Helper()
	view(t, l, func(s *Snapshot) error {
		rows, err := s.q.AllPlaces(s.ctx)
		for i := range rows[:max(0, len(rows)-1)] {
			if rows[i].Label.Int64 >= rows[i+1].Label.Int64 {
				return fmt.Errorf("label %d stands before label %d", rows[i].Label.Int64, rows[i+1].Label.Int64)
			}
		}
		return err
	})
}

// TestRespread shows that a gap that is used up is widened, that the elements in question
// are few, and that none of them changes its place.
func TestRespread(t *testing.T) {
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	far := &listCases[3]
	if _, err := far.fill(l, 500); err != nil {
		t.Fatal(err)
	}
	labels := func() map[int64]int64 {
		all := make(map[int64]int64)
		view(t, l, func(s *Snapshot) error {
			rows, err := s.q.AllPlaces(s.ctx)
			for _, row := range rows {
				all[row.N] = row.Label.Int64
			}
			return err
		})
		return all
	}
	before := labels()
	anchor := readAll(t, l, 249)[0].ID
	behind := listCase{edit: func([]crdt.OpID) crdt.Edit { return crdt.Place(crdt.Anchor{Op: anchor}) }}
	check(t, write(l, func(tx *Tx) error {
		var ids []crdt.OpID
		for range 100 {
			id, err := behind.one(tx, l.Key(), append(make([]crdt.OpID, 1000), ids...))
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	}))
	checkState(t, l)
	labelsInOrder(t, l)
	moved := 0
	for n, label := range labels() {
		if was, old := before[n]; old && was != label {
			moved++
		}
	}
	if moved == 0 || moved > 20 {
		t.Errorf("%d of %d elements have another label, want some and few", moved, len(before))
	}
}
