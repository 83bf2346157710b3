package hosts

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Syntax is how a variable is written in a host's file.
type Syntax int

// The ways to write a variable. None is the way of hosts that expand nothing.
const (
	None   Syntax = iota
	Braced        // ${NAME}
	Editor        // ${env:NAME}, and ${workspaceFolder}, ${userHome} and others that an editor knows
	Curly         // {env:NAME}
)

// Field is a part of an entry in which a host expands variables.
type Field int

// The parts of an entry.
const (
	InCommand Field = 1 << iota
	InArgs
	InEnv
	InCwd
	Everywhere = InCommand | InArgs | InEnv | InCwd
)

// Expansion is how a host replaces variables in an entry. Variables are looked up
// in the environment of the host, never in that of the entry.
type Expansion struct {
	Syntax Syntax
	// Bare reports that $NAME without braces is a variable too.
	Bare bool
	// Default reports that ${NAME:-text} stands for text where NAME is unset.
	Default bool
	// UnsetIsEmpty reports that an unset variable becomes empty text. Without it
	// an unset variable stays as it is written.
	UnsetIsEmpty bool
	// Asked are the beginnings of variables that the host finds out at start, for
	// example by asking a person.
	Asked []string
	// Fields are the parts of an entry in which the host looks for variables.
	Fields Field
}

// Place is where a host is at work.
type Place struct {
	Project   string                      // the folder that the host has open
	Home      string                      // the user's home folder
	LookupEnv func(string) (string, bool) // the environment of the host
}

var (
	braced      = regexp.MustCompile(`\$\{([^}]+)\}`)
	bracedOrNot = regexp.MustCompile(`\$\{([^}]+)\}|\$(\w+)`)
	curly       = regexp.MustCompile(`\{env:([^}]+)\}`)
)

// Expand returns the text of a field as the host passes it to a server.
func (x Expansion) Expand(field Field, text string, at Place) string {
	if x.Fields&field == 0 {
		return text
	}
	pattern := braced
	switch {
	case x.Syntax == None:
		return text
	case x.Syntax == Curly:
		pattern = curly
	case x.Bare:
		pattern = bracedOrNot
	}
	return pattern.ReplaceAllStringFunc(text, func(variable string) string {
		name := strings.Join(pattern.FindStringSubmatch(variable)[1:], "")
		return x.value(variable, name, at)
	})
}

// value returns what one variable stands for.
func (x Expansion) value(variable, name string, at Place) string {
	if x.Syntax == Editor {
		inner, isEnv := strings.CutPrefix(name, "env:")
		if !isEnv {
			return editorValue(variable, name, at)
		}
		name = inner
	}
	fallback, hasDefault := "", false
	if x.Default {
		name, fallback, hasDefault = strings.Cut(name, ":-")
	}
	value, ok := at.LookupEnv(name)
	switch {
	case ok:
		return value
	case hasDefault:
		return fallback
	case x.UnsetIsEmpty:
		return ""
	}
	return variable
}

// editorValue returns what an editor's own variable stands for.
func editorValue(variable, name string, at Place) string {
	switch name {
	case "workspaceFolder", "cwd":
		return at.Project
	case "workspaceFolderBasename":
		return filepath.Base(at.Project)
	case "userHome":
		return at.Home
	case "pathSeparator", "/":
		return string(filepath.Separator)
	}
	return variable
}

// IsAsked reports whether the host finds out at start what a variable stands for,
// so that nobody can tell before.
func (x Expansion) IsAsked(variable string) bool {
	return slices.ContainsFunc(x.Asked, func(start string) bool { return strings.HasPrefix(variable, "${"+start) })
}

// leftover matches what is a variable to some program. A tilde means the home
// folder only at the beginning of a path: within one it is part of a name.
var leftover = regexp.MustCompile(`^~\w*(?:[/\\]|$)|\$\{[^}]*\}?|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%|\{env:[^}]*\}`)

// Leftover returns the first variable in a path that the host has expanded. It
// returns "" if the path has none. A server takes a leftover for a part of a
// file's name.
func Leftover(path string) string {
	return leftover.FindString(path)
}
