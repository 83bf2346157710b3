package tools

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/huskies/huskies-mcp/internal/workload"
	"github.com/huskies/huskies-mcp/oplog/bundle"
)

// TestC44_MaliciousBundles: what the curves measure is taken in as a whole, waits or is refused, and the
// pipeline goes on. BenchmarkMalice shows what it costs.
func TestC44_MaliciousBundles(t *testing.T) {
	const n = 400
	want := map[string]struct{ stories, pending, refused int }{
		"layered dependencies":       {200, 0, 0},
		"heads":                      {n, 0, 0},
		"held ops that wait for one": {1, n, n / 100},
		"stages":                     {n, 0, 0},
		"dependencies of one story":  {1, 0, 0},
		"dependents of one story":    {n + 1, 0, 0},
	}
	for _, m := range workload.Malices {
		t.Run(m.Name, func(t *testing.T) {
			want, ok := want[m.Name]
			if !ok {
				t.Fatal("it has no row in the table")
			}
			path := filepath.Join(t.TempDir(), "p.db")
			h, r := newHost(t, path), newReplica(t, path)
			lines := workload.Bundle(m.Ops(n))
			if m.Then != nil {
				lines = bundle.AppendLine(lines, m.Then(n))
			}
			report, err := r.Import(t.Context(), bundle.NewReader(bytes.NewReader(lines)), nil)
			if err != nil || int(report.Pending) != want.pending || int(report.Refused) != want.refused {
				t.Errorf("the import reports %+v, %v, want %+v", report, err, want)
			}
			var out listItemsOut
			if err := json.Unmarshal([]byte(h.ok("list_items", `{}`)), &out); err != nil || out.Total != want.stories {
				t.Errorf("the list has %d stories, %v, want %d", out.Total, err, want.stories)
			}
			h.ok("write_item", `{"story_id":"1","note":"the pipeline goes on"}`)
		})
	}
}
