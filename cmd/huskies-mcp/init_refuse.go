package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/huskies/huskies-mcp/internal/hosts"
	"github.com/huskies/huskies-mcp/internal/locate"
)

// refusal says why a file cannot be edited and what to do.
func (s *setup) refusal(edit hosts.Edit, c *change, err error) error {
	what := fmt.Errorf("%s cannot be edited: %w", c.file.Name, err)
	switch {
	case edit.Kind != hosts.ServerEdit:
		return fmt.Errorf("%w: mend the file", what)
	case errors.Is(err, hosts.ErrNoWrapper), errors.Is(err, hosts.ErrChangesMore):
		return fmt.Errorf("%w: add the server yourself, as in %s", what, edit.Host.Example())
	}
	return fmt.Errorf("%w: mend the file; for %s it should have %s", what, edit.Host.Name, edit.Host.Example())
}

// replaceForeign returns the text without an entry that has our name and starts
// something else. It reports false if the entry is to stay.
func (s *setup) replaceForeign(edit hosts.Edit, c *change) (text []byte, replace bool, err error) {
	switch {
	case s.flags.force:
		if text, err = edit.Remove(c.text, true); err != nil {
			return nil, false, s.refusal(edit, c, err)
		}
		s.note("%s: the server named %s is another one; it is replaced", c.file.Name, hosts.Server)
		return text, true, nil
	case s.flags.yes:
		return nil, false, fmt.Errorf("%s has a server named %s that is another one: rename it there, or replace it with --force", c.file.Name, hosts.Server)
	}
	s.note("%s has a server named %s that is another one: it is left alone; --force replaces it", c.file.Name, hosts.Server)
	return nil, false, nil
}

// checkManifest refuses to edit the manifest of a plugin unless a person knows of it:
// an entry there goes to everybody who installs the plugin.
func (s *setup) checkManifest(h *hosts.Host, c *change) error {
	if h.Plugin == nil || !c.file.Exists {
		return nil
	}
	_, err := os.Stat(filepath.Join(s.project, h.Plugin.Folder))
	if err != nil && !bytes.Contains(c.text, []byte(h.Plugin.Variable)) {
		return nil
	}
	if s.flags.yes && !slices.Contains(s.flags.hosts, h.ID) {
		return fmt.Errorf("%s is the manifest of a plugin, and an entry in it goes to everybody who installs the plugin: if you mean that, name it with --host %s", c.file.Name, h.ID)
	}
	s.note("%s is the manifest of a plugin: an entry in it goes to everybody who installs the plugin", c.file.Name)
	return nil
}

// noteQuirks says what may keep a host from reading our entry.
func (s *setup) noteQuirks(h *hosts.Host, c *change) {
	if c.file.Exists {
		if _, err := h.Parse(c.file.Text); err != nil && len(bytes.TrimSpace(c.file.Text)) > 0 {
			s.note("%s may not read %s: it is %v", h.Name, c.file.Name, err)
		}
	}
	if setting := h.Hidden(c.text, hosts.Server); setting != "" {
		s.note("%s has a setting %q that hides the server: add %q to it, or take it out of it", c.file.Name, setting, hosts.Server)
	}
}

// noteAgents says which hosts read another file than AGENTS.md.
func (s *setup) noteAgents() {
	if !s.flags.agentsMD {
		return
	}
	for _, h := range s.hosts {
		if h.Instructions == "" {
			continue
		}
		text, err := locate.ReadPlain(filepath.Join(s.project, h.Instructions))
		if err != nil || !bytes.Contains(text, []byte(hosts.AgentsFile)) {
			s.note("%s reads %s: let it have a line @%s", h.Name, h.Instructions, hosts.AgentsFile)
		}
	}
}
