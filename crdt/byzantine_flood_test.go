package crdt_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestT31_HeldFlood: Admit bounds what is kept of authors who are not trusted,
// each and all together, by count and by memory. Trusted authors find room all
// the same.
func TestT31_HeldFlood(t *testing.T) {
	rootOp := func(t testing.TB, author string, n int, edits []crdt.Edit) *crdt.Op {
		t.Helper()
		return newReplica(author).sign(t, &crdt.Op{Seq: 1, Story: "1_story_x", At: int64(n), Edits: edits})
	}
	lightRoot := func(_ testing.TB, author string, n int, edits []crdt.Edit) *crdt.Op {
		return made(author, n, crdt.Op{Seq: 1, Edits: edits})
	}
	tests := []struct {
		name     string
		authors  []string
		op       func(testing.TB, string, int, []crdt.Edit) *crdt.Op
		edits    []crdt.Edit
		min, max int
	}{
		{"count of an author", []string{"m"}, lightRoot, lightEdits, crdt.MaxHeldPerAuthor, crdt.MaxHeldPerAuthor},
		{"count in total", []string{"m", "n", "o", "p", "q"}, lightRoot, lightEdits, crdt.MaxHeld, crdt.MaxHeld},
		{"bytes of an author", []string{"m"}, rootOp, longEdits, 500, crdt.MaxHeldBytesPerAuthor / (60 << 10)},
		{"bytes in total", []string{"m", "n", "o", "p", "q"}, rootOp, longEdits, 2000, crdt.MaxHeldBytes / (60 << 10)},
		{"edits of an author", []string{"m"}, rootOp, unknownEdits(crdt.MaxEdits), 950, crdt.MaxHeldBytesPerAuthor / (100 * crdt.MaxEdits)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := crdt.NewDoc(testSchema, authors("a")...)
			var refused *crdt.Op
			for n := 0; refused == nil && n <= tt.max; n++ {
				op := tt.op(t, tt.authors[n%len(tt.authors)], n, tt.edits)
				if status, err := d.Admit(op); errors.Is(err, crdt.ErrHeldFull) && status == crdt.Held {
					refused = op
				} else if mustApply(t, d, op, crdt.Held); err != nil {
					t.Fatal(err)
				}
			}
			if refused == nil || d.HeldLen() < tt.min || d.HeldLen() > tt.max {
				t.Fatalf("%d ops are held, refused one: %t; want %d to %d", d.HeldLen(), refused != nil, tt.min, tt.max)
			}
			if len(tt.authors) == 1 {
				mustAdmit(t, d, lightRoot(t, "other", 0, lightEdits), crdt.Held)
			}
			mustAdmit(t, d, rootOp(t, "a", 0, longEdits), crdt.Applied)
			mustApply(t, d, refused, crdt.Held) // what a log has already
			mustCheck(t, d)
			if d.Len() != 0 || d.StoryCount() != 0 || len(d.Heads()) != 0 {
				t.Errorf("%d ops are applied, %d stories, %d heads; want none", d.Len(), d.StoryCount(), len(d.Heads()))
			}
		})
	}
}

// TestT31_HeldFloodByWayOfPending: what is pending counts neither as held nor
// for nothing. An author who is not trusted and of whom the most is held already
// finds no room to wait either; else each op that a trusted author is about to
// write could be made to release as many as may wait.
func TestT31_HeldFloodByWayOfPending(t *testing.T) {
	d := crdt.NewDoc(testSchema, authors("a")...)
	trusted := chain("a", 4, nil)
	n := 0
	for i, next := range trusted {
		for {
			op := made("m", n, crdt.Op{Seq: next.Seq + 1, Parents: []crdt.OpID{next.ID}})
			if _, err := d.Admit(op); err != nil {
				break
			}
			mustApply(t, d, op, crdt.Pending)
			n++
		}
		mustAdmit(t, d, next, crdt.Applied)
		mustApply(t, d, next, crdt.Applied)
		if most := crdt.MaxHeldPerAuthor + crdt.MaxPendingPerAuthor; d.HeldLen() > most {
			t.Fatalf("with %d ops of a %d of m are held, want at most %d", i+1, d.HeldLen(), most)
		}
	}
	mustCheck(t, d)
	_, err := d.Admit(made("m", n, crdt.Op{Seq: 9, Parents: []crdt.OpID{{1}}}))
	wantError(t, err, crdt.ErrHeldFull)
}

