package tools

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestAnswersFromADamagedState: a read that finds the state damaged on its way begins anew, and says
// everything once.
func TestAnswersFromADamagedState(t *testing.T) {
	for _, tt := range []struct{ tool, args string }{
		{"list_items", `{"query":"7","stage":"1_backlog"}`},
		{"wait_for_change", `{"since":"0","timeout_seconds":0}`},
	} {
		t.Run(tt.tool, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			h := newHost(t, path)
			foreign := newForeign(t)
			for _, id := range []string{"3_gone", "7_a", "7_b"} {
				foreign.add(id, crdt.Set("stage", crdt.String("1_backlog")))
			}
			foreign.add("7_b", crdt.Dep(3, true))
			foreign.add("3_gone", crdt.Set(crdt.DeletedField, crdt.Bool(true)))
			foreign.importInto(newReplica(t, path))
			want := h.ok(tt.tool, tt.args)
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec("UPDATE stories SET merged = x'00' WHERE id = '3_gone'"); err != nil {
				t.Fatal(err)
			}
			got := h.ok(tt.tool, tt.args)
			type parts struct {
				Stages  []stageItems
				Changes []change
			}
			var before, after parts
			for _, answer := range []struct {
				text string
				to   *parts
			}{{want, &before}, {got, &after}} {
				if err := json.Unmarshal([]byte(answer.text), answer.to); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(before, after, cmp.AllowUnexported(listItem{})); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
		})
	}
}
