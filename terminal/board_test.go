package terminal_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/terminal"
)

func TestBoard(t *testing.T) {
	b := terminal.NewBoard(stories())
	goldens(t, "board", b.Text)
	golden(t, "board.md", b.Markdown(terminal.Screen{Now: now}))
	text, err := b.JSON(terminal.Screen{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal([]byte(text), &rows); err != nil || len(rows) != len(stories()) {
		t.Errorf("got %d rows, %v", len(rows), err)
	}
	golden(t, "board.json", text)
}

// TestBoardSharedNumber: stories that share a number are called by their whole IDs.
func TestBoardSharedNumber(t *testing.T) {
	b := terminal.NewBoard([]pipeline.Story{{ID: "1_a", Stage: pipeline.QA}, {ID: "1_b", Stage: pipeline.QA}, {ID: "2_c", Stage: pipeline.QA}})
	if got, want := b.Text(terminal.Screen{Now: now}), "3_qa  3\n  1_a  1_a\n  1_b  1_b\n  2    2_c\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestDetail(t *testing.T) {
	all := stories()
	st := all[4]
	st.StageSince, st.UpdatedAt = now.Add(-26*time.Hour), now.Add(-time.Hour)
	st.Description = "# What\n\nA paragraph that is long enough to be wrapped at eighty columns, since it goes on and on.\n\n```\ncode stays as it is, however long a line of it may be, since it would not be code any more otherwise\n```\n" + hostile
	st.Warnings = []pipeline.Fact{{Code: pipeline.CodeUnknownNumbers, Numbers: []uint32{9}}}
	st.DependsOn = []uint32{1, 9}
	d := terminal.Detail{
		Story: st, NoteCount: 3,
		Notes:      []pipeline.Note{{Text: "done\nwith it", Agent: "coder-1", At: now.Add(-2 * time.Hour)}, {Text: hostile, Agent: hostile}},
		DependsOn:  []pipeline.Story{all[0], {ID: "9"}},
		Dependents: all[2:3], DependentCount: 4,
		Events: events(),
	}
	// A line of code is not wrapped, so the rule about widths is for what is around it.
	code := "code stays as it is, however long a line of it may be, since it would not be code any more otherwise"
	goldens(t, "detail", func(s terminal.Screen) string { return strings.ReplaceAll(d.Text(s), code, "CODE") })
	text, err := d.JSON(terminal.Screen{Now: now})
	if err != nil || !json.Valid([]byte(text)) {
		t.Errorf("got %s, %v", text, err)
	}
}

// op returns an op with edits.
func op(agent string, ago time.Duration, edits ...crdt.Edit) *crdt.Op {
	return &crdt.Op{Story: "6_story_x", Agent: agent, At: now.Add(-ago).UnixMilli(), Edits: edits}
}

func set(field, value string) crdt.Edit { return crdt.Set(field, crdt.String(value)) }

func events() (all []terminal.Event) {
	for i, o := range ops() {
		all = append(all, terminal.NewEvent(o, "6", i == 0))
	}
	all[len(all)-1].Mark = "held"
	return all
}

func ops() []*crdt.Op {
	yes, no := crdt.Bool(true), crdt.Bool(false)
	return []*crdt.Op{
		op("planner", 400*24*time.Hour, set("stage", "1_backlog"), set("name", "Add login"), set("description", "x"), crdt.Dep(3, true), crdt.Note("source: beads gt-1")),
		op("coder-1", 50*time.Hour, set("agent", "coder-1"), set("claim", "2026/.."), set("stage", "2_current")),
		op("cursor-1", 5*time.Hour, set("stage", "3_qa"), set("agent", ""), crdt.Note("all tests pass\nand more")),
		op("", 4*time.Hour, crdt.Set("blocked", yes), set("blocked_reason", hostile)),
		op("sam", 3*time.Hour, crdt.Set("blocked", no), set("blocked_reason", ""), crdt.Set("retry_count", crdt.Int(0))),
		op(hostile, 2*time.Hour, crdt.Note("just a note"), crdt.Note(hostile)),
		op("sam", time.Hour, crdt.Dep(3, false), crdt.Dep(4, true), set("name", "Log in")),
		op("sam", 50*time.Minute, set("agent", "coder-2")),
		op("sam", 40*time.Minute, set("agent", "")),
		op("sam", 30*time.Minute, crdt.Set(crdt.DeletedField, yes)),
		op("sam", 20*time.Minute, crdt.Set(crdt.DeletedField, no)),
		op("sam", 10*time.Minute, set("agent", ""), set("stage", "1_backlog")),
		op("sam", 5*time.Minute, crdt.Inc("retry_count", 1, crdt.OpID{})),
		op("sam", 4*time.Minute, set("stage", "5_done")),
		op("sam", 3*time.Minute, set("new_field", "x")),
	}
}

func TestHistory(t *testing.T) {
	goldens(t, "history", func(s terminal.Screen) string { return terminal.History(s, events()) })
}

func TestStats(t *testing.T) {
	stats := terminal.Stats{
		Stages: []terminal.StageFigures{
			{Stage: pipeline.Backlog, Stories: 12, Ready: 3, Blocked: 1, Stays: 1, MedianSeconds: 90, LongestSeconds: 200_000},
			{Stage: pipeline.Current, Stories: 1},
			{Stage: pipeline.QA, Stories: 0},
			{Stage: pipeline.Done, Stories: 40},
		},
		Days: []terminal.DayFigures{{Day: "2026-03-03", Added: 1}, {Day: "2026-03-04", Added: 100_000, Done: 120}, {Day: "2026-03-05", Done: 1}},
		Agents: []terminal.AgentWork{
			{Agent: "coder-1", Count: 7, Stories: []string{"6_story_x", "login"}, Live: 1},
			{Agent: hostile, Count: 1, Stories: []string{"7"}},
			{Agent: "an-orchestrator-with-a-name-that-is-longer-than-a-quarter-of-the-screen", Count: 1, Stories: []string{"8"}, Live: 1},
		},
	}
	goldens(t, "stats", stats.Text)
	text, err := stats.JSON()
	if err != nil || !json.Valid([]byte(text)) {
		t.Errorf("got %s, %v", text, err)
	}
}
