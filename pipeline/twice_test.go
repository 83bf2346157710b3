package pipeline_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestTwice: what both sides decided is told, and nothing that adds up or that one side alone wrote.
func TestTwice(t *testing.T) {
	set := func(field, value string) crdt.Edit { return crdt.Set(field, crdt.String(value)) }
	op := func(story string, edits ...crdt.Edit) *crdt.Op { return &crdt.Op{Story: story, Edits: edits} }
	deleted := crdt.Set(crdt.DeletedField, crdt.Bool(true))
	var s pipeline.Sides
	if got := s.Twice(); got != nil {
		t.Errorf("without ops: got %v", got)
	}
	for _, o := range []*crdt.Op{
		op("10_a", set("stage", "2_current"), set("name", "same"), set("claim", "x"), crdt.Note("n"), crdt.Dep(3, true), crdt.Inc("retry_count", 1, crdt.OpID{})),
		op("10_a", set("stage", "3_qa")), // the last one counts
		op("2_b", crdt.Set("blocked", crdt.Bool(true)), set("blocked_reason", "key")),
		op("3_here", set("name", "here alone")),
		op("4_gone", deleted),
		op("5_gone", crdt.Note("it is needed")),
		op("6_gone", deleted),
		op("7_gone", deleted),
	} {
		s.Here(o)
	}
	for _, o := range []*crdt.Op{
		op("10_a", set("stage", "5_done"), set("name", "same"), set("claim", "y"), crdt.Note("m"), crdt.Dep(3, false)),
		op("2_b", crdt.Set("blocked", crdt.Bool(false)), set("blocked_reason", "")),
		op("4_gone", set("name", "new")),
		op("5_gone", deleted),
		op("6_gone", deleted),
		op("7_gone", crdt.Set(crdt.DeletedField, crdt.Bool(false))),
	} {
		s.There(o)
	}
	want := []pipeline.Twice{
		{"2_b", "blocked", "true", "false"},
		{"2_b", "blocked_reason", "key", ""},
		{"4_gone", "deleted", "true", ""},
		{"5_gone", "deleted", "", "true"},
		{"7_gone", "deleted", "true", "false"},
		{"10_a", "stage", "3_qa", "5_done"},
	}
	if diff := cmp.Diff(want, s.Twice()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestValue: a field of a story is spelt as ops have it.
func TestValue(t *testing.T) {
	st := pipeline.Story{Stage: pipeline.QA, Name: "n", Agent: "a", Blocked: true, BlockedReason: "r", Description: "d"}
	for field, want := range map[string]string{"stage": "3_qa", "name": "n", "agent": "a", "blocked": "true", "blocked_reason": "r", "description": "d"} {
		if got, ok := st.Value(field); !ok || got != want {
			t.Errorf("%s: got %q, %t, want %q", field, got, ok, want)
		}
	}
	if _, ok := st.Value("claim"); ok {
		t.Error("a claim is shown")
	}
}
