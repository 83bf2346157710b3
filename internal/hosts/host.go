package hosts

import (
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// Program is the name of the server's program in an entry.
const Program = "huskies-mcp"

// Server is the name under which an entry stands in a host's file. Every host of
// the table accepts this name: it has no underscore and no dot.
const Server = "huskies"

// Format is the language of a host's file.
type Format int

// The formats of hosts' files.
const (
	JSON         Format = iota // RFC 8259, nothing more
	JSONComments               // JSON with comments, without trailing commas
	JSONC                      // JSON with comments and trailing commas
	TOML                       // TOML 1.0
	YAML                       // is neither read nor written here
)

// Host is what is known of one agent host.
type Host struct {
	// ID is the host's name on a command line.
	ID string
	// Name is what people call the host.
	Name string
	// Programs are the host's commands. One of them on PATH shows that the host
	// is installed.
	Programs []string
	// Folders are folders of a project that only this host uses, with slashes.
	Folders []string

	// Project are the host's files in a project, relative to its root, with
	// slashes. If several exist, the first of them is the one to edit.
	Project []string
	// New is the element of Project that is created where none exists.
	New string
	// User are the host's files for all projects of a user.
	User []UserFile
	// Reads are project files of other hosts that this host reads too.
	Reads []string

	// Format is the language of all these files.
	Format Format
	// EmptyFile reports that an empty file is a valid one to this host.
	EmptyFile bool
	// Key is the key at the top level of a file that holds the servers. The key
	// may contain dots.
	Key string
	// PerProject is the key of a user file's object that has further servers for
	// each project by its folder. It may be empty.
	PerProject string
	// Shape is what an entry under Key looks like.
	Shape Shape
	// Expansion is how the host replaces variables in an entry.
	Expansion Expansion

	// Names matches the server names that work in this host. A nil Names accepts
	// every name.
	Names *regexp.Regexp
	// StartTimeout is how long the host waits for a server to start. Zero means
	// that it is not known.
	StartTimeout time.Duration
	// CallTimeout is how long the host waits for the answer to a call. Zero means
	// that it is not known.
	CallTimeout time.Duration
	// Inherits reports that a server gets the environment of its host. Without
	// it a server gets PATH and the like, and what its entry names.
	Inherits bool
	// ProjectVariable reports that the host sets CLAUDE_PROJECT_DIR for its servers.
	ProjectVariable bool
	// SessionVariable is the variable in which the host tells its servers and its shells the ID of
	// its session, which outlives a server. It is empty for a host without such a variable.
	SessionVariable string
	// SessionMeta is the key of that ID in the _meta of each call, for a host that does not give its
	// servers the variable.
	SessionMeta string
	// Client is the name that the host gives itself in the protocol. It is only known of hosts
	// with a SessionVariable.
	Client string

	// Instructions is the file that the host reads in place of AGENTS.md. It may be
	// empty.
	Instructions string
	// Plugin says how a project shows that its file is the manifest of a plugin. A nil
	// Plugin means that the host has no such plugins.
	Plugin *Plugin

	// Allowed are settings, as dotted keys, that list the only servers to use.
	Allowed []string
	// Excluded are settings, as dotted keys, that list servers not to use.
	Excluded []string

	// Hook is how the host runs a command when a session starts. A nil Hook means
	// that the host has none in a project.
	Hook *Hook

	// Trust says what the host asks a person before it starts a server of a
	// project file.
	Trust string
	// UserCommand is the host's own command that adds the server for all projects.
	UserCommand string
}

// Plugin is how a project shows that it is a plugin of a host. An entry in its file
// goes to everybody who installs the plugin.
type Plugin struct {
	Folder   string // a folder of the project
	Variable string // a variable that only plugins use
}

// Hook is where a host reads the commands that it runs when a session starts.
type Hook struct {
	// File is the project's file with hooks, with slashes.
	File string
	// Path are the keys that lead to the list of hooks.
	Path []string
	// Grouped reports that an element of the list is a group with hooks of its own.
	Grouped bool
	// Version reports that a new file begins with a version.
	Version bool
	// Command is the command to run.
	Command string
	// Trust says what the host asks a person before it runs the command. It may be
	// empty.
	Trust string
}

// UserFile is a file in the home folder or the configuration folder of a user.
type UserFile struct {
	// Variable names the environment variable that replaces Folder. It may be empty.
	Variable string
	// InConfig reports that Folder is in the user's configuration folder. Without
	// it Folder is in the home folder.
	InConfig bool
	// Folder is a path with slashes. It may be empty.
	Folder string
	// Name is the file's name in that folder.
	Name string
}

// Shape is what an entry of a host looks like.
type Shape struct {
	// Type is the value of the key "type". An empty Type means that the host
	// needs no such key.
	Type string
	// OneList reports that "command" is a list of the program and its arguments.
	OneList bool
	// Args reports that a new entry names its arguments even if there are none.
	Args bool
	// Env is the key of the environment. Its default is "env".
	Env string
	// PassedOn is the key of a list of variables that the host passes on. It may
	// be empty.
	PassedOn string
	// Cwd is the key of the working directory. A host with an empty Cwd starts
	// its servers in the project.
	Cwd string
	// Off is the key that switches a server off when it is true. It may be empty.
	Off string
	// On is the key that switches a server off when it is false. It may be empty.
	On string
	// Timeout is the key of the longest wait for an answer. It may be empty.
	Timeout string
	// TimeoutUnit is what the number under Timeout counts.
	TimeoutUnit time.Duration
	// Only are all keys that the host accepts in an entry. A nil Only means that
	// the host ignores what it does not know.
	Only []string
}

// ByID returns the host with this ID.
func ByID(id string) (*Host, bool) {
	i := slices.IndexFunc(All, func(h Host) bool { return h.ID == id })
	if i < 0 {
		return nil, false
	}
	return &All[i], true
}

// WithKey returns the names of the hosts that read the servers of a project under
// a key.
func WithKey(key string) (names []string) {
	for _, h := range All {
		if h.Key == key && len(h.Project) > 0 {
			names = append(names, h.Name)
		}
	}
	return names
}

// Path returns where the file is for a user with these folders. getenv looks a
// variable up in the user's environment.
func (u UserFile) Path(home, config string, getenv func(string) string) string {
	if u.Variable != "" {
		if folder := getenv(u.Variable); folder != "" {
			return filepath.Join(folder, u.Name)
		}
	}
	base := home
	if u.InConfig {
		base = config
	}
	if base == "" {
		return ""
	}
	return filepath.Join(base, filepath.FromSlash(u.Folder), u.Name)
}

// Session returns the ID of the host's session that the environment tells of, and the name that
// this host gives itself in the protocol. Both are empty if no host tells of one.
func Session(getenv func(string) string) (id, client string) {
	for i := range All {
		h := &All[i]
		if h.SessionVariable == "" {
			continue
		}
		if id := getenv(h.SessionVariable); id != "" {
			return id, h.Client
		}
	}
	return "", ""
}

// SessionOfCall returns the ID of the host's session that the _meta of a call tells of, if the client
// is a host that tells it there. It is empty otherwise.
func SessionOfCall(client string, meta map[string]any) string {
	for i := range All {
		if h := &All[i]; h.SessionMeta != "" && h.Client == client {
			id, _ := meta[h.SessionMeta].(string)
			return id
		}
	}
	return ""
}
