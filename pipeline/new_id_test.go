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
		if got := newID(t, w.state(), typ, slug); got != want {
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
	expect("spike", "spike_x", "10_spike_x")
	expect("spike", "spike", "10_spike")
	expect("bug", "bugs_x", "10_bug_bugs_x")
	expect("story", strings.Repeat("long_", 99), strings.TrimRight(("10_story_" + strings.Repeat("long_", 99))[:crdt.MaxStoryID], "_"))
	w.write("4294967295_story_last", stage(pipeline.Backlog))
	expect("", "x", "1_story_x")
	w.write("1_story_x", stage(pipeline.Backlog))
	expect("", "x", "2_story_x")

	if _, err := w.state().NewTx().NewID("epic", "x"); err == nil || kind(err) != pipeline.KindInvalid {
		t.Errorf("type epic: got %v, want an error of kind %v", err, pipeline.KindInvalid)
	}
}

// TestSameName: who creates a story hears that one of the last has its name, as after a
// call that was made again.
func TestSameName(t *testing.T) {
	w := newWriter(t)
	warned := func(id, name string) string {
		t.Helper()
		tx := w.state().NewTx()
		if _, _, err := tx.Write(id, pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: &name}); err != nil {
			t.Fatal(err)
		}
		w.apply(id, tx.Edits()...)
		return allShown(tx.Warnings())
	}
	for _, id := range []string{"1_a", "3_a", "4_a"} {
		if got := warned(id, "Log in "+id); got != "" {
			t.Errorf("%s: got %q", id, got)
		}
	}
	if got := warned("5_a", "Log in 3_a"); got != "same_name Story:3_a" {
		t.Errorf("got %q", got)
	}
	if got := warned("5_a", "Log in 4_a"); got != "" {
		t.Errorf("a story that was there: got %q", got)
	}
	w.apply("4_a", crdt.Set(crdt.DeletedField, crdt.Bool(true)))
	if got := warned("6_a", "Log in 4_a"); got != "same_name Story:5_a" {
		t.Errorf("beside a deleted one: got %q", got)
	}
	if got := warned("1000_a", ""); got != "" {
		t.Errorf("without a name: got %q", got)
	}
	if got := warned("1001_a", "Log in 1_a"); got != "" {
		t.Errorf("long ago: got %q", got)
	}
}
