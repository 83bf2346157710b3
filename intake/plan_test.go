package intake

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// reporter is what a test and a property have in common.
type reporter interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// place is a pipeline that plans are carried out on, as the command does it.
type place struct {
	t     reporter
	model *pipeline.Model
	key   ed25519.PrivateKey
}

func newPlace(t reporter) *place {
	return &place{t, pipeline.NewModel(), ed25519.NewKeyFromSeed([]byte(strings.Repeat("i", ed25519.SeedSize)))}
}

// bring creates the stories of a plan, one op each.
func (w *place) bring(p *Plan) {
	w.t.Helper()
	if err := p.Err(); err != nil {
		w.t.Fatal(err)
	}
	for _, s := range p.Create {
		tx := pipeline.NewState(w.model, nil).NewTx()
		created, _, err := tx.Write(s.ID, s.Changes())
		if err != nil || !created {
			w.t.Fatalf("write %s of %s: created %v, %v", s.ID, s.At, created, err)
		}
		w.apply(s.ID, tx.Edits()...)
	}
}

func (w *place) apply(story string, edits ...crdt.Edit) {
	w.t.Helper()
	parents, seq := w.model.Doc().Next()
	op := &crdt.Op{Seq: seq, Parents: parents, Story: story, Edits: edits, At: 1_700_000_000_000}
	if _, err := crdt.Sign(op, w.key); err != nil {
		w.t.Fatalf("sign the op of %s: %v", story, err)
	}
	if _, err := w.model.Apply(op); err != nil {
		w.t.Fatalf("apply the op of %s: %v", story, err)
	}
}

// index returns what the pipeline holds.
func (w *place) index() *Index {
	x := &Index{}
	for s := range w.model.Doc().Stories() {
		var notes []string
		for n := range s.LastNotes(1000) {
			notes = append(notes, n.Text)
		}
		if s.Deleted() {
			x.AddDeleted(s.ID(), notes...)
		} else {
			x.Add(s.ID(), notes...)
		}
	}
	return x
}

// ids returns the IDs of the stories that a plan creates.
func ids(p *Plan) []string {
	var out []string
	for _, s := range p.Create {
		out = append(out, s.ID)
	}
	return out
}

// TestAgain: a source that was brought in gives nothing new, whatever became of the stories. What
// came to it since is added, with dependencies on what is there.
func TestAgain(t *testing.T) {
	w := newPlace(t)
	first := csvOf("id,name,depends_on\na,One,\nb,Two,a\nc,Three,\n")
	w.bring(NewPlan(read(t, first, Options{}), w.index(), PlanOptions{}))
	w.apply("2_story", crdt.Set("description", crdt.String("rewritten")), crdt.Set("name", crdt.String("Renamed")))
	w.apply("3_story", crdt.Set("deleted", crdt.Bool(true)))

	again := NewPlan(read(t, first, Options{}), w.index(), PlanOptions{})
	if len(again.Create) != 0 || len(again.Known) != 3 {
		t.Errorf("got %v to create and %d known, want none and 3", ids(again), len(again.Known))
	}
	more := csvOf("id,name,depends_on\nd,Four,\"b,c,e\"\na,One,\ne,Five,\n")
	p := NewPlan(read(t, more, Options{}), w.index(), PlanOptions{})
	if got, want := ids(p), []string{"4_story", "5_story"}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if four := p.Create[1]; four.Name != "Four" || !slices.Equal(four.DependsOn, []uint32{2, 4}) {
		t.Errorf("got %q that depends on %d, want Four that depends on 2 and 4", four.Name, four.DependsOn)
	}
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0].Text, "depends on c") {
		t.Errorf("got warnings %v, want one about the deleted c", p.Warnings)
	}
	w.bring(p)
}

// csvOf returns a file of that content.
func csvOf(content string) Source { return Source{Name: "list.csv", Data: []byte(content)} }

