package hosts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// Kind is what an edit puts into a file.
type Kind string

// The kinds of edits.
const (
	ServerEdit Kind = "server" // an entry that starts our program
	HookEdit   Kind = "hook"   // a command that a host runs when a session starts
	AgentsEdit Kind = "agents" // the block in AGENTS.md
)

// Edit is one thing that can be put into a project's file and taken out again.
// Every other byte of the file stays as it is.
type Edit struct {
	Kind Kind
	Host *Host // nil for AgentsEdit
}

// State is what a file has at the place of an edit.
type State int

// The states of a file.
const (
	Absent  State = iota // nothing
	Present              // what the edit would put there, or something that does the same
	Foreign              // something else under our name
)

// ErrChangesMore tells that an edit would change more of a file than it should.
var ErrChangesMore = errors.New("the file is written in a way that cannot be edited here without changing more than our part of it")

// ErrNoWrapper tells that a file has its servers at the top level.
var ErrNoWrapper = errors.New("its servers stand at the top level, and a wrapper around ours alone could hide them")

// Paths returns the files of a project in which the edit may stand, with slashes.
func (e Edit) Paths() []string {
	switch {
	case e.Kind == ServerEdit && e.Host != nil:
		return e.Host.Project
	case e.Kind == HookEdit && e.Host != nil && e.Host.Hook != nil:
		return []string{e.Host.Hook.File}
	case e.Kind == AgentsEdit:
		return []string{AgentsFile}
	}
	return nil
}

// format returns the format of the edit's files.
func (e Edit) format() Format {
	if e.Kind == ServerEdit {
		return e.Host.Format
	}
	return JSON
}

// spot returns the place of the edit in its file.
func (e Edit) spot() spot {
	if e.Kind == ServerEdit {
		return spot{[]string{e.Host.Key}, Server}
	}
	return spot{path: e.Host.Hook.Path}
}

// value returns what the edit puts there.
func (e Edit) value() node {
	if e.Kind == ServerEdit {
		return e.Host.Shape.newEntry()
	}
	hook := node{members: []member{{"command", jsonString(e.Host.Hook.Command)}}}
	if e.Host.Hook.Grouped {
		hook.members = append([]member{{"type", jsonString("command")}}, hook.members...)
		hook = node{members: []member{{"hooks", node{array: []node{hook}}}}}
	}
	return hook
}

// is reports whether a value of a file is the edit's and nothing more.
func (e Edit) is(value any) bool {
	if e.Kind == ServerEdit {
		entry, err := e.Host.Shape.entry(value)
		return err == nil && entry.MentionsUs()
	}
	hook, _ := value.(map[string]any)
	if e.Host.Hook.Grouped {
		group, _ := hook["hooks"].([]any)
		if len(group) != 1 {
			return false // other hooks share the group
		}
		hook, _ = group[0].(map[string]any)
	}
	return hook["command"] == e.Host.Hook.Command
}

// mentions reports whether a text is among the values in a value.
func mentions(value any, text string) bool {
	switch value := value.(type) {
	case string:
		return value == text
	case []any:
		return slices.ContainsFunc(value, func(v any) bool { return mentions(v, text) })
	case map[string]any:
		for _, v := range value {
			if mentions(v, text) {
				return true
			}
		}
	}
	return false
}

// Look says what a file has at the place of the edit. name is the name of our
// server in the file: it may be one that a person chose.
func (e Edit) Look(text []byte) (state State, name string, err error) {
	if e.Kind == AgentsEdit {
		if _, _, found := findBlock(text); found {
			return Present, "", nil
		}
		return Absent, "", nil
	}
	file, err := meaning(e.format(), text)
	if err != nil {
		return Absent, "", err
	}
	if e.Kind == HookEdit {
		if mentions(file, e.Host.Hook.Command) {
			return Present, "", nil
		}
		return Absent, "", nil
	}
	return e.lookForServer(file)
}

func (e Edit) lookForServer(file map[string]any) (State, string, error) {
	value, ok := file[e.Host.Key]
	servers, isTable := value.(map[string]any)
	switch {
	case ok && !isTable:
		return Absent, "", fmt.Errorf("%q is not what %s reads there: an object of servers", e.Host.Key, e.Host.Name)
	case !ok && e.Host.Format == JSON && hasBareServers(file):
		return Absent, "", ErrNoWrapper
	}
	for name, server := range servers {
		if name != Server && e.is(server) {
			return Present, name, nil
		}
	}
	server, ok := servers[Server]
	switch {
	case !ok:
		return Absent, "", nil
	case e.is(server):
		return Present, Server, nil
	}
	return Foreign, Server, nil
}

// hasBareServers reports whether servers stand at the top level of a file.
func hasBareServers(file map[string]any) bool {
	for _, value := range file {
		server, _ := value.(map[string]any)
		for _, key := range []string{"command", "url"} {
			if _, ok := server[key].(string); ok {
				return true
			}
		}
	}
	return false
}

