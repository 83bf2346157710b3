package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestTypeScriptClient has the official TypeScript SDK call every tool and validate every answer against the tool's
// output schema. It needs what make tsclient installs.
func TestTypeScriptClient(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skipf("no node here: %v", err)
	}
	dir, err := filepath.Abs(filepath.Join("..", "..", "internal", "tsclient"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Skipf("the SDK is not installed, make tsclient does it: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), node, filepath.Join(dir, "client.mjs"), "huskies-mcp", "--log-level", "warn", "--db", filepath.Join(t.TempDir(), "x.db"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