// TestRefusals: one bad item refuses the plan with its row, and is left out when that was asked for.
func TestRefusals(t *testing.T) {
	many := "id,name,depends_on\n"
	var all []string
	for i := range crdt.MaxDependencies + 1 {
		many += fmt.Sprintf("%d,Item %d,\n", i, i)
		all = append(all, fmt.Sprint(i))
	}
	many += "z,Too many,\"" + strings.Join(all, ",") + "\"\ny,After it,z\n"
	for _, c := range []struct {
		name, content, refused string
		left                   int
	}{
		{"circle", "id,name,depends_on\na,A,b\nb,B,c\nc,C,a\nd,D,a\n", "line 2: it is in a circle of dependencies: a waits for b waits for c waits for a", 1},
		{"itself", "id,name,depends_on\na,A,a\nb,B,a\n", "line 2: it is in a circle of dependencies: a waits for a", 1},
		{"two circles", "id,name,depends_on\na,A,\"b,c\"\nb,B,a\nc,C,a\nd,D,\n", "line 2", 1},
		{"too many", many, "it has 65 dependencies, and a story can have 64", crdt.MaxDependencies + 2},
		{"same ID", "id,name\na,A\na,B\n", "line 3: the ID a is that of list.csv line 2 too", 1},
		{"no name", "id,name\na,\nb,B\n", "line 2: the item has no name", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := read(t, csvOf(c.content), Options{})
			p := NewPlan(l, &Index{}, PlanOptions{})
			if err := p.Err(); err == nil || !strings.Contains(err.Error(), c.refused) || !strings.Contains(err.Error(), "--skip-bad") {
				t.Errorf("got error %v, want one with %q and --skip-bad", err, c.refused)
			}
			if len(p.Create) != 0 {
				t.Errorf("got %v to create, want nothing", ids(p))
			}
			if !strings.Contains(p.Preview(), "Nothing is brought in") {
				t.Errorf("the preview does not say that nothing is brought in:\n%s", p.Preview())
			}
			p = NewPlan(l, &Index{}, PlanOptions{SkipBad: true})
			if len(p.Create) != c.left {
				t.Errorf("got %v with the bad ones left out, want %d stories", ids(p), c.left)
			}
			newPlace(t).bring(p)
		})
	}
}

// TestBounds: names, descriptions and notes beyond the bounds are cut, the source is named, and the
// story fits one op.
func TestBounds(t *testing.T) {
	long := strings.Repeat("wörter ", 80)
	l := &List{}
	notes := []string{strings.Repeat("n", maxComment+1)}
	for range 300 {
		notes = append(notes, strings.Repeat("é", 100))
	}
	l.add(Item{Origin: "test", ID: strings.Repeat("i", 999), Name: long, Description: strings.Repeat("line of text\n", 4000), Notes: notes, At: Place{File: "x.md", Line: 7}})
	l.add(Item{Origin: "test", ID: "j", Name: strings.Repeat("é", 200), Description: strings.Repeat("é", 20_000), At: Place{File: "x.md", Line: 8}})
	p := NewPlan(l, &Index{}, PlanOptions{Slug: func(string) string { return strings.Repeat("s", 200) }})
	w := newPlace(t)
	w.bring(p)
	s := p.Create[0]
	if len(s.Name) > pipeline.MaxName || !strings.HasSuffix(s.Name, "wörter…") {
		t.Errorf("got the name %q, want at most %d bytes that end with a whole word", s.Name, pipeline.MaxName)
	}
	if !strings.HasPrefix(s.Description, strings.TrimSpace(long)+"\n\nline of text\n") {
		t.Errorf("the description begins with %.600q, want the whole name first", s.Description)
	}
	if !strings.HasSuffix(s.Description, "line of text\n…") || !strings.Contains(s.Note, "x.md line 7") || !strings.Contains(s.Note, "cut at 32 KiB") {
		t.Errorf("the description ends with %q, and the first note is %q", s.Description[len(s.Description)-30:], s.Note)
	}
	if !strings.HasSuffix(s.Note, " more notes stand in the source.") || len(s.Note) > crdt.MaxNote {
		t.Errorf("got a note of %d bytes that ends with %q, want one that says how many are left out", len(s.Note), s.Note[len(s.Note)-40:])
	}
	if len(p.Warnings) != 6 {
		t.Errorf("got %d warnings, want 6: %v", len(p.Warnings), p.Warnings)
	}
	if again := NewPlan(l, w.index(), PlanOptions{}); len(again.Create) != 0 {
		t.Errorf("got %v anew, want nothing", ids(again))
	}
}

