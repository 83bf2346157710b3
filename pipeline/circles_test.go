package pipeline_test

import (
	"fmt"
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
			if diff := cmp.Diff(c.want, w.state.Circles()); diff != "" {
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
		parents, seq := w.state.Doc().Next()
		op := &crdt.Op{
			Seq: seq, Parents: parents, Story: fmt.Sprintf("1_story_%05d", i),
			Edits: []crdt.Edit{crdt.Set("stage", crdt.String(string(pipeline.Backlog))), crdt.Dep(1, true)},
		}
		if _, err := crdt.Sign(op, w.key); err != nil {
			t.Fatal(err)
		}
		if _, err := w.state.Apply(op); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([][]string{{"1_story_00000"}}, w.state.Circles()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
