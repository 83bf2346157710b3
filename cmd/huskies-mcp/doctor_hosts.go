package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// programName is what the command is called in hosts' configurations.
const programName = "huskies-mcp"

// checkHosts looks at what hosts are told to start here.
func (e *examination) checkHosts(ctx context.Context) {
	found := false
	for _, file := range e.hostFiles() {
		if e.checkHostFile(ctx, file) {
			found = true
		}
	}
	if !found {
		e.note("hosts", "tell the agents' host to start it, as the README says under Use it; for Claude Code: claude mcp add huskies -- "+programName,
			"no host's configuration that was found names %s", programName)
	}
	e.checkNames()
}

// checkHostFile looks at one file, and reports whether it is about us.
func (e *examination) checkHostFile(ctx context.Context, file hostFile) bool {
	text, err := readPlain(file.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil:
		e.note("hosts", "check its permissions", "the configuration of %s cannot be read: %v", file.host, err)
		return false
	}
	names := strings.Contains(string(text), programName)
	content, err := file.parse(text)
	if err != nil {
		e.malformed(file, names, err)
		return names
	}
	if !names {
		return false // also when its shape is unknown: it is not about us
	}
	entries, err := file.ownEntries(content)
	if err != nil {
		e.badShape(file, err)
		return true
	}
	found := false
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if entry := entries[name]; entry.mentionsUs() {
			found = true
			e.checkHost(ctx, file, name, entry)
		}
	}
	return found || e.checkOtherKeys(file, content) // who has it under both keys shares the file between hosts
}

// checkOtherKeys finds our server where the host does not look for it, and reports
// whether there is one.
func (e *examination) checkOtherKeys(file hostFile, content map[string]any) (found bool) {
	for _, key := range file.otherKeys(content) {
		entries, err := file.entries(content, key)
		if err != nil {
			found = true
			e.badShape(file, err)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			if entries[name].mentionsUs() {
				found = true
				e.bad("hosts", fmt.Sprintf("move the server to %q there: the README has an example for %s", file.key(), file.host),
					"%s: it stands under %q, which %s; %s reads %q", file.label(name), key, readersOf(key), file.host, file.key())
			}
		}
	}
	return found
}

// badShape reports a file that is about us and not as its host reads it.
func (e *examination) badShape(file hostFile, err error) {
	e.bad("hosts", "mend the file; the README has an example for "+file.host, "%s, of %s, names %s but has not the shape that is read: %v", file.path, file.host, programName, err)
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

// malformed reports a file in which its host cannot read anything. One of the
// user's that does not name us is not for us to judge.
func (e *examination) malformed(file hostFile, names bool, err error) {
	report := e.bad
	if !file.shared && !names {
		report = e.note
	}
	report("hosts", "mend the file: until then "+file.host+" cannot know from it what to start; the README has an example for "+file.host,
		"%s, of %s, is %v", file.path, file.host, err)
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
	label := file.label(name)
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

// checkTarget finds out whether a server with these arguments would start and
// which database it would use, and reports whether it is the one at hand.
func (e *examination) checkTarget(file hostFile, label, folder string, args []string, env map[string]string) bool {
	opts := options{
		getenv: func(name string) string { return file.getenv(name, env) },
		getwd:  func() (string, error) { return folder, nil },
	}
	root := rootCommand(&opts)
	sub, err := serverCommand(root, args)
	if err != nil {
		e.bad("hosts", "mend the arguments: the README has an example for "+file.host, "%s: %v", label, err)
		return false
	}
	server, err := serverEnvironment(sub, opts)
	if err != nil {
		e.bad("hosts", "mend the argument or the variable that the message names: the server does not start with it", "%s: %v", label, err)
		return false
	}
	where := server.where
	if e.where.Path == "" || where.Path == e.where.Path || sameFile(where.Path, e.where.Path) {
		if opts.agent != "" || env["HUSKIES_AGENT"] != "" { // else it has no name, or one that is not the host's
			e.named(server.agent, file)
		}
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

// serverCommand returns the command that the arguments choose, with its flags read;
// an error, if it is not one that serves.
func serverCommand(root *cobra.Command, args []string) (*cobra.Command, error) {
	sub, rest, err := root.Find(args)
	if err != nil {
		return nil, err
	}
	sub.InitDefaultHelpFlag()
	sub.InitDefaultVersionFlag()
	if err := sub.ParseFlags(rest); err != nil {
		return nil, err
	}
	for _, name := range []string{"help", "version"} {
		if sub.Flags().Changed(name) {
			return nil, fmt.Errorf("with --%s it is no server", name)
		}
	}
	if err := sub.ValidateArgs(sub.Flags().Args()); err != nil {
		return nil, err
	}
	if sub != root && sub.Name() != "serve" {
		return nil, fmt.Errorf("%s %s is no server", programName, sub.Name())
	}
	return sub, nil
}

// serverEnvironment reads the options as the server does when it starts. It opens
// nothing, and what it returns is for looking only.
func serverEnvironment(cmd *cobra.Command, opts options) (*environment, error) {
	env, err := newEnvironment(cmd, opts)
	if err != nil {
		return nil, err
	}
	defer env.replica.Close()
	_, err = env.toolsConfig().Offered()
	return env, err
}

// named remembers that a file gives its host's sessions this name.
func (e *examination) named(agent string, file hostFile) {
	if e.names == nil {
		e.names = make(map[string][]hostFile)
	}
	if !slices.Contains(e.names[agent], file) {
		e.names[agent] = append(e.names[agent], file)
	}
}

// checkNames says which names several hosts give. One host may have its name in
// several files: of its own and in each worktree.
func (e *examination) checkNames() {
	for _, agent := range slices.Sorted(maps.Keys(e.names)) {
		files := e.names[agent]
		if !slices.ContainsFunc(files, func(f hostFile) bool { return f.host != files[0].host }) {
			continue
		}
		var given []string
		for _, file := range files {
			given = append(given, fmt.Sprintf("%s (%s)", file.host, file.path))
		}
		e.note("hosts", "give each host a name of its own with --agent; or leave it out, and each agent names itself with its calls",
			"one name, %s, is given by %s: sessions under one name are warned of each other's claims, but not kept from each other's stories", word(agent), strings.Join(given, ", "))
	}
}
