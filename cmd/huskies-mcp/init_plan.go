package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/huskies/huskies-mcp/internal/hosts"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/internal/phrase"
)

// ledgerFile is where a project remembers what init put into its files.
const ledgerFile = ".huskies/init.json"

// setup is one run of init.
type setup struct {
	flags   initFlags
	project string
	hosts   []*hosts.Host
	ledger  hosts.Ledger

	changes []*change
	notes   []string
}

// change is what is to become of one file.
type change struct {
	file    hosts.File
	text    []byte       // the new text
	remove  bool         // the file is to be removed
	steps   []hosts.Step // what is to be remembered of the file
	folders []string     // what is to be removed with the file, relative to the project, the outermost first
}

// newSetup finds the project and the hosts. It changes nothing.
func newSetup(opts options, flags initFlags) (*setup, error) {
	wd, err := opts.getwd()
	if err != nil {
		return nil, err
	}
	start, err := placeOf(opts.getenv, wd).Start()
	if err != nil {
		return nil, err
	}
	s := &setup{flags: flags, project: start}
	if root, ok := locate.RepositoryRoot(start); ok {
		s.project = root
	}
	if home, err := os.UserHomeDir(); err == nil && locate.SameFile(home, s.project) {
		return nil, fmt.Errorf("%s is your home folder, and hosts read its files for all projects: change to the folder of a project", home)
	}
	if err := s.chooseHosts(); err != nil {
		return nil, err
	}
	file, err := hosts.ReadFile(s.project, ledgerFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: move it away", ledgerFile, err)
	}
	s.ledger = hosts.ParseLedger(file.Text)
	return s, nil
}

// chooseHosts takes the hosts that were named, else those that are in use.
func (s *setup) chooseHosts() error {
	for _, id := range s.flags.hosts {
		if err := canSetUp(id); err != nil {
			return fmt.Errorf("--host %s: %w", phrase.Word(id), err)
		}
	}
	for i := range hosts.All {
		h := &hosts.All[i]
		switch {
		case h.New == "":
		case len(s.flags.hosts) > 0 && !slices.Contains(s.flags.hosts, h.ID):
		case len(s.flags.hosts) > 0, s.flags.remove, inUse(h, s.project), len(readersInUse(h, s.project)) > 0:
			s.hosts = append(s.hosts, h)
		}
	}
	if len(s.hosts) == 0 {
		return fmt.Errorf("no agent host was found in %s or on PATH: name one, such as --host claude; the hosts are %s", s.project, strings.Join(initHosts(), ", "))
	}
	return nil
}

// canSetUp returns an error that says why a host cannot be set up and what to do
// instead.
func canSetUp(id string) error {
	h, ok := hosts.ByID(id)
	switch {
	case !ok && strings.Contains(id, ","):
		return errors.New("it takes one name: give --host once for each host, such as --host claude --host codex")
	case !ok:
		return fmt.Errorf("there is no such host; the hosts are %s", strings.Join(initHosts(), ", "))
	case h.New != "":
		return nil
	}
	for _, other := range hosts.All {
		if other.New != "" && slices.Contains(h.Reads, other.New) {
			return fmt.Errorf("%s reads %s, the file of %s: give --host %s", h.Name, other.New, other.Name, other.ID)
		}
	}
	return fmt.Errorf("%s has no files in a project. To set it up for all projects: %s", h.Name, forAllProjects(h))
}

// inUse reports whether a host seems to be in use in a project.
func inUse(h *hosts.Host, project string) bool {
	for _, name := range append(slices.Clone(h.Project), h.Folders...) {
		if _, err := os.Lstat(filepath.Join(project, filepath.FromSlash(name))); err == nil {
			return true
		}
	}
	return slices.ContainsFunc(h.Programs, func(program string) bool {
		_, err := exec.LookPath(program)
		return err == nil
	})
}

// readersInUse returns the hosts in use that read the file of h, and for which init
// has no other file.
func readersInUse(h *hosts.Host, project string) (readers []*hosts.Host) {
	for i := range hosts.All {
		other := &hosts.All[i]
		if other.New == "" && slices.Contains(other.Reads, h.New) && inUse(other, project) {
			readers = append(readers, other)
		}
	}
	return readers
}

// edits returns what init puts into files, in the order in which it does. Removing
// takes out all that init can put in.
func (s *setup) edits() (edits []hosts.Edit) {
	for _, h := range s.hosts {
		edits = append(edits, hosts.Edit{Kind: hosts.ServerEdit, Host: h})
		if h.Hook != nil && (s.flags.hooks || s.flags.remove) {
			edits = append(edits, hosts.Edit{Kind: hosts.HookEdit, Host: h})
		}
	}
	if s.flags.agentsMD || s.flags.remove && len(s.flags.hosts) == 0 {
		edits = append(edits, hosts.Edit{Kind: hosts.AgentsEdit})
	}
	return edits
}

// plan finds out what is to be changed. Its error names every file that cannot be
// changed: then none is to be.
func (s *setup) plan() error {
	var refusals []error
	if s.flags.remove {
		refusals = s.planRemoval()
	} else {
		for _, edit := range s.edits() {
			if err := s.planEdit(edit); err != nil {
				refusals = append(refusals, err)
			}
		}
		s.noteAgents()
	}
	s.changes = slices.DeleteFunc(s.changes, func(c *change) bool { return !c.remove && bytes.Equal(c.text, c.file.Text) })
	if len(refusals) > 0 {
		return fmt.Errorf("%w\nNothing was changed. To set up other hosts, name them with --host", errors.Join(refusals...))
	}
	return nil
}