// Insert returns the text with the edit in it, and where the edit is. The text must
// have nothing at the edit's place.
func (e Edit) Insert(text []byte) ([]byte, []Span, error) {
	if e.Kind == AgentsEdit {
		out, spans := insertAll(text, insertBlock(text))
		return out, spans, nil
	}
	before, err := meaning(e.format(), text)
	if err != nil {
		return nil, nil, err
	}
	skip := 0
	if bytes.HasPrefix(text, bom) {
		skip = len(bom)
	}
	insertions, err := e.insertions(text[skip:])
	if err != nil {
		return nil, nil, err
	}
	for i := range insertions {
		insertions[i].at += skip
	}
	out, spans := insertAll(text, insertions)
	after, err := meaning(e.format(), out)
	if err != nil || !same(after, e.wanted(before)) {
		return nil, nil, ErrChangesMore
	}
	return out, spans, nil
}

// insertions returns what to put into a text without a byte order mark.
func (e Edit) insertions(text []byte) ([]insertion, error) {
	if e.format() == TOML {
		return insertTOML(text, e.Host.Key)
	}
	if len(bytes.TrimSpace(text)) > 0 {
		return insertJSON(text, e.spot(), e.value())
	}
	s := style{newline: "\n", unit: "  ", colon: ": ", comma: ", "}
	file := e.spot().wrap(e.spot().path, e.value())
	if e.hasVersion() {
		file.members = append([]member{{"version", node{literal: "1"}}}, file.members...)
	}
	return []insertion{{len(text), s.lines(file, "") + s.newline}}, nil
}

// hasVersion reports whether a new file of the edit begins with a version.
func (e Edit) hasVersion() bool { return e.Kind == HookEdit && e.Host.Hook.Version }

// wanted returns what a file should mean after the edit.
func (e Edit) wanted(before map[string]any) map[string]any {
	s := style{colon: ":", comma: ","}
	entry, err := parseJSON([]byte(s.inline(e.value())))
	if err != nil {
		panic(err) // the value is our own
	}
	after := e.spot().with(before, any(entry))
	if before == nil && e.hasVersion() {
		after = spot{key: "version"}.with(after, json.Number("1"))
	}
	return after
}

// Remove returns the text without what stands at the edit's place. With foreign it
// also removes what is not ours.
func (e Edit) Remove(text []byte, foreign bool) ([]byte, error) {
	if e.Kind == AgentsEdit {
		for { // a merge may have left two
			start, end, found := findBlock(text)
			if !found {
				return text, nil
			}
			text, _ = cutAll(text, []Span{withBlankLine(text, Span{start, end - start})})
		}
	}
	for {
		out, err := e.removeOne(text, foreign)
		if err != nil || bytes.Equal(out, text) {
			return out, err
		}
		text = out
	}
}

// removeOne removes the first of what Remove removes. Only a list of hooks can have
// several.
func (e Edit) removeOne(text []byte, foreign bool) ([]byte, error) {
	before, err := meaning(e.format(), text)
	if err != nil {
		return nil, err
	}
	is := func(value any) bool { return foreign || e.is(value) }
	done := false
	wanted := e.spot().without(before, func(value any) bool {
		first := !done && is(value)
		done = done || first
		return first
	})
	if !done {
		return text, nil
	}
	mark := text[:len(text)-len(bytes.TrimPrefix(text, bom))]
	body := text[len(mark):]
	cuts, err := e.cuts(body, is)
	if err != nil {
		return nil, err
	}
	for _, spans := range cuts {
		out, ok := cutAll(body, spans)
		if !ok {
			continue
		}
		out = append(slices.Clone(mark), out...)
		if after, err := meaning(e.format(), out); err == nil && same(after, wanted) {
			return out, nil
		}
	}
	return nil, ErrChangesMore
}

// cuts returns ways to cut the edit out of a text, the best first.
func (e Edit) cuts(text []byte, is func(any) bool) ([][]Span, error) {
	if e.format() == TOML {
		spans, err := removeTOML(text, e.Host.Key)
		return [][]Span{spans}, err
	}
	c, places, err := findJSON(text, e.spot(), func(v hujson.Value) bool { return is(decoded(v)) })
	if err != nil || len(places) == 0 {
		return nil, err
	}
	i := places[0]
	return [][]Span{cutItem(text, c, i, true), cutItem(text, c, i, false)}, nil
}

// decoded returns the meaning of a value in a text.
func decoded(v hujson.Value) any {
	v = v.Clone()
	v.Standardize()
	file, err := parseJSON([]byte(`{"v":` + strings.TrimSpace(string(v.Pack())) + `}`))
	if err != nil {
		return nil
	}
	return file["v"]
}
