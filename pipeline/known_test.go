package pipeline_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestEachKnown shows that stories are found with their notes: visible ones with a number or without,
// deleted ones, and those without a stage.
func TestEachKnown(t *testing.T) {
	w := newWriter(t)
	w.write("1_story_a", stage(pipeline.Backlog))
	w.apply("1_story_a", crdt.Note("source: beads gt-1\nBrought in."))
	w.apply("1_story_a", crdt.Note("later"))
	w.write("login", stage(pipeline.QA))
	w.apply("login", crdt.Note("note"))
	w.write("7_story_b", stage(pipeline.Done))
	w.apply("7_story_b", crdt.Set(crdt.DeletedField, crdt.Bool(true)), crdt.Note("source: x"))
	w.apply("9_story_c", crdt.Set(pipeline.NameName, crdt.String("no stage yet")))
	got := map[string]pipeline.KnownStory{}
	if err := w.state().EachKnown(func(k pipeline.KnownStory) { got[k.ID] = k }); err != nil {
		t.Fatal(err)
	}
	want := map[string]pipeline.KnownStory{
		"1_story_a": {ID: "1_story_a", Visible: true, Notes: []string{"source: beads gt-1\nBrought in.", "later"}},
		"login":     {ID: "login", Visible: true, Notes: []string{"note"}},
		"7_story_b": {ID: "7_story_b", Notes: []string{"source: x"}},
		"9_story_c": {ID: "9_story_c"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
