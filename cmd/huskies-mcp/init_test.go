package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/internal/hosts"
	"github.com/huskies/huskies-mcp/tools"
)

// TestAgentsBlock: the block in AGENTS.md names tools that there are, and is short.
func TestAgentsBlock(t *testing.T) {
	named := 0
	for _, m := range regexp.MustCompile("`([a-z]+_[a-z_]+)`").FindAllStringSubmatch(hosts.AgentsBlock, -1) {
		named++
		if !slices.Contains(tools.Names(), m[1]) {
			t.Errorf("it names %s, which is no tool", m[1])
		}
	}
	if lines := strings.Count(hosts.AgentsBlock, "\n"); named == 0 || lines > 12 {
		t.Errorf("it names %d tools in %d lines, want some in at most 12", named, lines)
	}
}
