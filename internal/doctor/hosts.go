package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/hosts"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/internal/phrase"
)

// programName is what the command is called in hosts' configurations.
const programName = hosts.Program

// checkHosts looks at what hosts are told to start here.
func (e *examination) checkHosts(ctx context.Context) {
	found := false
	for _, file := range e.hostFiles() {
		if e.checkHostFile(ctx, file) {
			found = true
		}
	}
	if !found {
		e.note("hosts", "tell the hosts of this project to start it: "+programName+" init",
			"no host's configuration that was found names %s", programName)
	}
	e.checkNames()
}

// checkHostFile looks at one file, and reports whether the file is about us.
func (e *examination) checkHostFile(ctx context.Context, file hostFile) bool {
	text, err := locate.ReadPlain(file.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil:
		e.note("hosts", "check its permissions", "the configuration of %s cannot be read: %v", file.host.Name, err)
		return false
	}
	names := strings.Contains(string(text), programName)
	content, err := file.parse(text)
	if err != nil {
		e.malformed(file, names, err)
		return names
	}
	if !names {
		return false // the file is not about us, whatever its shape
	}
	entries, err := file.ownEntries(content)
	if err != nil {
		e.badShape(file, err)
		return true
	}
	found := false
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if entry := entries[name]; entry.MentionsUs() {
			found = true
			if setting := file.host.Hidden(text, name); setting != "" {
				e.bad("hosts", "mend the setting "+setting+" there", "%s: the setting %s hides it from %s", file.label(name), setting, file.host.Name)
			}
			e.checkHost(ctx, file, name, entry)
		}
	}
	// A file that several hosts share has our server under the keys of all of them.
	return found || e.checkOtherKeys(file, content)
}

// checkOtherKeys finds our server under a key that the host does not read, and
// reports whether there is such a server.
func (e *examination) checkOtherKeys(file hostFile, content map[string]any) (found bool) {
	for _, key := range file.host.OtherKeys(content) {
		entries, err := file.host.Entries(content, key)
		if err != nil {
			found = true
			e.badShape(file, err)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			if entries[name].MentionsUs() {
				found = true
				e.bad("hosts", fmt.Sprintf("move the server to %q there: %s", file.host.Key, file.example()),
					"%s: it stands under %q, which %s; %s reads %q", file.label(name), key, readersOf(key), file.host.Name, file.host.Key)
			}
		}
	}
	return found
}

// badShape reports a file that is about us and has another shape than its host reads.
func (e *examination) badShape(file hostFile, err error) {
	e.bad("hosts", "mend the file; "+file.example(), "%s, of %s, names %s but has not the shape that is read: %v", file.path, file.host.Name, programName, err)
}

// hostFiles returns where the hosts of the table look, for this project and for
// this user.
func (e *examination) hostFiles() (files []hostFile) {
	start := e.startFolder()
	for _, project := range e.projectFolders() {
		for host := range readableHosts() {
			for _, name := range host.Project {
				files = append(files, hostFile{host, filepath.Join(project, filepath.FromSlash(name)), project, true, &e.cfg})
			}
		}
	}
	for host := range readableHosts() {
		for _, user := range host.User {
			if path := user.Path(e.cfg.Home, e.cfg.ConfigDir, e.getenv); path != "" {
				files = append(files, hostFile{host, path, start, false, &e.cfg})
			}
		}
	}
	seen := map[string]bool{} // the home folder may be the project
	return slices.DeleteFunc(files, func(f hostFile) bool {
		before := seen[f.path]
		seen[f.path] = true
		return before
	})
}

// readableHosts yields the hosts whose files can be read here.
func readableHosts() iter.Seq[*hosts.Host] {
	return func(yield func(*hosts.Host) bool) {
		for i := range hosts.All {
			if hosts.All[i].Format != hosts.YAML && !yield(&hosts.All[i]) {
				return
			}
		}
	}
}

