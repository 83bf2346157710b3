package crdt_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestC34_TheEdgesOfTheList: reading the order at its ends, beyond them, behind
// what is deleted, moved away, or unknown gives what is there or nothing.
func TestC34_TheEdgesOfTheList(t *testing.T) {
	a := newReplica("a")
	if a.doc.PlacedLen() != 0 || a.doc.PlacedAt(0) != nil || a.doc.PlacedAt(-1) != nil {
		t.Error("an empty document has a story in order")
	}
	behind := func(what string, anchor crdt.Anchor, want ...string) {
		t.Helper()
		stories, ok := a.doc.PlacedAfter(anchor)
		got := collect(stories)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("behind %s: is there %t (-want +got):\n%s", what, ok, diff)
		}
	}
	unknown := func(what string, anchor crdt.Anchor) {
		t.Helper()
		if stories, ok := a.doc.PlacedAfter(anchor); ok || len(collect(stories)) > 0 {
			t.Errorf("behind %s: is there %t, with %d stories; want false, 0", what, ok, len(collect(stories)))
		}
	}
	behind("the start of nothing", crdt.Anchor{})

	one := a.write(t, "1_story", crdt.Place(crdt.Anchor{}))
	two := a.write(t, "2_story", crdt.Place(crdt.Anchor{Op: one.ID}))
	plain := a.write(t, "3_story", crdt.Set("stage", crdt.String("1_backlog")))
	stranger := a.write(t, "4_story", crdt.Place(crdt.Anchor{Op: crdt.OpID{1}}))
	behind("the start", crdt.Anchor{}, "1_story", "2_story", "3_story", "4_story")
	behind("the first", crdt.Anchor{Op: one.ID}, "2_story", "3_story", "4_story")
	behind("the first unplaced one", crdt.Anchor{Story: "3_story"}, "4_story")
	behind("the last", a.doc.Story("4_story").Anchor())
	behind("a placed story's own element", crdt.Anchor{Story: "1_story"}, "3_story", "4_story")
	unknown("an op that nobody has", crdt.Anchor{Op: crdt.OpID{1}})
	unknown("an op that places nothing", crdt.Anchor{Op: plain.ID})
	unknown("an op whose anchor is unknown", crdt.Anchor{Op: stranger.ID})
	unknown("a story that nobody has", crdt.Anchor{Story: "5_story"})
	for _, i := range []int{-1, 4, 1 << 30} {
		if s := a.doc.PlacedAt(i); s != nil {
			t.Errorf("story %s stands at %d of 4", s.ID(), i)
		}
	}

	// A page that ended at a story goes on behind it, wherever that one went.
	a.write(t, "1_story", crdt.Set("deleted", crdt.Bool(true)))
	a.write(t, "2_story", crdt.Place(a.doc.Story("4_story").Anchor()))
	behind("a deleted story", crdt.Anchor{Op: one.ID}, "3_story", "4_story", "2_story")
	behind("where a story stood", crdt.Anchor{Op: two.ID}, "3_story", "4_story", "2_story")
	behind("where it stands", a.doc.Story("2_story").Anchor())
	if got := a.doc.Position(a.doc.Story("1_story")); got != 0 {
		t.Errorf("the deleted first story has position %d, want 0", got)
	}
	// To read is to change nothing that shows.
	a.rebuild(t)
	if diff := cmp.Diff([]string{"3_story", "4_story", "2_story"}, order(a.doc)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// TestPlacedAfterStops: a reader may stop anywhere.
func TestPlacedAfterStops(t *testing.T) {
	a := newReplica("a")
	for i := range 100 {
		a.write(t, fmt.Sprint(i, "_story"), crdt.Set("name", crdt.String("x")))
	}
	for most := range 100 {
		n := 0
		for range a.doc.Placed() {
			if n++; n > most {
				break
			}
		}
		if n != most+1 {
			t.Fatalf("read %d stories, want %d", n, most+1)
		}
	}
}

// TestCompareStoryIDs: a strict total order in which numbers count as numbers,
// however long, and IDs without one come last.
func TestCompareStoryIDs(t *testing.T) {
	want := []string{
		"0", "00", "0_x", "1", "01", "1.x", "1_bug_x", "1_story_x", "9_x", "10", "010_x", "10_x", "99999999999999999999_x",
		"100000000000000000000_x", "A", "Z_x", "a", "a1", "a10", "a2",
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, crdt.CompareStoryIDs)
	slices.SortStableFunc(want, modelCompareIDs)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	id := rapid.StringMatching(`[0-9aB]{1,3}[_.a0]{0,2}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := id.Draw(t, "a"), id.Draw(t, "b"), id.Draw(t, "c")
		ab, ba := crdt.CompareStoryIDs(a, b), crdt.CompareStoryIDs(b, a)
		if (ab == 0) != (a == b) || ab > 0 && ba >= 0 || ab < 0 && ba <= 0 || (ab < 0) != (modelCompareIDs(a, b) < 0) {
			t.Fatalf("%q and %q: got %d, turned round %d, want %d", a, b, ab, ba, modelCompareIDs(a, b))
		}
		if ab <= 0 && crdt.CompareStoryIDs(b, c) <= 0 && crdt.CompareStoryIDs(a, c) > 0 {
			t.Fatalf("%q, %q, %q: not transitive", a, b, c)
		}
	})
}

// TestC33_CostDoesNotGrowWithStories: to add a story, change it, move it and
// read it allocates as much among 10,000 stories as among 10.
func TestC33_CostDoesNotGrowWithStories(t *testing.T) {
	type cost struct{ add, change, move, read, page float64 }
	const runs = 200
	measure := func(stories int) (c cost) {
		next := 0
		op := func(story int, edits ...crdt.Edit) *crdt.Op {
			next++
			return made("a", next, crdt.Op{Seq: 1, Story: fmt.Sprint(story, "_story"), Edits: edits})
		}
		d := crdt.NewDoc(testSchema)
		stage := crdt.Set("stage", crdt.String("1_backlog"))
		for i := range stories {
			mustApply(t, d, op(i, stage, crdt.Place(crdt.Anchor{})), crdt.Applied)
		}
		// The ops are made beforehand: only applying them is measured.
		apply := func(edits func(i int) (story int, edits []crdt.Edit)) float64 {
			ops := make([]*crdt.Op, runs+1) // AllocsPerRun runs once more
			for i := range ops {
				story, e := edits(i)
				ops[i] = op(story, e...)
			}
			i := -1
			return testing.AllocsPerRun(runs, func() { i++; mustApply(t, d, ops[i], crdt.Applied) })
		}
		c.add = apply(func(i int) (int, []crdt.Edit) {
			return stories + i, []crdt.Edit{stage, crdt.Place(crdt.Anchor{})}
		})
		c.change = apply(func(i int) (int, []crdt.Edit) { return i % 10, []crdt.Edit{stage} })
		c.move = apply(func(i int) (int, []crdt.Edit) { return i % 10, []crdt.Edit{crdt.Place(crdt.Anchor{})} })
		c.read = testing.AllocsPerRun(runs, func() {
			s := d.Story("7_story")
			_, _, _, _ = s.Str(fieldStage), s.Rev(), d.Position(s), d.PlacedAt(3).Anchor()
		})
		c.page = testing.AllocsPerRun(runs, func() {
			n := 0
			after, _ := d.PlacedAfter(d.PlacedAt(d.PlacedLen() / 2).Anchor())
			for range after {
				if n++; n == 5 {
					break
				}
			}
		})
		mustCheck(t, d)
		return c
	}
	few, many := measure(10), measure(10_000)
	t.Logf("allocations among few %+v, among many %+v", few, many)
	if few != many {
		t.Errorf("allocations: got %+v among 10,000 stories, want as among 10: %+v", many, few)
	}
}

// TestStorySortKey shows that the bytes of sort keys stand as the IDs do.
func TestStorySortKey(t *testing.T) {
	id := rapid.StringMatching(`0{0,2}[0-9]{0,12}[A-Za-z_.-]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := id.Draw(t, "a"), id.Draw(t, "b")
		got, want := bytes.Compare(crdt.StorySortKey(a), crdt.StorySortKey(b)), crdt.CompareStoryIDs(a, b)
		if got != want {
			t.Fatalf("keys of %q and %q compare %d, the IDs %d", a, b, got, want)
		}
	})
}
