package pipeline_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/pipeline"
)

// TestResolve: an exact ID wins, then the one living story with the number, then a deleted one.
func TestResolve(t *testing.T) {
	w := newWriter(t)
	for _, id := range []string{"12_story_a", "13_story_b", "13_story_c", "14_story_d", "15", "15_story_e", "noname", "016_story_f"} {
		w.write(id, stage(pipeline.Backlog))
	}
	if _, err := w.delete("14_story_d"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"12": "12_story_a", "#12": "12_story_a", " 12 ": "12_story_a", "story 12": "12_story_a", "Bug #12": "12_story_a", "# 12": "12_story_a",
		"12_story_a": "12_story_a", "12_story_x": "12_story_x", "noname": "noname", "14": "14_story_d", "15": "15", "16": "016_story_f",
		"13":  "several Number:13 IDs:[13_story_b 13_story_c] Count:2",
		"#15": "several Number:15 IDs:[15 15_story_e] Count:2",
		"99":  "no_number Number:99", "story": "story", "4294967296": "4294967296",
	} {
		got, err := w.state().Resolve(name)
		if err != nil {
			got = refusal(err)
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}

// TestNumbers: depends_on takes numbers and IDs, keeps numbers, and warns of shared ones.
func TestNumbers(t *testing.T) {
	w := newWriter(t)
	for _, id := range []string{"1_a", "2_b", "2_c", "noname"} {
		w.write(id, stage(pipeline.Backlog))
	}
	for _, tt := range []struct {
		names []string
		want  []uint32
		says  string
	}{
		{[]string{"1", "#7", "story 8", "1_a"}, []uint32{1, 7, 8, 1}, ""},
		{[]string{"2_b"}, []uint32{2}, "all_of_number Given:2_b Number:2 IDs:[2_b 2_c] Count:2"},
		{[]string{"1_x"}, nil, "no_story Story:1_x Field:depends_on IDs:[1_a]"},
		{[]string{"noname"}, nil, "unnumbered Story:noname"},
		{[]string{"a/b"}, nil, "bad_dependency Given:a/b"},
	} {
		tx := w.state().NewTx()
		got, err := tx.Numbers(tt.names)
		says := allShown(tx.Warnings())
		if err != nil {
			says = refusal(err)
		}
		if !cmp.Equal(got, tt.want) || says != tt.says {
			t.Errorf("%q: got %v, %q", tt.names, got, says)
		}
	}
}

// TestStageNamed: a stage by any name that can mean only one.
func TestStageNamed(t *testing.T) {
	for want, names := range map[pipeline.Stage][]string{
		pipeline.Backlog:  {"1_backlog", "1", "backlog", "todo", "To do", "TODO"},
		pipeline.Current:  {"2_current", "2", "current", "in progress", "in_progress", "In-Progress", "doing"},
		pipeline.QA:       {"3_qa", "3", "qa", "QA", "3 QA", "3-qa", "review", "in review", "testing"},
		pipeline.Merge:    {"4_merge", "4", "merge", "Merging"},
		pipeline.Done:     {"5_done", "5", "done", "Done", "finished", "completed", "closed"},
		pipeline.Archived: {"6_archived", "6", "archived", "archive"},
		"":                {"", "7", "0", "ready", "blocked", "1_done", "next", "open"},
	} {
		for _, name := range names {
			if got, ok := pipeline.StageNamed(name); ok != (want != "") || ok && got != want {
				t.Errorf("%q: got %q, %t, want %q", name, got, ok, want)
			}
		}
	}
}
