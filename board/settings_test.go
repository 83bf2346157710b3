package board_test

import (
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// TestSettings: a person changes the settings of the pipeline; a limit shows at its column, and the activity
// tells who changed it.
func TestSettings(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	s.add("2_b", pipeline.Changes{})
	s.claim("coder-1", "1_a")
	s.claim("coder-2", "2_b")
	in := newClient(s)
	f := in.follow(in.mark())
	in.must("/settings/limit.2_current", map[string]string{"value": "1"})
	f.until("that the limit is passed", func(e event) bool { return strings.Contains(e.data.Heads["2_current"], "2/1 claimed, over the limit") })
	if _, page := in.get("/"); !strings.Contains(page, "2/1 claimed, over the limit") {
		t.Errorf("the column does not show its limit")
	}
	for name, value := range map[string]string{"limit.2_current": "0", "max_retries": "x", "lease_grace": "1s", "no_such": "1"} {
		if status, out := in.deed("/settings/"+name, map[string]string{"value": value}); status != 422 || out.Error == "" {
			t.Errorf("%s %s: got %d %+v", name, value, status, out)
		}
	}
	if _, page := in.get("/settings"); !strings.Contains(page, `value="1"`) || !strings.Contains(page, "set by ann") {
		t.Errorf("the page of the settings shows\n%s", page)
	}
	if _, page := in.get("/activity"); !strings.Contains(page, `<a href="/settings">settings</a>`) {
		t.Errorf("the activity shows\n%s", page)
	}
	in.must("/settings/limit.2_current", map[string]string{"value": ""})
	err := s.agents.View(t.Context(), func(v *replica.View) error {
		if limit, _ := v.Room(pipeline.Current); limit != 0 {
			t.Errorf("the limit is %d", limit)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
