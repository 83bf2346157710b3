package pipeline_test

import (
	"fmt"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestManyStoriesOfOneNumber: thousands of stories share a number and depend on
// it. A list of them is no work of their square (it would not end in this test's
// time), and follows every change of one of them.
func TestManyStoriesOfOneNumber(t *testing.T) {
	w := newWriter(t)
	w.write("2_waits", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1}})
	const stories = 20_000
	for i := range stories {
		parents, seq := w.model.Doc().Next()
		op := &crdt.Op{
			Seq: seq, Parents: parents, Story: fmt.Sprintf("1_story_%d", i),
			Edits: []crdt.Edit{crdt.Set("stage", crdt.String(string(pipeline.Done))), crdt.Dep(1, true), crdt.Place(w.model.Doc().LastPlace())},
		}
		if _, err := crdt.Sign(op, w.key); err != nil {
			t.Fatal(err)
		}
		if _, err := w.model.Apply(op); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, ready bool) {
		t.Helper()
		if page := w.list(pipeline.Filter{Ready: ptr(true)}, nil, 5); page.Total > 0 != ready {
			t.Errorf("%s: %d stories are ready, want some: %t", what, page.Total, ready)
		}
	}
	check("all are done", true)
	w.write("1_story_7", stage(pipeline.QA))
	check("one is in QA", false)
	w.apply("1_story_7", crdt.Set(crdt.DeletedField, crdt.Bool(true)))
	check("that one is deleted", true)
	w.write("1_story_8", stage(pipeline.Merge))
	check("another one is in merge", false)
	if s := w.story("2_waits"); s.Ready || len(s.WaitingOn) != 1 {
		t.Errorf("2_waits: ready %t, waiting on %v", s.Ready, s.WaitingOn)
	}
}