// TestT31_TrustedOpsAreNotHeldUp: strangers have used up the room of all who are
// not trusted. What a trusted author's op waits for is taken all the same, and
// trusted ops find room to wait.
func TestT31_TrustedOpsAreNotHeldUp(t *testing.T) {
	d := crdt.NewDoc(testSchema, authors("a")...)
	for n := range crdt.MaxHeld {
		mustApply(t, d, made(string(rune('m'+n%5)), n, crdt.Op{Seq: 1}), crdt.Held)
	}
	honest := made("h", 0, crdt.Op{Seq: 1})
	_, err := d.Admit(honest)
	wantError(t, err, crdt.ErrHeldFull)
	trusted := made("a", 0, crdt.Op{Seq: 2, Parents: []crdt.OpID{honest.ID}})
	mustAdmit(t, d, trusted, crdt.Pending)
	mustApply(t, d, trusted, crdt.Pending)
	mustAdmit(t, d, honest, crdt.Held)
	if res := mustApply(t, d, honest, crdt.Held); !sameOps(res.Released, []*crdt.Op{trusted}) {
		t.Errorf("released %d ops, want the trusted one", len(res.Released))
	}
	_, err = d.Admit(made("h", 1, crdt.Op{Seq: 1}))
	wantError(t, err, crdt.ErrHeldFull)
	mustCheck(t, d)
}

// TestT32_ParentsOfStrangers: a trusted author builds on ops of one who is not.
// They carry what follows and nothing else: no edit of theirs counts, and what
// they name stays a head until somebody trusted names it.
func TestT32_ParentsOfStrangers(t *testing.T) {
	a, m := newReplica("a"), newReplica("m")
	root := a.write(t, "1_story_x", crdt.Set("stage", crdt.String("1_backlog")), crdt.Set("retry_count", crdt.Int(2)))
	m.pull(t, a)
	var strangers []*crdt.Op
	for _, e := range [][]crdt.Edit{
		{crdt.Set("stage", crdt.String("6_archived")), crdt.Set("deleted", crdt.Bool(true))},
		{crdt.Inc("retry_count", 100, root.ID), crdt.Dep(9, true), crdt.Note("mine"), crdt.Place(crdt.Anchor{})},
	} {
		strangers = append(strangers, m.write(t, "1_story_x", e...))
	}
	strangers = append(strangers, m.write(t, "8_story_m", crdt.Place(crdt.Anchor{})))

	b := newReplica("b", "a")
	b.pull(t, a)
	before := text(b.doc)
	for _, op := range strangers {
		if res := b.receive(t, op); res.Status != crdt.Held || !b.doc.Has(op.ID) {
			t.Errorf("op %s: got %s, has it: %t; want held, true", op.ID.Short(), res.Status, b.doc.Has(op.ID))
		}
	}
	if parents, seq := b.doc.Next(); !slices.Equal(parents, []crdt.OpID{root.ID}) || seq != 2 {
		t.Errorf("next: got parents %v, seq %d, want a's only op and 2", parents, seq)
	}
	shown := observe(b.doc)
	shown.Held = 0
	if diff := cmp.Diff(observe(replayLog(t, undamaged(a.ops()), b.trusted...)), shown); diff != "" {
		t.Errorf("ops of a stranger show (-without +with them):\n%s\nbefore:\n%s", diff, before)
	}

	a.pull(t, m) // a trusts everybody
	top := a.write(t, "1_story_x", crdt.Inc("retry_count", 1, root.ID))
	if res := b.receive(t, top); res.Status != crdt.Applied {
		t.Fatalf("an op on top of a stranger's: got %s, want applied", res.Status)
	}
	s := b.doc.Story("1_story_x")
	if s.Str(fieldStage) != "1_backlog" || s.Deleted() || s.Count(fieldRetry) != 3 || s.NoteCount() != 0 || b.doc.StoryCount() != 1 {
		t.Errorf("ops of a stranger count: %s", text(b.doc))
	}
	if got := b.doc.Heads(); len(got) != 2 || !slices.Contains(got, root.ID) || !slices.Contains(got, top.ID) {
		t.Errorf("heads are %v, want a's two ops: nobody trusted names the first", got)
	}
}

