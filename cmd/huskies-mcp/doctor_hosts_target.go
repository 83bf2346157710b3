package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/hosts"
	"github.com/huskies/huskies-mcp/internal/locate"
)

// checkTarget finds out whether a server with these arguments would start and
// which database it would use, and reports whether it is the one at hand.
func (e *examination) checkTarget(file hostFile, label, folder string, args []string, entry hosts.Entry) bool {
	opts := options{
		getenv: func(name string) string { return file.getenv(name, entry) },
		getwd:  func() (string, error) { return folder, nil },
	}
	root := rootCommand(&opts)
	sub, err := serverCommand(root, args)
	if err != nil {
		e.bad("hosts", "mend the arguments; "+file.example(), "%s: %v", label, err)
		return false
	}
	for _, path := range []string{opts.db, opts.getenv("HUSKIES_DB"), opts.getenv("CLAUDE_PROJECT_DIR")} {
		if !e.expanded(file, label, "database", path) {
			return false
		}
	}
	server, err := serverEnvironment(sub, opts)
	if err != nil {
		e.bad("hosts", "mend the argument or the variable that the message names: the server does not start with it", "%s: %v", label, err)
		return false
	}
	where := server.where
	if e.where.Path == "" || where.Path == e.where.Path || locate.SameFile(where.Path, e.where.Path) {
		if opts.agent != "" || entry.Env["HUSKIES_AGENT"] != "" { // a name of the host's own environment is not the file's
			e.named(server.agent, file)
		}
		return true
	}
	remedy := "if it should be the same one: say --db " + quoted(e.where.Path) + " there, or leave --db and HUSKIES_DB out everywhere"
	text := "%s: its server uses another database, %s (%s)"
	if e.where.Named() {
		e.note("hosts", remedy, text, label, where.Path, where.Why) // this run may be the one that names another database
	} else {
		e.bad("hosts", remedy, text, label, where.Path, where.Why)
	}
	return false
}

// serverCommand returns the command that the arguments choose, with its flags read.
// A command that does not serve is an error.
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

// serverEnvironment reads the options as the server does when it starts. It opens no
// file, and the caller must not use the replica in the result.
func serverEnvironment(cmd *cobra.Command, opts options) (*environment, error) {
	env, err := newEnvironment(cmd, opts)
	if err != nil {
		return nil, err
	}
	defer env.replica.Close()
	_, err = env.toolsConfig().Offered()
	return env, err
}

// named remembers that a file gives this name to the sessions of its host.
func (e *examination) named(agent string, file hostFile) {
	if e.names == nil {
		e.names = make(map[string][]hostFile)
	}
	if !slices.Contains(e.names[agent], file) {
		e.names[agent] = append(e.names[agent], file)
	}
}

// checkNames says which names are given by several hosts. One host may give its name
// in several files, for example in each worktree.
func (e *examination) checkNames() {
	for _, agent := range slices.Sorted(maps.Keys(e.names)) {
		files := e.names[agent]
		if !slices.ContainsFunc(files, func(f hostFile) bool { return f.host != files[0].host }) {
			continue
		}
		var given []string
		for _, file := range files {
			given = append(given, fmt.Sprintf("%s (%s)", file.host.Name, file.path))
		}
		e.note("hosts", "leave --agent and HUSKIES_AGENT out: then each session gets a name of its own",
			"one name, %s, is given by %s: nobody can tell who did what, and a session that starts takes the claims of one that has ended under that name for its own", word(agent), strings.Join(given, ", "))
	}
}
