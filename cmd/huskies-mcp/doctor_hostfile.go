package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/tidwall/jsonc"
)

// hostFile is a file in which a host may be told to start servers.
type hostFile struct {
	host    string
	path    string
	project string // the folder in which the host starts the server, unless told otherwise
	shared  bool   // it may come with the project, from others
}

// hostEntry is how hosts describe a stdio server.
type hostEntry struct {
	Command  string            `json:"command" toml:"command"`
	Args     []string          `json:"args" toml:"args"`
	Env      map[string]string `json:"env" toml:"env"`
	Cwd      string            `json:"cwd" toml:"cwd"`
	Disabled bool              `json:"disabled" toml:"-"`
	Enabled  *bool             `json:"-" toml:"enabled"`
}

// hostServers is what we read of a host's file: each host uses one of the keys.
type hostServers struct {
	MCPServers map[string]json.RawMessage `json:"mcpServers"` // Claude Code, Cursor
	Servers    map[string]json.RawMessage `json:"servers"`    // VS Code
	Projects   map[string]struct {        // Claude Code, by folder
		MCPServers map[string]json.RawMessage `json:"mcpServers"`
	} `json:"projects"`
}

// malformed says why the text cannot be parsed, whatever stands in it; nil if it
// can. An empty file names no server, which is no fault.
func (f hostFile) malformed(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if f.host == "Codex" {
		err := toml.Unmarshal(text, new(map[string]any))
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, _ := at.Position()
			return fmt.Errorf("not TOML: line %d: %w", line, err)
		}
		return err
	}
	text = f.plainJSON(text)
	err := json.Unmarshal(text, new(any))
	var at *json.SyntaxError
	if errors.As(err, &at) {
		return fmt.Errorf("not JSON: line %d: %w", 1+bytes.Count(text[:at.Offset], []byte("\n")), err)
	}
	return err
}

// plainJSON returns the text without comments and trailing commas where the host
// allows them; all else stays at its place.
func (f hostFile) plainJSON(text []byte) []byte {
	if f.host == "VS Code" {
		return jsonc.ToJSON(text)
	}
	return text
}

// entries reads the servers of a host's file, those apart that are no programs to
// start.
func (f hostFile) entries(text []byte) (map[string]hostEntry, error) {
	if f.host == "Codex" {
		var file struct {
			MCPServers map[string]hostEntry `toml:"mcp_servers"`
		}
		err := toml.Unmarshal(text, &file)
		return file.MCPServers, err
	}
	var file hostServers
	if err := json.Unmarshal(f.plainJSON(text), &file); err != nil {
		return nil, err
	}
	raw := make(map[string]json.RawMessage)
	maps.Copy(raw, file.MCPServers)
	maps.Copy(raw, file.Servers)
	for folder, project := range file.Projects {
		if sameFile(folder, f.project) {
			maps.Copy(raw, project.MCPServers) // what is nearer counts
		}
	}
	entries := make(map[string]hostEntry)
	for name, text := range raw {
		var entry hostEntry
		if err := json.Unmarshal(text, &entry); err != nil {
			if strings.Contains(string(text), programName) {
				return nil, fmt.Errorf("server %q: %w", name, err)
			}
			continue // another server's, of a kind that we do not know
		}
		entries[name] = entry
	}
	return entries, nil
}

var hostVariable = regexp.MustCompile(`\$\{([^}]*)\}`)

// expand replaces the variables that hosts know in configurations:
// ${workspaceFolder}, ${userHome}, ${env:NAME}, ${NAME} and ${NAME:-default}.
func (f hostFile) expand(text string, env map[string]string) string {
	return hostVariable.ReplaceAllStringFunc(text, func(variable string) string {
		name := strings.TrimPrefix(variable[2:len(variable)-1], "env:")
		switch name {
		case "workspaceFolder":
			return f.project
		case "userHome":
			home, _ := os.UserHomeDir()
			return home
		case "pathSeparator", "/":
			return string(filepath.Separator)
		}
		name, value, hasDefault := strings.Cut(name, ":-")
		if v, ok := env[name]; ok && v != variable {
			return v
		}
		if v, ok := os.LookupEnv(name); ok || hasDefault {
			if v != "" || !hasDefault {
				return v
			}
			return value
		}
		return variable
	})
}

// getenv returns a variable as the host gives it to a server with the environment
// env of its own.
func (f hostFile) getenv(name string, env map[string]string) string {
	value, ok := env[name]
	switch {
	case ok:
		return f.expand(value, nil)
	case name == "CLAUDE_PROJECT_DIR" && f.host == "Claude Code":
		return f.project
	case name == "CLAUDE_PROJECT_DIR":
		return ""
	}
	return os.Getenv(name)
}
