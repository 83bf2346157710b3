package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/internal/hosts"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/internal/phrase"
)

// Start is how a host starts our program.
type Start struct {
	Dir    string
	Getenv func(string) string
}

// Arguments are the arguments of our program that decide which pipeline it serves, and to whom.
type Arguments struct {
	DB, Agent string // --db and --agent
	// Serve reads the options and variables as a server does when it starts. It opens no file.
	Serve func() (Served, error)
}

// Served is what a server works with.
type Served struct {
	Where locate.Location
	Agent string
}

// checkTarget finds out whether a server with these arguments would start and
// which database it would use, and reports whether it is the one at hand.
func (e *examination) checkTarget(file hostFile, label, folder string, args []string, entry hosts.Entry) bool {
	start := Start{Dir: folder, Getenv: func(name string) string { return file.getenv(name, entry) }}
	read, err := e.cfg.ReadArguments(args, start)
	if err != nil {
		e.bad("hosts", "mend the arguments; "+file.example(), "%s: %v", label, err)
		return false
	}
	for _, path := range []string{read.DB, start.Getenv("HUSKIES_DB"), start.Getenv("CLAUDE_PROJECT_DIR")} {
		if !e.expanded(file, label, "database", path) {
			return false
		}
	}
	server, err := read.Serve()
	if err != nil {
		e.bad("hosts", "mend the argument or the variable that the message names: the server does not start with it", "%s: %v", label, err)
		return false
	}
	where := server.Where
	if e.where.Path == "" || where.Path == e.where.Path || locate.SameFile(where.Path, e.where.Path) {
		if read.Agent != "" || entry.Env["HUSKIES_AGENT"] != "" { // a name of the host's own environment is not the file's
			e.named(server.Agent, file)
		}
		return true
	}
	remedy := "if it should be the same one: say --db " + phrase.Quoted(e.where.Path) + " there, or leave --db and HUSKIES_DB out everywhere"
	text := "%s: its server uses another database, %s (%s)"
	if e.where.Named() {
		e.note("hosts", remedy, text, label, where.Path, where.Why) // this run may be the one that names another database
	} else {
		e.bad("hosts", remedy, text, label, where.Path, where.Why)
	}
	return false
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
			"one name, %s, is given by %s: nobody can tell who did what, and a session that starts takes the claims of one that has ended under that name for its own", phrase.Word(agent), strings.Join(given, ", "))
	}
}
