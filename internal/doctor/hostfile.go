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

// hostFile is a file in which a host may be told to start servers.
type hostFile struct {
	host    *hosts.Host
	path    string
	project string // the folder in which the host starts the server, unless told otherwise
	shared  bool   // it may come with the project, from others
	cfg     *Config
}

// label says which server of which file is meant.
func (f hostFile) label(name string) string {
	return fmt.Sprintf("%s (%s, server %s)", f.host.Name, f.path, phrase.Word(name))
}

// readersOf says which hosts read a key.
func readersOf(key string) string {
	names := hosts.WithKey(key)
	switch n := len(names); n {
	case 0:
		return "no host reads"
	case 1:
		return names[0] + " reads"
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1] + " read"
	}
}

// example says how the host's file should look.
func (f hostFile) example() string {
	return "for " + f.host.Name + " it should have " + f.host.Example()
}

// parse reads the text, or says why the host cannot. An empty file of the user's
// is left alone.
func (f hostFile) parse(text []byte) (map[string]any, error) {
	if !f.shared && strings.TrimSpace(string(text)) == "" {
		return nil, nil
	}
	return f.host.Parse(text)
}

// ownEntries returns the servers that the host reads.
func (f hostFile) ownEntries(file map[string]any) (map[string]hosts.Entry, error) {
	entries, err := f.host.Entries(file, f.host.Key)
	if err != nil || f.host.PerProject == "" || f.shared {
		return entries, err
	}
	projects, _ := file[f.host.PerProject].(map[string]any)
	for folder, project := range projects {
		project, _ := project.(map[string]any)
		if project == nil || !locate.SameFile(folder, f.project) {
			continue
		}
		nearer, err := f.host.Entries(project, f.host.Key)
		if err != nil {
			return nil, err
		}
		maps.Copy(entries, nearer) // the project's own servers count before the user's
	}
	return entries, nil
}

// expand returns the text of a field as the host passes it to the server.
func (f hostFile) expand(field hosts.Field, text string) string {
	return f.host.Expansion.Expand(field, text, hosts.Place{Project: f.project, Home: f.cfg.Home, LookupEnv: f.cfg.LookupEnv})
}

// getenv returns a variable as the host gives it to the server of an entry.
func (f hostFile) getenv(name string, entry hosts.Entry) string {
	value, ok := entry.Env[name]
	switch {
	case ok:
		return f.expand(hosts.InEnv, value)
	case name == "CLAUDE_PROJECT_DIR" && f.host.ProjectVariable:
		return f.project
	case name == "CLAUDE_PROJECT_DIR":
		return ""
	case f.host.Inherits || slices.Contains(entry.PassedOn, name):
		value, _ = f.cfg.LookupEnv(name)
		return value
	}
	return ""
}

// expands says in words what the host replaces, as the end of a remedy.
func (f hostFile) expands() string {
	x := f.host.Expansion
	var forms []string
	switch {
	case x.Syntax == hosts.Editor:
		forms = append(forms, "${env:NAME}", "${workspaceFolder}", "${userHome}")
	case x.Syntax == hosts.Curly:
		forms = append(forms, "{env:NAME}")
	case x.Syntax == hosts.Braced:
		forms = append(forms, "${NAME}")
	}
	if x.Default {
		forms = append(forms, "${NAME:-default}")
	}
	if x.Bare {
		forms = append(forms, "$NAME")
	}
	switch {
	case len(forms) == 0:
		return f.host.Name + " replaces no variables"
	case x.Fields == hosts.InEnv:
		return f.host.Name + " replaces " + strings.Join(forms, " and ") + " in the environment of a server alone"
	}
	return f.host.Name + " replaces " + strings.Join(forms, " and ") + " of variables that are set, and nothing else"
}
