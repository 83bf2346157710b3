package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/internal/hosts"
	"github.com/huskies/huskies-mcp/internal/locate"
)

// write makes the changes and says which. The ledger is written before the files: a
// step of which nothing came is recognised as such, but a file of which nothing was
// remembered could not be restored exactly.
func (s *setup) write() (done string, err error) {
	for _, c := range s.changes {
		s.ledger.Files[c.file.Name] = c.steps
		s.expectFolders(c)
	}
	if !s.flags.remove {
		if err := s.saveLedger(); err != nil {
			return "", fmt.Errorf("%s cannot be written, so nothing was changed: %w", ledgerFile, err)
		}
	}
	var b strings.Builder
	for _, c := range s.changes {
		if err := s.apply(c); err != nil {
			changed := "nothing was changed"
			if b.Len() > 0 {
				changed = "changed before: " + strings.ReplaceAll(strings.TrimSpace(b.String()), "\n", ", ")
			}
			return "", fmt.Errorf("%s: %w (%s): mend this and run init again", c.file.Name, err, changed)
		}
		verb := "changed"
		switch {
		case c.remove:
			verb = "removed"
		case !c.file.Exists:
			verb = "created"
		}
		fmt.Fprintf(&b, "%s %s\n", verb, c.file.Name)
	}
	if s.flags.remove {
		err = s.saveLedger()
	}
	return b.String(), err
}

// apply makes one change.
func (s *setup) apply(c *change) error {
	if !c.remove {
		return c.file.Write(c.text)
	}
	if err := c.file.Remove(); err != nil {
		return err
	}
	for _, folder := range slices.Backward(c.folders) {
		_ = os.Remove(filepath.Join(s.project, filepath.FromSlash(folder))) // one that is not empty stays
	}
	return nil
}

// expectFolders remembers which folders a new file needs that are not there.
func (s *setup) expectFolders(c *change) {
	steps := s.ledger.Files[c.file.Name]
	if len(steps) == 0 || !steps[0].Created || c.file.Exists {
		return
	}
	for _, folder := range foldersOf(c.file.Name) {
		if _, err := os.Lstat(filepath.Join(s.project, filepath.FromSlash(folder))); errors.Is(err, fs.ErrNotExist) {
			steps[0].Folders = append(steps[0].Folders, folder)
		}
	}
}

// foldersOf returns the folders above a file, relative to the project, the outermost first.
func foldersOf(name string) (folders []string) {
	for i, letter := range name {
		if letter == '/' {
			folders = append(folders, name[:i])
		}
	}
	return folders
}

// The file that keeps git from seeing what is in .huskies, and its beginning if it is
// ours.
const (
	ledgerIgnore = ".huskies/.gitignore"
	ignoreHeader = "# The pipeline's database holds a private key.\n"
)

// saveLedger writes the ledger, or removes it if nothing is left to remember.
func (s *setup) saveLedger() error {
	for name, steps := range s.ledger.Files {
		if len(steps) == 0 {
			delete(s.ledger.Files, name)
		}
	}
	file, err := hosts.ReadFile(s.project, ledgerFile)
	if err != nil {
		return err
	}
	switch {
	case len(s.ledger.Files) > 0:
		if err := s.hideLedger(); err != nil {
			return err
		}
		return file.Write(s.ledger.Text())
	case file.Exists:
		if err := file.Remove(); err != nil {
			return err
		}
		return s.forgetLedger()
	}
	return nil
}

// ownIgnore returns what .huskies/.gitignore says if init makes it.
func ownIgnore() string {
	return ignoreHeader + filepath.Base(locate.File) + "*\n" + filepath.Base(ledgerFile) + "\n.gitignore\n"
}

// hideLedger makes git ignore the ledger. A .gitignore that a person wrote is left as
// it is.
func (s *setup) hideLedger() error {
	folder := filepath.Join(s.project, filepath.Dir(ledgerFile))
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	file, err := hosts.ReadFile(s.project, ledgerIgnore)
	if err != nil {
		return err
	}
	name := filepath.Base(ledgerFile)
	switch text := string(file.Text); {
	case !file.Exists:
		err = file.Write([]byte(ownIgnore()))
	case locate.Ignored(s.project, filepath.Join(s.project, filepath.FromSlash(ledgerFile))):
	case strings.HasPrefix(text, ignoreHeader) && strings.HasSuffix(text, "\n"):
		err = file.Write([]byte(text + name + "\n"))
	default:
		s.note("git does not ignore %s: add %s to %s", ledgerFile, name, ledgerIgnore)
	}
	return err
}

// forgetLedger removes the folder of the ledger if init made it and nothing else is
// in it.
func (s *setup) forgetLedger() error {
	file, err := hosts.ReadFile(s.project, ledgerIgnore)
	if err != nil {
		return err
	}
	folder := filepath.Join(s.project, filepath.Dir(ledgerFile))
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 || string(file.Text) != ownIgnore() {
		return err
	}
	if err := file.Remove(); err != nil {
		return err
	}
	return os.Remove(folder)
}
