package pipeline_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestChanges: an Apply tells its changes. A story that is deleted, or has no stage, is in
// no stage.
func TestChanges(t *testing.T) {
	s := pipeline.NewModel()
	apply := func(edits ...crdt.Edit) string {
		t.Helper()
		parents, seq := s.Doc().Next()
		op := crdt.Op{Seq: seq, Parents: parents, Story: "1_s", Edits: edits, Agent: "ann", At: 7}
		op.ID = crdt.OpID{byte(seq), 31: 1}
		if _, err := s.Apply(&op); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, c := range s.Changes() {
			lines = append(lines, c.Story+" "+strings.Join(c.Fields.Names(), ",")+" "+string(c.Before)+">"+string(c.After)+" "+c.Agent)
		}
		return strings.Join(lines, "\n")
	}
	stage := func(s pipeline.Stage) crdt.Edit { return crdt.Set("stage", crdt.String(string(s))) }
	deleted := func(on bool) crdt.Edit { return crdt.Set(crdt.DeletedField, crdt.Bool(on)) }
	for i, step := range []struct {
		edits []crdt.Edit
		want  string
	}{
		{[]crdt.Edit{crdt.Set("name", crdt.String("x")), crdt.Set("unknown", crdt.Int(1))}, "1_s name > ann"},
		{[]crdt.Edit{stage(pipeline.Backlog)}, "1_s stage >1_backlog ann"},
		{[]crdt.Edit{stage(pipeline.QA)}, "1_s stage 1_backlog>3_qa ann"},
		{[]crdt.Edit{crdt.Note("text"), crdt.Dep(3, true), crdt.Inc("retry_count", 1, crdt.OpID{})}, "1_s retry_count,depends_on,note 3_qa>3_qa ann"},
		{[]crdt.Edit{deleted(true)}, "1_s deleted 3_qa> ann"},
		{[]crdt.Edit{stage(pipeline.Merge)}, "1_s stage > ann"},
		{[]crdt.Edit{deleted(false)}, "1_s deleted >4_merge ann"},
	} {
		if diff := cmp.Diff(step.want, apply(step.edits...)); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
}
