package terminal_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/terminal"
)

// settingsOps are ops on the settings, the first written last. One is of a newer build, and one hostile.
func settingsOps() []*crdt.Op {
	ops := []*crdt.Op{
		op("ann", 0, set("limit.4_merge", "1")),
		op("bob", 0, set("lease_grace", "1s"), set("max_retries", "")),
		op(hostile, 0, set("colour", hostile)),
		op("", 0, crdt.Note("a note")),
	}
	for i, o := range ops {
		o.Story, o.Seq = pipeline.SettingsStory, uint64(i+1)
	}
	return ops
}

// TestSettingsTable: the table tells what counts, and says of all else that it is ignored, and why.
func TestSettingsTable(t *testing.T) {
	all := terminal.Settings(pipeline.SettingsBy(func(yield func(*crdt.Op) bool) {
		for _, op := range settingsOps() {
			if !yield(op) {
				return
			}
		}
	}))
	got := all.Text(terminal.Screen{Now: now})
	for _, want := range []string{
		"\nlimit.4_merge    1 ", "\nmax_retries      - ", "\nlease_grace      1s (ignored) ", " bob, 15:00\n",
		"\nignored: lease_grace must be whole seconds from 10s to 24h, such as 90s or 5m; got \"1s\"\n",
		"\nignored: there is no setting \"colour\": the settings are max_retries, ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.ContainsAny(got, "\x1b\x07\u202e\r") {
		t.Errorf("the table drives the terminal: %q", got)
	}
}

// TestSettingsInWords: the history tells what was set.
func TestSettingsInWords(t *testing.T) {
	var got []string
	for _, op := range settingsOps() {
		got = append(got, phrase.Words(op, "it", true, nil))
	}
	want := []string{"set limit.4_merge to 1", "set lease_grace to 1s, cleared max_retries", "set colour to " + phrase.Line(hostile), "changed no setting"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
