package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

func TestCircles(t *testing.T) {
	for _, c := range []struct {
		name  string
		needs map[string][]uint32 // of unfinished stories
		done  []string
		want  [][]string
	}{
		{name: "none", needs: map[string][]uint32{"1_a": nil, "2_b": {1}, "3_c": {1, 2}}},
		{name: "itself", needs: map[string][]uint32{"1_a": {1}}, want: [][]string{{"1_a"}}},
		{
			name:  "a way into a circle is no part of it",
			needs: map[string][]uint32{"1_in": {2}, "2_a": {3}, "3_b": {4}, "4_c": {2}},
			want:  [][]string{{"2_a", "3_b", "4_c"}},
		},
		{
			name:  "two",
			needs: map[string][]uint32{"1_a": {2}, "2_b": {1}, "3_c": {4}, "4_d": {3}},
			want:  [][]string{{"1_a", "2_b"}, {"3_c", "4_d"}},
		},
		{
			name:  "what is done waits for nothing",
			needs: map[string][]uint32{"1_a": {2}, "2_b": {1}}, done: []string{"2_b"},
		},
		{
			name:  "by way of one of the stories with a number",
			needs: map[string][]uint32{"1_a": {2}, "2_b": nil, "2_c": {1}},
			want:  [][]string{{"1_a", "2_c"}},
		},
		{name: "an unknown number", needs: map[string][]uint32{"1_a": {9}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWriter(t)
			for id, needs := range c.needs {
				edits := []crdt.Edit{crdt.Set("stage", crdt.String(string(pipeline.Backlog)))}
				for _, n := range needs {
					edits = append(edits, crdt.Dep(n, true))
				}
				w.apply(id, edits...) // what a tool would refuse may come from elsewhere
			}
			for _, id := range c.done {
				w.write(id, stage(pipeline.Done))
			}
			if diff := cmp.Diff(c.want, w.state().Circles()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestCirclesOfOneNumber: thousands of stories with one number that all depend
// on it are one finding, and no work of their square.
func TestCirclesOfOneNumber(t *testing.T) {
	w := newWriter(t)
	for i := range 20_000 {
		parents, seq := w.model.Doc().Next()
		op := &crdt.Op{
			Seq: seq, Parents: parents, Story: fmt.Sprintf("1_story_%05d", i),
			Edits: []crdt.Edit{crdt.Set("stage", crdt.String(string(pipeline.Backlog))), crdt.Dep(1, true)},
		}
		if _, err := crdt.Sign(op, w.key); err != nil {
			t.Fatal(err)
		}
		if _, err := w.model.Apply(op); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([][]string{{"1_story_00000"}}, w.state().Circles()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestNoCircleIsWritten: what would close a circle is refused with the circle
// spelled out, by whichever write; what closes none is not.
func TestNoCircleIsWritten(t *testing.T) {
	needs := func(on ...uint32) pipeline.Changes {
		return pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &on}
	}
	for _, c := range []struct {
		name    string
		have    map[string][]uint32
		done    []string
		id      string
		changes pipeline.Changes
		want    string // "": it is written
	}{
		{
			name: "two", have: map[string][]uint32{"3_a": nil, "5_b": {3}}, id: "3_a", changes: needs(5),
			want: "3_a 5_b",
		},
		{
			name: "by the shortest way", have: map[string][]uint32{"1_a": nil, "2_b": {3}, "3_c": {1}, "4_d": {1}}, id: "1_a", changes: needs(2, 4),
			want: "1_a 4_d",
		},
		{
			name: "a new story whose number was named before", have: map[string][]uint32{"1_a": {9}}, id: "9_new", changes: needs(1),
			want: "9_new 1_a",
		},
		{
			name: "by way of one of the stories with a number", have: map[string][]uint32{"1_a": nil, "2_b": nil, "2_c": {1}}, id: "1_a", changes: needs(2),
			want: "1_a 2_c",
		},
		{
			name: "over a finished story, which may come back", have: map[string][]uint32{"1_a": nil, "2_b": {1}}, done: []string{"2_b"}, id: "1_a", changes: needs(2),
			want: "1_a 2_b",
		},
		{
			name: "a long one", have: map[string][]uint32{"1_a": nil, "2_b": {1}, "3_c": {2}, "4_d": {3}, "5_e": {4}, "6_f": {5}, "7_g": {6}}, id: "1_a", changes: needs(7),
			want: "1_a 7_g 6_f 5_e 4_d 3_c 2_b",
		},
		{name: "none: side by side", have: map[string][]uint32{"1_a": nil, "2_b": {1}, "3_c": {1}}, id: "3_c", changes: needs(1, 2)},
		{name: "none: a number nobody has", have: map[string][]uint32{"1_a": nil, "2_b": {1}}, id: "1_a", changes: needs(9)},
		{name: "none: nobody can depend on a story without a number", have: map[string][]uint32{"1_a": nil}, id: "notes", changes: needs(1)},
		{name: "a circle elsewhere is not this write's", have: map[string][]uint32{"1_a": {2}, "2_b": {1}, "3_c": nil}, id: "3_c", changes: needs(1)},
		{name: "nor is one that is there already", have: map[string][]uint32{"1_a": {2}, "2_b": {1}, "3_c": nil}, id: "1_a", changes: needs(2, 3)},
		{name: "opening one", have: map[string][]uint32{"1_a": {2}, "2_b": {1}}, id: "1_a", changes: needs()},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWriter(t)
			for id, on := range c.have {
				edits := []crdt.Edit{crdt.Set("stage", crdt.String(string(pipeline.Backlog)))}
				for _, n := range on {
					edits = append(edits, crdt.Dep(n, true))
				}
				w.apply(id, edits...)
			}
			for _, id := range c.done {
				w.write(id, stage(pipeline.Done))
			}
			err := w.do(func(tx *pipeline.Tx) error { _, _, err := tx.Write(c.id, c.changes); return err })
			if c.want == "" && err != nil || c.want != "" && refusal(err) != "circle IDs:["+c.want+"]" {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestLongChain: a chain of 10,000 stories can be written, one by one, and the
// circle through all of it is found.
func TestLongChain(t *testing.T) {
	const stories = 10_000
	w := newWriter(t)
	for n := range uint32(stories) {
		c := stage(pipeline.Backlog)
		if n > 0 {
			c.DependsOn = &[]uint32{n}
		}
		tx := w.state().NewTx()
		if _, _, err := tx.Write(fmt.Sprintf("%d_story", n+1), c); err != nil {
			t.Fatal(err)
		}
		parents, seq := w.model.Doc().Next()
		op := &crdt.Op{Seq: seq, Parents: parents, Story: tx.Story(), Edits: tx.Edits()}
		if _, err := crdt.Sign(op, w.key); err != nil {
			t.Fatal(err)
		}
		if _, err := w.model.Apply(op); err != nil {
			t.Fatal(err)
		}
	}
	err := w.do(func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("1_story", pipeline.Changes{DependsOn: &[]uint32{stories}})
		return err
	})
	if got, want := refusal(err), "circle IDs:[1_story 10000_story 9999_story "; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, " 3_story 2_story]") {
		t.Errorf("got %.200s..., want %s... 3_story 2_story]", got, want)
	}
	w.apply("1_story", crdt.Dep(stories, true)) // merged in, it survives, and reading ends
	if got := w.story("1_story").DependsOn; len(got) != 1 {
		t.Errorf("the dependency is gone: %v", got)
	}
	if got := w.state().Circles(); len(got) != 1 || len(got[0]) != stories {
		t.Errorf("%d circles", len(got))
	}
}

// TestDependents follows additions, removals, deletions and what was released.
func TestDependents(t *testing.T) {
	w := newWriter(t)
	w.write("1_a", stage(pipeline.Backlog))
	for _, id := range []string{"10_c", "2_b", "notes"} {
		w.write(id, pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1, 7}})
	}
	w.apply("3_unseen", crdt.Dep(1, true))
	check := func(step, id string, count int, want ...string) {
		t.Helper()
		got, n := w.state().Dependents(id, 2)
		if !cmp.Equal(got, want) || n != count {
			t.Errorf("%s: got %v of %d, want %v of %d", step, got, n, want, count)
		}
	}
	check("added", "1_a", 3, "2_b", "10_c")
	check("a number nobody has yet", "7_x", 3, "2_b", "10_c")
	w.write("2_b", pipeline.Changes{DependsOn: &[]uint32{7}})
	w.apply("10_c", crdt.Set(crdt.DeletedField, crdt.Bool(true)))
	check("removed and deleted", "1_a", 1, "notes")
	w.apply("3_unseen", crdt.Set("stage", crdt.String("1_backlog")))
	w.apply("10_c", crdt.Set(crdt.DeletedField, crdt.Bool(false)))
	check("seen and restored", "1_a", 3, "3_unseen", "10_c")
	late := pipeline.NewModel()
	for _, op := range append(w.ops[1:], w.ops[0]) { // all wait for the first
		if _, err := late.Apply(op); err != nil {
			t.Fatal(err)
		}
	}
	if got, n := pipeline.NewState(late, nil).Dependents("1_a", 9); n != 3 {
		t.Errorf("released: got %v", got)
	}
}