// TestStoriesKeepTheirIDs: stories of huskies keep their IDs where the numbers are free, and their
// dependencies follow where they are not.
func TestStoriesKeepTheirIDs(t *testing.T) {
	l := read(t, source(t, "huskies"), Options{})
	w := newPlace(t)
	w.apply("3_story_other", crdt.Set("stage", crdt.String("1_backlog")))
	p := NewPlan(l, w.index(), PlanOptions{SkipBad: true, Slug: slug})
	if got, want := ids(p), []string{"5_spike_spike_three", "4_bug_fix_crash", "10_story_add_login"}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if got, want := p.Create[2].DependsOn, []uint32{4, 5}; !slices.Equal(got, want) {
		t.Errorf("10_story_add_login depends on %d, want %d", got, want)
	}
	w.bring(p)
	if again := NewPlan(l, w.index(), PlanOptions{SkipBad: true}); len(again.Create) != 0 {
		t.Errorf("got %v anew, want nothing", ids(again))
	}
}

// TestKnownThroughAnotherPipeline: a story that another pipeline had from beads is the issue of beads
// here, too.
func TestKnownThroughAnotherPipeline(t *testing.T) {
	export := read(t, source(t, "huskies/export.md"), Options{})
	issues := read(t, Source{Name: "issues.jsonl", Data: []byte(`{"id":"gt-1","title":"Crash","issue_type":"bug","status":"open"}`)}, Options{})
	for _, order := range [][2]*List{{export, issues}, {issues, export}} {
		w := newPlace(t)
		w.bring(NewPlan(order[0], w.index(), PlanOptions{SkipBad: true}))
		if second := NewPlan(order[1], w.index(), PlanOptions{SkipBad: true}); len(second.Create) != 0 || len(second.Known) != 1 {
			t.Errorf("%s after %s: got %v to create and %v known, want only one known", order[1].Format, order[0].Format, ids(second), second.Known)
		}
	}
}

