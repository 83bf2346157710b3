package crdt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestT27_HostileAnchors: places behind ops that nobody has, that place nothing,
// that were refused, that the author cannot have seen, or that stand too high in
// seq do not count. The stories of others keep their order, in every order of
// arrival, and the hostile author's can still be placed by the next op.
func TestT27_HostileAnchors(t *testing.T) {
	a, _ := victim(t)
	a.write(t, "3_story_z", crdt.Place(a.doc.Story("2_story_y").Anchor()))
	plain := a.write(t, "3_story_z", crdt.Set("name", crdt.String("places nothing")))
	m := newReplica("m")
	first, second := a.ops()[0], a.ops()[1]
	refused := m.sign(t, &crdt.Op{Seq: 7, Story: "9_story_m", Edits: []crdt.Edit{crdt.Place(crdt.Anchor{})}})
	hostile := func(seq uint64, parents []crdt.OpID, after crdt.Anchor) *crdt.Op {
		return m.sign(t, &crdt.Op{Seq: seq, Parents: parents, Story: "9_story_m", Edits: []crdt.Edit{crdt.Place(after)}})
	}
	ops := []*crdt.Op{
		hostile(1, nil, crdt.Anchor{Op: crdt.OpID{1}}),
		hostile(1, nil, crdt.Anchor{Op: plain.ID}),
		hostile(1, nil, crdt.Anchor{Op: refused.ID}),
		hostile(1, nil, crdt.Anchor{Op: second.ID}),
		hostile(1, nil, crdt.Anchor{Op: first.ID}), // its seq is 1 too
		hostile(2, []crdt.OpID{first.ID}, crdt.Anchor{Op: second.ID}),
	}
	// Behind one that does not count, and behind itself by way of another.
	ops = append(ops, hostile(2, []crdt.OpID{ops[0].ID}, crdt.Anchor{Op: ops[0].ID}))
	ops = append(ops, refused)

	all := slices.Concat(a.ops(), ops)
	want := replay(t, all)
	if diff := cmp.Diff([]string{"1_story_x", "2_story_y", "3_story_z", "9_story_m"}, order(want)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(crdt.Anchor{Story: "9_story_m"}, want.Story("9_story_m").Anchor()); diff != "" {
		t.Errorf("anchor (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(modelOf(undamaged(all)), observe(want)); diff != "" {
		t.Errorf("document (-model +document):\n%s", diff)
	}
	for i := range all { // every op last, and first
		other := slices.Concat(all[i:], all[:i])
		sameText(t, "another order", text(want), replay(t, other))
		slices.Reverse(other)
		sameText(t, "another order, in reverse", text(want), replay(t, other))
	}
	good := hostile(5, []crdt.OpID{plain.ID}, crdt.Anchor{Op: first.ID})
	mustApply(t, want, good, crdt.Applied)
	if got := order(want); got[1] != "9_story_m" {
		t.Errorf("placed at last: order is %v", got)
	}
}

// TestT28_StoriesThatNeverCome: anchors name the elements of 10,000 stories that
// no op is about. They show nowhere, are no stories, and what was put behind
// them stands in the order of their IDs.
func TestT28_StoriesThatNeverCome(t *testing.T) {
	const n = 10_000
	d := crdt.NewDoc(testSchema)
	for i := range n {
		mustApply(t, d, made("m", i, crdt.Op{
			Seq: 1, Story: fmt.Sprint("m", i),
			Edits: []crdt.Edit{crdt.Place(crdt.Anchor{Story: fmt.Sprint(n-i, "_ghost")})},
		}), crdt.Applied)
	}
	mustCheck(t, d)
	if d.StoryCount() != n || d.PlacedLen() != n || d.Story("7_ghost") != nil {
		t.Errorf("%d stories, %d in order, a ghost is one: %t; want %d, %[4]d, false", d.StoryCount(), d.PlacedLen(), d.Story("7_ghost") != nil, n)
	}
	if _, ok := d.PlacedAfter(crdt.Anchor{Story: "7_ghost"}); ok {
		t.Error("the place of a story that is not there can be read from")
	}
	if got, want := d.PlacedAt(0).ID(), fmt.Sprint("m", n-1); got != want {
		t.Errorf("the first story is %s, want %s", got, want)
	}
	mustApply(t, d, made("a", 0, crdt.Op{Seq: 1, Story: "1_ghost"}), crdt.Applied)
	mustCheck(t, d)
	if got := order(d)[:2]; !slices.Equal(got, []string{"1_ghost", fmt.Sprint("m", n-1)}) {
		t.Errorf("once a ghost came the order begins with %v", got)
	}
}

// TestT29_PlacesThatWait: 100,000 places, each behind the one before, come in
// reverse. Their parents are here, so all are applied and wait in the list; the
// last to come puts all in order, without deep stack.
func TestT29_PlacesThatWait(t *testing.T) {
	const n = 100_000
	ops := chain("a", n, func(i int, before *crdt.Op) crdt.Op {
		op := crdt.Op{Story: fmt.Sprint(i%1000, "_story"), Edits: []crdt.Edit{crdt.Place(crdt.Anchor{})}}
		if before != nil {
			op.Edits[0].Base = before.ID
		}
		return op
	})
	d := crdt.NewDoc(testSchema)
	for _, op := range ops { // as if their rows were damaged: then no parent is missing
		d.AssumeApplied(op.ID, op.Seq)
	}
	for _, op := range slices.Backward(ops) {
		mustApply(t, d, op, crdt.Applied)
	}
	mustCheck(t, d)
	sameText(t, "in reverse", text(replay(t, ops)), d)
	if got, want := d.PlacedAt(999).ID(), ops[n-1].Story; d.PlacedLen() != 1000 || got != want {
		t.Errorf("%d stories are in order, the last is %s; want 1000, %s", d.PlacedLen(), got, want)
	}
}

// TestT29_PlacesThatWaitForOne: 20,000 places wait for one anchor, which comes
// late, twice over: those behind them wait too.
func TestT29_PlacesThatWaitForOne(t *testing.T) {
	const n = 20_000
	anchor := made("a", 0, crdt.Op{Seq: 1, Story: "0_anchor", Edits: []crdt.Edit{crdt.Place(crdt.Anchor{})}})
	before := made("a", 1, crdt.Op{Seq: 1, Story: "0_before"})
	d := crdt.NewDoc(testSchema)
	mustApply(t, d, before, crdt.Applied)
	ops := []*crdt.Op{anchor, before}
	for i := range n {
		after := crdt.Anchor{Op: anchor.ID}
		seq, parents := uint64(2), []crdt.OpID{before.ID}
		if i%2 == 1 {
			last := ops[len(ops)-1]
			after, seq, parents = crdt.Anchor{Op: last.ID}, 3, []crdt.OpID{last.ID}
		}
		op := made("m", i, crdt.Op{Seq: seq, Parents: parents, Story: fmt.Sprint(i, "_story"), Edits: []crdt.Edit{crdt.Place(after)}})
		mustApply(t, d, op, crdt.Applied)
		ops = append(ops, op)
	}
	mustApply(t, d, anchor, crdt.Applied)
	mustCheck(t, d)
	sameText(t, "the anchor first", text(replay(t, ops)), d)
	if got := d.PlacedAt(0).ID(); d.PlacedLen() != n+2 || got != "0_anchor" {
		t.Errorf("%d stories are in order, the first is %s; want %d, 0_anchor", d.PlacedLen(), got, n+2)
	}
}

// TestT30_NotesFlood: 20,000 notes on one story come in reverse. All are there,
// in the order of writes; looking at them again and again, with more to come in
// between, sorts what came and nothing else changes.
func TestT30_NotesFlood(t *testing.T) {
	const n = 20_000
	ops := chain("m", n, func(i int, _ *crdt.Op) crdt.Op {
		return crdt.Op{Edits: []crdt.Edit{crdt.Note(fmt.Sprint("note ", i))}}
	})
	d := crdt.NewDoc(testSchema)
	for _, op := range ops {
		d.AssumeApplied(op.ID, op.Seq)
	}
	for i, op := range slices.Backward(ops) {
		mustApply(t, d, op, crdt.Applied)
		if i%5000 == 0 {
			last := ""
			for note := range d.Story("1_story_x").Notes() {
				last = note.Text
			}
			if want := fmt.Sprint("note ", n-1); last != want {
				t.Fatalf("with %d notes the last is %q, want %q", d.Story("1_story_x").NoteCount(), last, want)
			}
		}
	}
	mustCheck(t, d)
	sameText(t, "in reverse", text(replay(t, ops)), d)
	if got := d.Story("1_story_x").NoteCount(); got != n {
		t.Errorf("got %d notes, want %d", got, n)
	}
}