// TestC14_OnlyTrustedAuthorsCount: with a list, the document is that of the
// trusted authors' ops; without one it is that of all; and taking an author off
// the list gives the document that there would be without that author's edits.
func TestC14_OnlyTrustedAuthorsCount(t *testing.T) {
	a, b, m := newReplica("a"), newReplica("b"), newReplica("m")
	a.write(t, "1_story_x", crdt.Set("stage", crdt.String("1_backlog")))
	m.write(t, "1_story_x", crdt.Set("stage", crdt.String("6_archived")))
	m.write(t, "2_story_m", crdt.Place(crdt.Anchor{}))
	b.write(t, "3_story_b", crdt.Note("by b"))
	log := undamaged(slices.Concat(a.ops(), m.ops(), b.ops()))
	for _, tt := range []struct {
		trusted []string
		stories []string
		stage   string
		held    int
	}{
		{nil, []string{"2_story_m", "1_story_x", "3_story_b"}, "6_archived", 0},
		{[]string{"a", "b", "m"}, []string{"2_story_m", "1_story_x", "3_story_b"}, "6_archived", 0},
		{[]string{"a", "b"}, []string{"1_story_x", "3_story_b"}, "1_backlog", 2},
		{[]string{"a"}, []string{"1_story_x"}, "1_backlog", 3},
	} {
		d := replayLog(t, log, authors(tt.trusted...)...)
		if diff := cmp.Diff(tt.stories, order(d)); diff != "" || d.HeldLen() != tt.held || d.Story("1_story_x").Str(fieldStage) != tt.stage {
			t.Errorf("trusting %v: %d held, stage %q, want %d, %q; order (-want +got):\n%s",
				tt.trusted, d.HeldLen(), d.Story("1_story_x").Str(fieldStage), tt.held, tt.stage, diff)
		}
	}
}

// TestC14_NobodyIsTrusted: a list of authors who have written nothing shows
// nothing, and lower author keys win no tie for those who are not on a list.
func TestC14_NobodyIsTrusted(t *testing.T) {
	low := made("m", 1, crdt.Op{Seq: 1, Edits: []crdt.Edit{crdt.Set("stage", crdt.String("low"))}})
	low.Author = crdt.Author{} // the key that would win every tie
	honest := made("a", 1, crdt.Op{Seq: 1, Edits: []crdt.Edit{crdt.Set("stage", crdt.String("honest"))}})
	for _, tt := range []struct{ trusted, want string }{{"a", "honest"}, {"nobody", ""}} {
		d := replayLog(t, undamaged([]*crdt.Op{low, honest}), authors(tt.trusted)...)
		got := ""
		if s := d.Story("1_story_x"); s != nil {
			got = s.Str(fieldStage)
		}
		if got != tt.want {
			t.Errorf("trusting %s: stage is %q, want %q", tt.trusted, got, tt.want)
		}
	}
	if got := replay(t, []*crdt.Op{low, honest}).Story("1_story_x").Str(fieldStage); got != "low" {
		t.Errorf("trusting all: stage is %q, want %q", got, "low")
	}
}
