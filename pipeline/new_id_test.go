package pipeline_test

import (
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// newID returns the ID that the next story would get.
func newID(t *testing.T, s *pipeline.State, typ, slug string) string {
	t.Helper()
	id, err := s.NewTx().NewID(typ, slug)
	if err != nil {
		t.Fatal(err)
	}
	if !crdt.ValidStoryID(id) {
		t.Errorf("%q is no story ID", id)
	}
	return id
}

// TestNewID: a number is never given out again, whoever had it.
func TestNewID(t *testing.T) {
	w := newWriter(t)
	expect := func(typ, slug, want string) {
		t.Helper()
		if got := newID(t, w.state, typ, slug); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect("", "log_in", "1_story_log_in")
	w.write("7_story_a", stage(pipeline.Backlog))
	expect("bug", "", "8_bug")
	w.apply("7_story_a", crdt.Set(crdt.DeletedField, crdt.Bool(true)))
	expect("spike", "x", "8_spike_x")
	w.apply("9_story_b", crdt.Set(pipeline.NameName, crdt.String("no stage yet"))) // nobody sees it
	expect("refactor", "x", "10_refactor_x")
	expect("story", strings.Repeat("long_", 99), strings.TrimRight(("10_story_" + strings.Repeat("long_", 99))[:crdt.MaxStoryID], "_"))
	w.write("4294967295_story_last", stage(pipeline.Backlog))
	expect("", "x", "1_story_x")
	w.write("1_story_x", stage(pipeline.Backlog))
	expect("", "x", "2_story_x")

	if _, err := w.state.NewTx().NewID("epic", "x"); err == nil || code(err) != pipeline.CodeInvalid {
		t.Errorf("type epic: got %v, want an error of code %v", err, pipeline.CodeInvalid)
	}
}
