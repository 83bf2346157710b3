package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/workload"
	"github.com/huskies/huskies-mcp/oplog/bundle"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestStatsOfManyAgents: a bundle brings as many names of agents as stories. stats looks at some of them, and says so.
func TestStatsOfManyAgents(t *testing.T) {
	const agents = 500
	author := workload.NewAuthor(21)
	var all []byte
	for i := range agents {
		all = bundle.AppendLine(all, author.Next(fmt.Sprintf("%d_story_x", i+1), crdt.Set(pipeline.NameStage, crdt.String(string(pipeline.Current))),
			crdt.Set(pipeline.NameAgent, crdt.String(fmt.Sprintf("agent-%d", i)))))
	}
	file := filepath.Join(t.TempDir(), "x.bundle")
	if err := os.WriteFile(file, all, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) []byte {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "huskies-mcp", append([]string{"--db", filepath.Join(filepath.Dir(file), "p.db")}, args...)...).Output()
		if err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		return out
	}
	run("import", "--create", file)
	var got struct {
		Agents     []any `json:"agents"`
		MoreAgents int   `json:"more_agents"`
	}
	if err := json.Unmarshal(run("stats", "--json"), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Agents) != 200 || got.MoreAgents != agents-200 {
		t.Errorf("stats names %d agents and says that there are %d more", len(got.Agents), got.MoreAgents)
	}
}