// projectFolders returns the folders that a host may have open as the project: the
// working directory, the root of its repository, and the folder with the database.
func (e *examination) projectFolders() []string {
	start := e.startFolder()
	folders := []string{start}
	if root, ok := locate.RepositoryRoot(start); ok {
		folders = append(folders, root)
		if main, ok := locate.MainWorktree(root); ok {
			folders = append(folders, main)
		}
	}
	if dir := filepath.Dir(e.where.Path); filepath.Base(dir) == filepath.Dir(locate.File) {
		folders = append(folders, filepath.Dir(dir))
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// malformed reports a file that its host cannot read. A file of the user's that does
// not name us is only noted, since nothing of ours depends on it.
func (e *examination) malformed(file hostFile, names bool, err error) {
	report := e.bad
	if !file.shared && !names {
		report = e.note
	}
	report("hosts", "mend the file: until then "+file.host.Name+" cannot know from it what to start; "+file.example(),
		"%s, of %s, is %v", file.path, file.host.Name, err)
}

// isUs reports whether a word of a command line is our program's name.
func isUs(word string) bool {
	return strings.TrimSuffix(filepath.Base(word), ".exe") == programName
}

// checkHost looks at one server of a host's file.
func (e *examination) checkHost(ctx context.Context, file hostFile, name string, entry hosts.Entry) {
	label := file.label(name)
	if entry.Off {
		e.note("hosts", "switch it on there, if it should work here", "%s: it is switched off", label)
		return
	}
	e.checkHostRules(file, label, name, entry)
	folder := file.project
	if entry.Cwd != "" {
		cwd := file.expand(hosts.InCwd, entry.Cwd)
		if !e.expanded(file, label, "working directory", cwd) {
			return
		}
		if folder = cwd; !filepath.IsAbs(folder) {
			folder = filepath.Join(file.project, folder)
		}
	}
	words := []string{file.expand(hosts.InCommand, entry.Command)}
	for _, arg := range entry.Args {
		words = append(words, file.expand(hosts.InArgs, arg))
	}
	us, program, ok := e.checkProgram(file, label, folder, words)
	switch {
	case !ok:
	case us < 0:
		e.ok("hosts", "%s starts it by way of %s; what that does was not looked at", label, program)
	case e.checkVersion(ctx, file, label, words[us], program) && e.checkTarget(file, label, folder, words[us+1:], entry):
		e.ok("hosts", "%s starts %s on this database", label, program)
	}
}

// longestWait is what a host should allow for an answer: wait_for_change waits up
// to 50 seconds.
const longestWait = time.Minute

// checkHostRules looks at the host's rules for names and times.
func (e *examination) checkHostRules(file hostFile, label, name string, entry hosts.Entry) {
	if rule := file.host.Names; rule != nil && !rule.MatchString(name) {
		e.note("hosts", "call it "+hosts.Server+" there", "%s: %s does not offer all tools of a server with this name: a name must match %s", label, file.host.Name, rule)
	}
	if entry.Timeout > 0 && entry.Timeout < longestWait {
		e.note("hosts", fmt.Sprintf("set %q there to at least %v, or leave it out", file.host.Shape.Timeout, longestWait),
			"%s: %s gives up a call after %v, before wait_for_change answers", label, file.host.Name, entry.Timeout)
	}
}

// checkProgram finds the program that a command line starts. us is the place of
// our program among the words, -1 if another program starts it.
func (e *examination) checkProgram(file hostFile, label, folder string, words []string) (us int, program string, ok bool) {
	if !e.expanded(file, label, "command", words[0]) {
		return 0, "", false
	}
	program, err := e.findProgram(words[0], folder)
	if err != nil {
		e.bad("hosts", "go install ./cmd/huskies-mcp in a clone, then give the whole path as the command: "+e.cfg.Program, "%s: its command %s cannot be started: %v", label, phrase.Word(words[0]), err)
		return 0, "", false
	}
	// Programs such as env stand before our own part of the command line.
	if us = slices.IndexFunc(words, isUs); us <= 0 {
		return us, program, true
	}
	if !e.expanded(file, label, "program", words[us]) {
		return us, "", false
	}
	if program, err = e.findProgram(words[us], folder); err != nil {
		e.bad("hosts", "give the whole path in its place: "+e.cfg.Program, "%s: %s, which it starts, cannot be started: %v", label, phrase.Word(words[us]), err)
		return us, "", false
	}
	return us, program, true
}

// expanded reports whether no variable is left in a path of an entry. A path with
// one leads elsewhere than its author meant.
func (e *examination) expanded(file hostFile, label, what, path string) bool {
	left := hosts.Leftover(path)
	switch {
	case left == "":
		return true
	case file.host.Expansion.IsAsked(left):
		e.note("hosts", "nothing, if "+file.host.Name+" can find it out: start the server there", "%s: its %s depends on %s, which %s finds out when it starts", label, what, phrase.Word(left), file.host.Name)
	default:
		e.bad("hosts", "give the whole path: "+file.expands(), "%s: its %s is %s, in which %s leaves %s as it is", label, what, phrase.Word(path), file.host.Name, phrase.Word(left))
	}
	return false
}

// findProgram returns the program that a host starts from a folder. A command with a
// slash is a path. A command without one is looked up on PATH.
func (e *examination) findProgram(command, folder string) (string, error) {
	if command == "" {
		return "", errors.New("there is none")
	}
	if filepath.Base(command) != command && !filepath.IsAbs(command) {
		command = filepath.Join(folder, command)
	}
	return e.cfg.LookPath(command)
}

// checkVersion compares the program that a host starts with this one. It reports
// whether the program can be started as far as doctor can tell. A program in the
// project's tree is not run: it may have come with the project, and a host would ask
// before it starts such a program.
func (e *examination) checkVersion(ctx context.Context, file hostFile, label, command, program string) bool {
	if locate.SameFile(program, e.cfg.Program) {
		return true
	}
	// A program that was found on PATH is the user's choice and may be run.
	if file.shared && filepath.Base(command) != command && e.inProject(program) {
		e.note("hosts", "ask it: "+phrase.Quoted(program)+" version (this is "+e.cfg.Version+")", "%s: its program is in the project's tree and was not run to ask for its version: %s", label, program)
		return true
	}
	said, err := e.cfg.AskVersion(ctx, program)
	switch {
	case err != nil:
		e.bad("hosts", "try it: "+phrase.Quoted(program)+" version", "%s: %s does not say its version: %v", label, program, err)
		return false
	case said != e.cfg.VersionAll:
		e.note("hosts", "install one version for all: go install ./cmd/huskies-mcp in a clone", "%s: %s is %q, this is %q", label, program, said, e.cfg.VersionAll)
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
