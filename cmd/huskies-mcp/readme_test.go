package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// readmeBlocks returns the README's code blocks in the given language.
func readmeBlocks(t *testing.T, language string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("README.md has no %s block", language)
	}
	return blocks
}

// hostServer is how hosts describe a stdio server. The command has no other keys
// than these, and hosts no others that the README uses.
type hostServer struct {
	Type    string   `json:"type"`
	Command string   `json:"command" toml:"command"`
	Args    []string `json:"args" toml:"args"`
	Cwd     string   `json:"cwd"`
}

// TestReadmeHostConfiguration parses the hosts' configuration files and starts
// the server as they say.
func TestReadmeHostConfiguration(t *testing.T) {
	servers := map[string]hostServer{}
	for _, block := range readmeBlocks(t, "json") {
		var file struct {
			MCPServers map[string]hostServer `json:"mcpServers"` // Claude Code, Cursor
			Servers    map[string]hostServer `json:"servers"`    // VS Code
		}
		dec := json.NewDecoder(strings.NewReader(block))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&file); err != nil {
			t.Fatalf("%v in\n%s", err, block)
		}
		if file.MCPServers != nil {
			servers["claude"] = file.MCPServers["huskies"]
		} else {
			servers["vscode"] = file.Servers["huskies"]
		}
	}
	for _, block := range readmeBlocks(t, "toml") {
		var file struct {
			MCPServers map[string]hostServer `toml:"mcp_servers"`
		}
		if err := toml.NewDecoder(strings.NewReader(block)).DisallowUnknownFields().Decode(&file); err != nil {
			t.Fatalf("%v in\n%s", err, block)
		}
		servers["codex"] = file.MCPServers["huskies"]
	}
	if len(servers) != 3 {
		t.Errorf("the README configures %d kinds of host, want 3", len(servers))
	}
	for host, s := range servers {
		cmd := exec.Command(s.Command, s.Args...)
		cmd.Dir = t.TempDir()
		cmd.Stdin = strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"readme","version":"1"}}}` + "\n")
		out, err := cmd.Output()
		if err != nil || !bytes.Contains(out, []byte(`"serverInfo"`)) {
			t.Errorf("%s: %s %v: %s (%v)", host, s.Command, s.Args, out, err)
		}
	}
}

// TestReadmeCommands runs the commands for people, one after the other, in a
// fresh folder. Building and testing the project from itself is left out.
func TestReadmeCommands(t *testing.T) {
	dir := t.TempDir()
	ran := 0
	for _, block := range readmeBlocks(t, "sh") {
		for line := range strings.Lines(block) {
			line = strings.Replace(strings.TrimSpace(line), "go run ./cmd/huskies-mcp", "huskies-mcp", 1)
			if !strings.HasPrefix(line, "huskies-mcp") {
				switch {
				case line == "go test ./...", line == "go install ./cmd/huskies-mcp": // what runs this test
				default:
					t.Errorf("a command that no test runs: %s", line)
				}
				continue
			}
			cmd := exec.Command("sh", "-c", line)
			cmd.Dir = dir
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || len(out) == 0 || stderr.Len() > 0 && !beginsPipeline.Match(stderr.Bytes()) {
				t.Errorf("%s: printed %q and %q (%v)", line, out, &stderr, err)
			}
			ran++
		}
	}
	if ran < 5 {
		t.Errorf("ran %d commands of the README, want 5 or more", ran)
	}
}