// change returns the change of a file, which is read the first time.
func (s *setup) change(name string) (*change, error) {
	for _, c := range s.changes {
		if c.file.Name == name {
			return c, nil
		}
	}
	file, err := hosts.ReadFile(s.project, name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be edited: %w", name, err)
	}
	for _, c := range s.changes {
		if c.file.Path == file.Path { // the names are one file, by a link
			return c, nil
		}
	}
	c := &change{file: file, text: file.Text, steps: slices.Clone(s.ledger.Files[name])}
	s.changes = append(s.changes, c)
	return c, nil
}

// planEdit plans to put one edit into one file, unless the project has it already.
func (s *setup) planEdit(edit hosts.Edit) error {
	target := ""
	for _, name := range edit.Paths() {
		c, err := s.change(name)
		if err != nil {
			return err
		}
		if !c.file.Exists {
			continue
		}
		state, server, err := edit.Look(c.text)
		if err != nil {
			return s.refusal(edit, c, err)
		}
		if state == hosts.Present {
			if server != "" && server != hosts.Server {
				s.note("%s starts %s already, as server %s", name, programName, phrase.Word(server))
			}
			return nil
		}
		if target == "" {
			target = name
		}
	}
	if target == "" {
		target = newFile(edit)
	}
	c, err := s.change(target)
	if err != nil {
		return err
	}
	return s.putIn(edit, c)
}

// newFile returns the file that an edit creates where its host has none.
func newFile(edit hosts.Edit) string {
	if edit.Kind == hosts.ServerEdit {
		return edit.Host.New
	}
	return edit.Paths()[0]
}

// putIn puts an edit into the planned text of a file.
func (s *setup) putIn(edit hosts.Edit, c *change) error {
	state, _, err := edit.Look(c.text)
	if err != nil {
		return s.refusal(edit, c, err)
	}
	if state == hosts.Foreign {
		text, replace, err := s.replaceForeign(edit, c)
		if err != nil || !replace {
			return err
		}
		c.text = text
	}
	if edit.Kind == hosts.ServerEdit {
		if err := s.checkManifest(edit.Host, c); err != nil {
			return err
		}
		s.noteQuirks(edit.Host, c)
	}
	text, spans, err := edit.Insert(c.text)
	if err != nil {
		return s.refusal(edit, c, err)
	}
	step := hosts.Step{Kind: edit.Kind, Spans: spans, Created: !c.file.Exists && len(c.text) == 0}
	if edit.Host != nil {
		step.Host = edit.Host.ID
	}
	// What was remembered of this edit before is out of date: somebody took the edit out.
	c.steps = slices.DeleteFunc(c.steps, func(old hosts.Step) bool { return old.Kind == step.Kind && old.Host == step.Host })
	c.text, c.steps = text, append(c.steps, step)
	return nil
}

// planRemoval plans to take everything out of the files again.
func (s *setup) planRemoval() (refusals []error) {
	edits := s.edits()
	for _, edit := range edits {
		for _, name := range edit.Paths() {
			if slices.ContainsFunc(s.changes, func(c *change) bool { return c.file.Name == name }) {
				continue
			}
			c, err := s.change(name)
			if err != nil {
				if len(s.ledger.Files[name]) > 0 || len(s.flags.hosts) > 0 {
					refusals = append(refusals, err)
				}
				continue
			}
			delete(s.ledger.Files, name)
			if !c.file.Exists {
				continue
			}
			undone, err := hosts.Undo(c.steps, name, c.text, edits)
			if err != nil && strings.Contains(string(c.text), programName) {
				refusals = append(refusals, s.refusal(edit, c, err))
			}
			if err != nil {
				continue
			}
			s.takeOut(c, undone)
		}
	}
	return refusals
}

// takeOut plans a file without what init put in. A file in which nothing else stands is removed if it is
// known that init made it, and also if that is not known, as in a clone: an empty file of a person is soon
// made again, and hosts complain of a hollow one.
func (s *setup) takeOut(c *change, undone hosts.Undone) {
	known := len(c.steps) > 0
	made := known && c.steps[0].Created
	hollow := undone.Hollow && !undone.Created && (made || !known) && !c.file.Linked
	switch {
	case hollow && !known:
		s.note("%s has nothing else in it, so it is removed, though it is not known whether init made it", c.file.Name)
	case !hollow && !undone.Exact && known:
		s.note("%s has changed since init put its part in: only that part is taken out", c.file.Name)
	}
	switch {
	case hollow && !known:
		c.folders = foldersOf(c.file.Name)
	case (hollow || undone.Created) && known:
		c.folders = c.steps[0].Folders
	}
	c.text, c.remove, c.steps = undone.Text, c.remove || undone.Created || hollow, nil
	if hollow {
		c.text = nil
	}
}

// diff returns the change for people.
func (c *change) diff() string {
	before, after := "a/"+c.file.Name, "b/"+c.file.Name
	if !c.file.Exists {
		before = os.DevNull
	}
	if c.remove {
		after = os.DevNull
	}
	lines := func(text []byte) string { return strings.ReplaceAll(string(text), "\r\n", "\n") }
	parts := strings.Split(udiff.Unified(before, after, lines(c.file.Text), lines(c.text)), "\t")
	for i := range parts {
		parts[i] = printable(parts[i]) // tabs are harmless, and files are indented by them
	}
	return strings.Join(parts, "\t")
}

func (s *setup) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}
