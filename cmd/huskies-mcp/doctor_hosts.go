package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/tidwall/jsonc"
)

// programName is what the command is called in hosts' configurations.
const programName = "huskies-mcp"

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

// checkHosts looks at what hosts are told to start here.
func (e *examination) checkHosts(ctx context.Context) {
	found := 0
	for _, file := range e.hostFiles() {
		text, err := readPlain(file.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			e.note("hosts", "check its permissions", "the configuration of %s cannot be read: %v", file.host, err)
			continue
		case !strings.Contains(string(text), programName):
			continue // also when it is not well formed: it is not about us
		}
		entries, err := file.entries(text)
		if err != nil {
			found++
			e.bad("hosts", "mend the file; the README has an example for "+file.host, "%s, of %s, names %s but cannot be parsed: %v", file.path, file.host, programName, err)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			if entry := entries[name]; entry.mentionsUs() {
				found++
				e.checkHost(ctx, file, name, entry)
			}
		}
	}
	if found == 0 {
		e.note("hosts", "tell the agents' host to start it, as the README says under Use it; for Claude Code: claude mcp add huskies -- "+programName,
			"no host's configuration that was found names %s", programName)
	}
}

// hostFiles returns where the hosts that the README tells of look, for this
// project and for this user.
func (e *examination) hostFiles() (files []hostFile) {
	for _, project := range e.projectFolders() {
		in := func(elem ...string) string { return filepath.Join(append([]string{project}, elem...)...) }
		files = append(files,
			hostFile{"Claude Code", in(".mcp.json"), project, true},
			hostFile{"Cursor", in(".cursor", "mcp.json"), project, true},
			hostFile{"VS Code", in(".vscode", "mcp.json"), project, true},
			hostFile{"Codex", in(".codex", "config.toml"), project, true})
	}
	start := e.startFolder()
	home, err := os.UserHomeDir()
	if err != nil {
		return files
	}
	claude, codex := home, filepath.Join(home, ".codex")
	if dir := os.Getenv("CLAUDE_CONFIG_DIR"); dir != "" {
		claude = dir
	}
	if dir := os.Getenv("CODEX_HOME"); dir != "" {
		codex = dir
	}
	files = append(files,
		hostFile{"Claude Code", filepath.Join(claude, ".claude.json"), start, false},
		hostFile{"Cursor", filepath.Join(home, ".cursor", "mcp.json"), start, false},
		hostFile{"Codex", filepath.Join(codex, "config.toml"), start, false})
	if dir, err := os.UserConfigDir(); err == nil {
		files = append(files, hostFile{"VS Code", filepath.Join(dir, "Code", "User", "mcp.json"), start, false})
	}
	seen := map[string]bool{} // a home may be the project
	return slices.DeleteFunc(files, func(f hostFile) bool {
		before := seen[f.path]
		seen[f.path] = true
		return before
	})
}

