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
	"slices"
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

// label says which server of which file is meant.
func (f hostFile) label(name string) string {
	return fmt.Sprintf("%s (%s, server %s)", f.host, f.path, word(name))
}

// key returns the key of the file under which the host reads its servers.
func (f hostFile) key() string {
	switch f.host {
	case "Codex":
		return "mcp_servers"
	case "VS Code":
		return "servers"
	}
	return "mcpServers"
}

// readersOf says who reads a key.
func readersOf(key string) string {
	switch key {
	case "mcpServers":
		return "Claude Code and Cursor read"
	case "servers":
		return "VS Code reads"
	case "mcp_servers":
		return "Codex reads"
	}
	return "no host reads"
}

// parse reads the text, whatever stands in it, or says why its host cannot. An
// empty file of the user's is left alone.
func (f hostFile) parse(text []byte) (map[string]any, error) {
	if f.host == "Codex" {
		return parseTOML(text)
	}
	text = f.plainJSON(text)
	switch empty := len(bytes.TrimSpace(text)) == 0; {
	case empty && f.shared && f.host != "VS Code": // VS Code parses with allowEmptyContent
		return nil, errors.New("not JSON: it is empty, where {} would name no server")
	case empty:
		return nil, nil
	}
	return parseJSON(text)
}

func parseTOML(text []byte) (table map[string]any, err error) {
	err = toml.Unmarshal(text, &table)
	var at *toml.DecodeError
	if errors.As(err, &at) {
		line, _ := at.Position()
		return nil, fmt.Errorf("not TOML: line %d: %w", line, err)
	}
	return table, err
}

func parseJSON(text []byte) (map[string]any, error) {
	var value any
	err := json.Unmarshal(text, &value)
	var at *json.SyntaxError
	if errors.As(err, &at) {
		return nil, fmt.Errorf("not JSON: line %d: %w", 1+bytes.Count(text[:at.Offset], []byte("\n")), err)
	}
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return object, nil
}

// plainJSON returns the text without comments and trailing commas where the host
// allows them; all else stays at its place.
func (f hostFile) plainJSON(text []byte) []byte {
	if f.host == "VS Code" {
		return jsonc.ToJSON(text)
	}
	return text
}

// ownEntries returns the servers that the host reads.
func (f hostFile) ownEntries(file map[string]any) (map[string]hostEntry, error) {
	entries, err := f.entries(file, f.key())
	if err != nil || f.host != "Claude Code" || f.shared {
		return entries, err
	}
	projects, _ := file["projects"].(map[string]any)
	for folder, project := range projects {
		project, _ := project.(map[string]any)
		if project == nil || !sameFile(folder, f.project) {
			continue
		}
		nearer, err := f.entries(project, f.key())
		if err != nil {
			return nil, err
		}
		maps.Copy(entries, nearer) // what is nearer counts
	}
	return entries, nil
}

// otherKeys returns the keys that are or look like those of other hosts.
func (f hostFile) otherKeys(file map[string]any) (keys []string) {
	for _, key := range slices.Sorted(maps.Keys(file)) {
		switch strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(key)) {
		case "servers", "mcpservers":
			if key != f.key() {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// entries reads the servers under a key, those apart that are no programs to start.
func (f hostFile) entries(file map[string]any, key string) (map[string]hostEntry, error) {
	entries := make(map[string]hostEntry)
	servers, _ := file[key].(map[string]any)
	for name, server := range servers {
		entry, err := f.entry(server)
		switch {
		case err == nil:
			entries[name] = entry
		case strings.Contains(fmt.Sprint(server), programName):
			return nil, fmt.Errorf("server %q: %w", name, err)
		}
		// Else it is another server's, of a kind that we do not know.
	}
	return entries, nil
}

func (f hostFile) entry(server any) (entry hostEntry, err error) {
	marshal, unmarshal := json.Marshal, json.Unmarshal
	if f.host == "Codex" {
		marshal, unmarshal = toml.Marshal, toml.Unmarshal
	}
	text, err := marshal(server)
	if err != nil {
		return entry, err
	}
	return entry, unmarshal(text, &entry)
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