// TestLastNumber: behind the greatest number there is, the least free ones are given out.
func TestLastNumber(t *testing.T) {
	x := &Index{}
	x.Add("4294967294_story")
	x.Add("1_story")
	x.AddDeleted("3_story")
	p := NewPlan(read(t, csvOf("name\nA\nB\nC\n"), Options{}), x, PlanOptions{})
	if got, want := ids(p), []string{"4294967295_story", "2_story", "4_story"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestPreviewHidesControls: what a source has in its names does not reach the terminal.
func TestPreviewHidesControls(t *testing.T) {
	p := NewPlan(read(t, csvOf("id,name,depends_on\n\"\x1b]0;x\a\",\"Na\x1b[2Jme\u202e\",\"\x1b[1m\"\n"), Options{}), &Index{}, PlanOptions{})
	if text := p.Preview(); strings.ContainsAny(text, "\x1b\a\u202e") {
		t.Errorf("the preview has control characters: %q", text)
	}
}

// TestPlanOrder: whatever the items depend on, a plan creates each after what it depends on, in a
// pipeline that takes it, and a second run gives nothing new.
func TestPlanOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(rt, "items")
		l := &List{}
		for i := range n {
			it := Item{Origin: "test", ID: fmt.Sprint(i), Name: fmt.Sprintf("Item %d", i), At: Place{File: "x", Line: i + 1}}
			for _, d := range rapid.SliceOfN(rapid.IntRange(0, n), 0, 3).Draw(rt, "depends on") {
				it.DependsOn = append(it.DependsOn, fmt.Sprint(d)) // n itself is absent
			}
			if i > 0 && rapid.Bool().Draw(rt, "has a parent") {
				it.Parent = fmt.Sprint(rapid.IntRange(0, i-1).Draw(rt, "parent"))
			}
			l.add(it)
		}
		options := PlanOptions{SkipBad: true, Nested: rapid.Bool().Draw(rt, "nested")}
		w := newPlace(rt)
		w.apply("7_story_before", crdt.Set("stage", crdt.String("1_backlog")))
		p := NewPlan(l, w.index(), options)
		if len(p.Create)+len(p.Refused) != n {
			rt.Fatalf("%d created and %d refused, want %d in all", len(p.Create), len(p.Refused), n)
		}
		created := map[uint32]bool{}
		for _, s := range p.Create {
			for _, d := range s.DependsOn {
				if !created[d] {
					rt.Fatalf("%s depends on %d, which does not come before it", s.ID, d)
				}
			}
			number, _ := pipeline.Number(s.ID)
			created[number] = true
		}
		if strict := NewPlan(l, w.index(), PlanOptions{Nested: options.Nested}); (strict.Err() != nil) != (len(p.Refused) > 0) {
			rt.Fatalf("without SkipBad the error is %v, and with it %d items are refused", strict.Err(), len(p.Refused))
		}
		w.bring(p)
		if again := NewPlan(l, w.index(), options); len(again.Create) != 0 {
			rt.Fatalf("a second run creates %v", ids(again))
		}
	})
}

// TestTooManyColumns: the cost of a header grows with the square of its columns, so their number is bounded.
func TestTooManyColumns(t *testing.T) {
	header := "name" + strings.Repeat(",", maxColumns)
	_, err := Read(Source{Name: "x.csv", Data: []byte(header + "\n")}, Options{})
	if err == nil || !strings.Contains(err.Error(), "at most 2000 are read") {
		t.Errorf("got %v, want that there are too many columns", err)
	}
}

// TestManyOfOneNumber: of stories that all have one number and wait for it each is refused, and what they wait for
// is not worked out in full: of 100,000 stories that would be 10,000,000,000.
func TestManyOfOneNumber(t *testing.T) {
	l := &List{Format: Huskies}
	for i := range 4000 {
		l.add(Item{Origin: string(Huskies), ID: fmt.Sprintf("1_story_%d", i), Name: "x", DependsOn: []string{"1"}})
	}
	p := &planner{plan: &Plan{}, here: &Index{}, byKey: map[Key]int{}, byNumber: map[uint32][]int{}, known: map[uint32][]uint32{}}
	p.sort(l.Items)
	p.link()
	for _, it := range p.items {
		if len(it.waits) > 2*crdt.MaxDependencies {
			t.Fatalf("%s waits for %d items", it.ID, len(it.waits))
		}
	}
	p.bound()
	if len(p.plan.Refused) != len(l.Items) {
		t.Errorf("%d of %d are refused", len(p.plan.Refused), len(l.Items))
	}
}

// TestDeepSubtasks: subtasks within subtasks by the thousand are refused, since each would keep all that stands in it.
func TestDeepSubtasks(t *testing.T) {
	deep := `{"id": 1, "title": "x"}`
	for range 100 {
		deep = `{"id": 1, "title": "x", "subtasks": [` + deep + `]}`
	}
	l := read(t, Source{Name: "tasks.json", Data: []byte(`{"tasks": [` + deep + `]}`)}, Options{})
	if len(l.Items) != maxSubtasks+1 || len(l.Broken) != 1 || !strings.Contains(l.Broken[0].Text, "at most 8 are read") {
		t.Errorf("got %d items, broken are %v", len(l.Items), l.Broken)
	}
}
