package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/workload"
	"github.com/huskies/huskies-mcp/pipeline"
)

// farOutlets are the commands that show when something was, and what they say of a time that is unknown.
var farOutlets = []struct {
	args []string
	says string
}{
	{[]string{"call", "list_items", `{"fields":["updated_at","stage_since","claim"]}`}, `"story_id":"2_story_far"`},
	{[]string{"call", "read_item", `{"story_id":"2_story_far","history":100}`}, "from the future"},
	{[]string{"call", "wait_for_change", `{"since":"0","timeout_seconds":0}`}, "2_story_far"},
	{[]string{"log"}, "\nunknown  "},
	{[]string{"log", "--json"}, `"story_id":"2_story_far"`},
	{[]string{"list"}, "far"},
	{[]string{"list", "--json"}, `"story_id":"2_story_far"`},
	{[]string{"show", "2"}, "from the future"},
	{[]string{"show", "2", "--json"}, `"story_id":"2_story_far"`},
	{[]string{"stats"}, "1_backlog"},
	{[]string{"stats", "--json"}, "1_backlog"},
	{[]string{"context"}, "2_story_far"},
	{[]string{"export", "--json"}, "2_story_far"},
	{[]string{"export", "--md"}, "2_story_far"},
	{[]string{"export", "--csv"}, "2_story_far"},
	{[]string{"doctor"}, "beyond the year 9999"},
	{[]string{"trust", "list"}, ""},
	{[]string{"verify"}, ""},
}

// TestC42_TimesBeyondTheYear9999: an op may bear any time at all. One that RFC 3339 cannot write is unknown
// in every outlet.
func TestC42_TimesBeyondTheYear9999(t *testing.T) {
	dir := t.TempDir()
	must := func(args ...string) string {
		t.Helper()
		cmd := commandIn(dir, args...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", args, err, out)
		}
		return string(out)
	}
	must("call", "write_item", `{"story_id":"1_story_here","stage":"1_backlog"}`)
	var claimed struct{ Claim string }
	if err := json.Unmarshal([]byte(must("call", "claim_item", `{"story_id":"1_story_here","agent":"coder"}`)), &claimed); err != nil {
		t.Fatal(err)
	}
	id, err := crdt.ParseOpID(strings.TrimSpace(must("heads")))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(must("log", "--json")), "\n")
	var seqs []uint64
	for _, line := range lines {
		var op struct{ Seq uint64 }
		if err := json.Unmarshal([]byte(line), &op); err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, op.Seq)
	}

	far, thief := workload.NewAuthor(9), workload.NewAuthor(10)
	far.At, thief.At = crdt.MaxSeq, crdt.MaxSeq
	ops := []crdt.SignedOp{
		thief.Sign(slices.Max(seqs)+1, []crdt.OpID{id}, "1_story_here", crdt.Set(pipeline.NameAgent, crdt.String("thief")), crdt.Set(pipeline.NameClaim, crdt.String("9999-12-31T23:59:59-12:00/.."))),
		far.Next("2_story_far", crdt.Set(pipeline.NameStage, crdt.String("1_backlog")), crdt.Set(pipeline.NameName, crdt.String("far")), crdt.Note("from the future")),
		far.Next("2_story_far", crdt.Set(pipeline.NameDescription, crdt.String("one"))),
		far.Next("2_story_far", crdt.Set(pipeline.NameDescription, crdt.String("two"))),
	}
	if err := os.WriteFile(filepath.Join(dir, "far.bundle"), workload.Bundle(slices.Values(ops)), 0o600); err != nil {
		t.Fatal(err)
	}
	must("import", "far.bundle")

	for _, outlet := range farOutlets {
		said := must(outlet.args...)
		if !strings.Contains(said, outlet.says) {
			t.Errorf("%s says %.2000q, want %q", outlet.args, said, outlet.says)
		}
		checkNoFarYear(t, strings.Join(outlet.args, " "), said)
	}
	late, err := commandIn(dir, "call", "write_item", `{"story_id":"1_story_here","agent":"coder","name":"x","claim":"`+claimed.Claim+`"}`).CombinedOutput()
	if err == nil || !strings.Contains(string(late), "claimed it") {
		t.Errorf("a lost claim says %q", late)
	}
	checkNoFarYear(t, "a lost claim", string(late))
	c := startLines(t, filepath.Join(dir, ".huskies", "pipeline.db"))
	for i, uri := range []string{"huskies://pipeline", "huskies://story/1_story_here", "huskies://story/2_story_far"} {
		text := c.ask(i, "resources/read", `{"uri":"`+uri+`"}`).raw
		if !strings.Contains(text, "2_story_far") && !strings.Contains(text, "1_story_here") {
			t.Errorf("%s says %s", uri, text)
		}
		checkNoFarYear(t, uri, text)
	}
}

// checkNoFarYear fails where a text holds the year of the greatest time, or the first year that is too far.
func checkNoFarYear(t *testing.T, what, text string) {
	t.Helper()
	for _, year := range []string{"287396", "10000-"} {
		if strings.Contains(text, year) {
			t.Errorf("%s shows the year %s: %s", what, year, text)
		}
	}
}

// commandIn returns the command as it runs in a folder.
func commandIn(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("huskies-mcp", args...)
	cmd.Dir = dir
	return cmd
}
