package pipeline_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/pipeline"
)

// TestOutline: an outline is the story without what costs much, and the same stories are missing.
func TestOutline(t *testing.T) {
	w := newWriter(t)
	w.write("1_a", pipeline.Changes{Stage: ptr(pipeline.Archived)})
	w.write("2_b", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1, 77}, Name: ptr("B")})
	w.write("2_c", pipeline.Changes{Stage: ptr(pipeline.QA), Agent: ptr("ann")})
	w.write("3_d", pipeline.Changes{Stage: ptr(pipeline.Backlog)})
	if _, err := w.delete("3_d"); err != nil {
		t.Fatal(err)
	}
	warned := false
	for _, id := range []string{"1_a", "2_b", "2_c", "3_d", "4_none", "bad id"} {
		story, storyErr := w.state().Story(id)
		warned = warned || len(story.Warnings) > 0
		story.Claim, story.Warnings = nil, nil
		outline, err := w.state().Outline(id)
		if diff := cmp.Diff(story, outline); diff != "" {
			t.Errorf("the outline of %s differs:\n%s", id, diff)
		}
		if diff := cmp.Diff(storyErr, err); diff != "" {
			t.Errorf("%s: another error:\n%s", id, diff)
		}
	}
	if !warned {
		t.Error("no story has a warning")
	}
	if all := w.state().NumberedOutlines(2); len(all) != 2 || all[0].Name != "B" || all[1].ID != "2_c" || all[0].Warnings != nil {
		t.Errorf("got %+v", all)
	}
}
