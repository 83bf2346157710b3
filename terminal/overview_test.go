package terminal_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/terminal"
)

func overview() terminal.Overview {
	all := stories()
	return terminal.Overview{
		Agent:   "claude-code-ab3d",
		Mine:    terminal.Part{Stories: all[3:5], Total: 2, Complete: true},
		Ready:   terminal.Part{Stories: all[:1], Total: 30, Complete: false},
		Blocked: terminal.Part{Stories: all[1:2], Total: 1, Complete: true},
	}
}

func TestOverview(t *testing.T) {
	o := overview()
	golden(t, "overview.txt", o.Text(terminal.Screen{Now: now}))
	golden(t, "overview_80.txt", o.Text(terminal.Screen{Now: now, Width: 80}))
	none := terminal.Overview{Agent: "x"}
	if got, err := none.Hook("claude", terminal.Screen{}); got != "" || err != nil {
		t.Errorf("got %q, %v of an empty pipeline, want nothing", got, err)
	}
}

// TestOverviewHook shows the answers that the hosts read: JSON in which the text is whole.
func TestOverviewHook(t *testing.T) {
	o := overview()
	s := terminal.Screen{Now: now}
	var claude struct {
		Output struct {
			Event string `json:"hookEventName"`
			Text  string `json:"additionalContext"`
		} `json:"hookSpecificOutput"`
	}
	var cursor struct {
		Text string `json:"additional_context"`
	}
	for form, into := range map[string]any{"claude": &claude, "cursor": &cursor} {
		text, err := o.Hook(form, s)
		if err == nil {
			err = json.Unmarshal([]byte(text), into)
		}
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
	}
	if claude.Output.Event != "SessionStart" || claude.Output.Text != o.Text(s) || cursor.Text != o.Text(s) {
		t.Errorf("got %+v and %+v", claude, cursor)
	}
	if _, err := o.Hook("x", s); err == nil {
		t.Error("an unknown form is no error")
	}
}

// TestOverviewIsShort: however long the IDs, names and reasons are, an overview has at most 2,000
// bytes, and stories are named by their whole IDs.
func TestOverviewIsShort(t *testing.T) {
	id := "1_" + strings.Repeat("x", 126)
	var part terminal.Part
	for range 5 {
		part.Stories = append(part.Stories, pipeline.Story{
			ID: id, Name: strings.Repeat("漢", 80), Stage: pipeline.Current, Blocked: true, BlockedReason: strings.Repeat("語", 300), Claim: claim("a", time.Hour),
		})
	}
	part.Total = 1 << 30
	o := terminal.Overview{Agent: strings.Repeat("字", 40), Mine: part, Ready: part, Blocked: part}
	got := o.Text(terminal.Screen{Now: now})
	if len(got) > 2000 {
		t.Errorf("got %d bytes:\n%s", len(got), got)
	}
	if !strings.Contains(got, "- "+id+" ") {
		t.Errorf("no ID is whole:\n%s", got)
	}
}
