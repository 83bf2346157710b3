package terminal_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/terminal"
)

var update = flag.Bool("update", false, "rewrite the expected output; review the diff as code")

var now = time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)

// golden compares a text with a file of testdata. Escape characters stand there as ␛, so that the
// file can be read.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = strings.ReplaceAll(got, "\x1b", "␛")
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// goldens compares what show prints for narrow and wide screens, with colours and without.
func goldens(t *testing.T, name string, show func(terminal.Screen) string) {
	t.Helper()
	for _, columns := range []int{80, 200} {
		s := terminal.Screen{Width: columns, Now: now}
		plain := show(s)
		golden(t, fmt.Sprintf("%s_%d.txt", name, columns), plain)
		s.Color = true
		golden(t, fmt.Sprintf("%s_%d_color.txt", name, columns), show(s))
		for line := range strings.Lines(plain) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > columns {
				t.Errorf("%s: a line has %d characters, more than %d: %q", name, n, columns, line)
			}
		}
	}
}

// hostile is a text with all that must not reach a terminal.
const hostile = "\x1b[31mred\x07\u009b2J\u202eback\u2066 \U000e0041tag\r\nline\ttab\xff"

func claim(agent string, left time.Duration) *pipeline.Claim {
	return &pipeline.Claim{Agent: agent, Since: now.Add(-10 * time.Minute), Lease: pipeline.Lease{Ends: now.Add(left)}}
}

// stories are stories in all states, in pipeline order.
func stories() []pipeline.Story {
	return []pipeline.Story{
		{ID: "1_story_add_login", Stage: pipeline.Backlog, Name: "Add login", Ready: true, UpdatedAt: now},
		{ID: "2_story_hostile", Stage: pipeline.Backlog, Name: hostile, Blocked: true, BlockedReason: hostile},
		{ID: "13_bug_crash", Stage: pipeline.Backlog, Name: "Fix the crash that comes when a very long name of a story meets a narrow screen of 80 columns", DependsOn: []uint32{1, 7}, WaitingOn: []uint32{1, 7}},
		{ID: "login", Stage: pipeline.Current, Agent: "claude-code-ab3d", Claim: claim("claude-code-ab3d", 12*time.Minute)},
		{ID: "14_spike", Stage: pipeline.Current, Name: "漢字の名前 🐕", Agent: "coder-1", Claim: claim("coder-1", -time.Minute), RetryCount: 2},
		{ID: "15_story_x", Stage: pipeline.QA, Name: "Given by hand", Agent: "sam"},
		{ID: "16_story_done", Stage: pipeline.Done, Name: "Ship <it> & celebrate"},
	}
}

func TestClean(t *testing.T) {
	if got, want := phrase.Line(hostile), "[31mred2Jback tag line tab\ufffd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := phrase.Text("a\r\nb\tc\u202e"), "a\nb c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLinesEnd shows where a line of text may end, and where the next one begins.
func TestLinesEnd(t *testing.T) {
	for _, c := range []struct {
		given string
		want  []string
	}{
		{"a word and a word", []string{"a word and", "a word"}},
		{"  - an item of a list", []string{"  - an", "    item", "    of a", "    list"}},
		{"- 2_story_with_a_long_name too", []string{"- 2_story_with_a_long_name", "  too"}},
		{"1. an item", []string{"1. an item"}},
		{"10. an item too", []string{"10. an", "    item", "    too"}},
		{"- [x] it is done", []string{"- [x] it", "      is", "      done"}},
		{"see https://example.com/a-b/c now", []string{"see", "https://example.com/a-b/c", "now"}},
		{"原因：他们还没有决定颜色。", []string{"原因：他们", "还没有决定", "颜色。"}},
		{"还没有决定。", []string{"还没有决", "定。"}},
		{"x 还没有决定", []string{"x 还没有决", "定"}},
		{"x-还没有决定", []string{"x-还没有决", "定"}},
	} {
		got := strings.Split(terminal.Screen{Width: 10}.Hang(c.given, 0), "\n")
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.given, diff)
		}
	}
}