// projectFolders returns the folders that a host may have open as the project:
// that we are in, the root of its repository, and the one with the database.
func (e *examination) projectFolders() []string {
	start := e.startFolder()
	folders := []string{start}
	if root, ok := repositoryRoot(start); ok {
		folders = append(folders, root)
		if main, ok := mainWorktree(root); ok {
			folders = append(folders, main)
		}
	}
	if dir := filepath.Dir(e.where.Path); filepath.Base(dir) == filepath.Dir(databaseFile) {
		folders = append(folders, filepath.Dir(dir))
	}
	slices.Sort(folders)
	return slices.Compact(folders)
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
	if f.host == "VS Code" { // which allows comments and trailing commas
		text = jsonc.ToJSON(text)
	}
	var file hostServers
	if err := json.Unmarshal(text, &file); err != nil {
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

// isUs reports whether a word of a command line is our program's name.
func isUs(word string) bool {
	return strings.TrimSuffix(filepath.Base(word), ".exe") == programName
}

func (h hostEntry) mentionsUs() bool {
	return slices.ContainsFunc(append([]string{h.Command}, h.Args...), func(word string) bool { return strings.Contains(word, programName) })
}

// checkHost looks at one server of a host's file.
func (e *examination) checkHost(ctx context.Context, file hostFile, name string, entry hostEntry) {
	label := fmt.Sprintf("%s (%s, server %s)", file.host, file.path, word(name))
	if entry.Disabled || entry.Enabled != nil && !*entry.Enabled {
		e.note("hosts", "switch it on there, if it should work here", "%s: it is switched off", label)
		return
	}
	folder := file.project
	if entry.Cwd != "" {
		folder = file.expand(entry.Cwd, entry.Env)
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(file.project, folder)
		}
	}
	words := []string{file.expand(entry.Command, entry.Env)}
	for _, arg := range entry.Args {
		words = append(words, file.expand(arg, entry.Env))
	}
	program, err := findProgram(words[0], folder)
	if err != nil {
		e.bad("hosts", "go install ./cmd/huskies-mcp in a clone, then give the whole path as the command: "+ownPath(), "%s: its command %s cannot be started: %v", label, word(words[0]), err)
		return
	}
	// Our own part of the command line: env and the like stand before it.
	us := slices.IndexFunc(words, isUs)
	if us > 0 {
		if program, err = findProgram(words[us], folder); err != nil {
			e.bad("hosts", "give the whole path in its place: "+ownPath(), "%s: %s, which it starts, cannot be started: %v", label, word(words[us]), err)
			return
		}
	}
	if us < 0 {
		e.ok("hosts", "%s starts it by way of %s; what that does was not looked at", label, program)
		return
	}
	if e.checkVersion(ctx, file, label, words[us], program) && e.checkTarget(file, label, folder, words[us+1:], entry.Env) {
		e.ok("hosts", "%s starts %s on this database", label, program)
	}
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

// findProgram returns the program that a host starts from folder: one with a
// slash as it is named, another one from PATH.
func findProgram(command, folder string) (string, error) {
	if command == "" {
		return "", errors.New("there is none")
	}
	if filepath.Base(command) != command && !filepath.IsAbs(command) {
		command = filepath.Join(folder, command)
	}
	return exec.LookPath(command)
}

// ownPath is where this program is.
func ownPath() string {
	path, err := os.Executable()
	if err != nil {
		return programName
	}
	return path
}

// versionTimeout bounds how long a program may take to say its version.
const versionTimeout = 3 * time.Second

// checkVersion compares the program that a host starts with this one. It reports
// whether they are the same version. What stands in the project's own tree, and
// may have come with it, is not run: the host asks before it does, we do not.
func (e *examination) checkVersion(ctx context.Context, file hostFile, label, command, program string) bool {
	if sameFile(program, ownPath()) {
		return true
	}
	// One that is found by PATH is the user's choice.
	if file.shared && filepath.Base(command) != command && e.inProject(program) {
		e.note("hosts", "ask it: "+quoted(program)+" version (this is "+version+revision()+")", "%s: its program is in the project's tree and was not run to ask for its version: %s", label, program)
		return true
	}
	said, err := askVersion(ctx, program)
	switch {
	case err != nil:
		e.bad("hosts", "try it: "+quoted(program)+" version", "%s: %s does not say its version: %v", label, program, err)
		return false
	case said != versionText():
		e.note("hosts", "install one version for all: go install ./cmd/huskies-mcp in a clone", "%s: %s is %q, this is %q", label, program, said, versionText())
	}
	return true
}

// inProject reports whether the file may have come with the project.
func (e *examination) inProject(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		real = path
	}
	return slices.ContainsFunc(e.projectFolders(), func(dir string) bool {
		rel, err := filepath.Rel(dir, real)
		return err == nil && filepath.IsLocal(rel)
	})
}

// askVersion runs "PROGRAM version" and returns the version.
func askVersion(ctx context.Context, program string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "version")
	cmd.WaitDelay = versionTimeout
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("no answer within %v", versionTimeout)
	}
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(out), "\n")
	if said, ok := strings.CutPrefix(line, programName+" "); ok {
		return said, nil
	}
	return "", fmt.Errorf("it says %.80q", line)
}

// checkTarget finds out which database a server with these arguments would use,
// and reports whether it is the one at hand.
func (e *examination) checkTarget(file hostFile, label, folder string, args []string, env map[string]string) bool {
	root := rootCommand()
	root.InitDefaultHelpFlag()
	sub, rest, err := root.Find(args)
	if err == nil {
		err = sub.ParseFlags(rest)
	}
	if err == nil {
		err = sub.ValidateArgs(sub.Flags().Args())
	}
	if err == nil && sub != root && sub.Name() != "serve" {
		err = fmt.Errorf("%s %s is no server", programName, sub.Name())
	}
	if err != nil {
		e.bad("hosts", "mend the arguments: the README has an example for "+file.host, "%s: %v", label, err)
		return false
	}
	where, err := locate(sub.Flag("db").Value.String(), func(name string) string {
		value, ok := env[name]
		switch {
		case ok:
			return file.expand(value, nil)
		case name == "CLAUDE_PROJECT_DIR" && file.host == "Claude Code":
			return file.project
		case name == "CLAUDE_PROJECT_DIR":
			return ""
		}
		return os.Getenv(name)
	}, folder)
	if err != nil {
		e.bad("hosts", "mend it there: the server does not start", "%s: %v", label, err)
		return false
	}
	if e.where.Path == "" || where.Path == e.where.Path || sameFile(where.Path, e.where.Path) {
		return true
	}
	remedy := "if it should be the same one: say --db " + quoted(e.where.Path) + " there, or leave --db and HUSKIES_DB out everywhere"
	text := "%s: its server uses another database, %s (%s)"
	if strings.HasPrefix(e.where.Why, "named by ") {
		e.note("hosts", remedy, text, label, where.Path, where.Why) // perhaps it is this run that is about another one
	} else {
		e.bad("hosts", remedy, text, label, where.Path, where.Why)
	}
	return false
}
