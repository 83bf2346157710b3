package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/tools"
)

// TestCallExamples: what the errors of call give as an example of a tool's
// arguments, that tool takes.
func TestCallExamples(t *testing.T) {
	db := filepath.Join(t.TempDir(), "x.db")
	call := func(args ...string) (string, error) {
		out, err := exec.Command("huskies-mcp", append([]string{"--db", db, "call"}, args...)...).CombinedOutput()
		return string(out), err
	}
	for _, tool := range tools.Names() { // in an order in which each finds its story
		arguments, ok := exampleArguments[tool]
		if !ok {
			t.Errorf("%s has no example: give it one in exampleArguments", tool)
			continue
		}
		for _, wrong := range [][]string{{tool, "story_id=1"}, {tool, "a", "b"}} {
			if out, err := call(wrong...); err == nil || !strings.Contains(out, "'"+arguments+"'") {
				t.Errorf("call %q: got %v, %s, want '%s' in it", wrong, err, out, arguments)
			}
		}
		if out, err := call(tool, arguments); err != nil {
			t.Errorf("call %s '%s': %v: %s", tool, arguments, err, out)
		}
	}
}
