package hosts

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Ledger remembers what was put into a project's files, so that it can be taken out
// byte for byte. A ledger may come with a checkout from anybody. So it is never
// believed: a step is followed only if putting the edit in again gives exactly the
// file at hand.
type Ledger struct {
	Version int               `json:"version"`
	Files   map[string][]Step `json:"files"` // by the file's name in the project
}

// Step is one edit of one file.
type Step struct {
	Kind    Kind   `json:"kind"`
	Host    string `json:"host,omitempty"`
	Spans   []Span `json:"spans"`             // what was put in, in the file as it was after this step
	Created bool   `json:"created,omitempty"` // the file did not exist before
	// Folders are the folders that were made for the file, relative to the project,
	// with slashes, the outermost first.
	Folders []string `json:"folders,omitempty"`
}

// ledgerVersion is the version of the ledger's form.
const ledgerVersion = 1

// ParseLedger reads a ledger. What it cannot believe it leaves out: files that are
// not in the table, kinds that do not belong to a file, folders that are not above it.
func ParseLedger(text []byte) Ledger {
	l := Ledger{Version: ledgerVersion, Files: map[string][]Step{}}
	var read Ledger
	if json.Unmarshal(text, &read) != nil || read.Version != ledgerVersion {
		return l
	}
	for name, steps := range read.Files {
		for _, s := range steps {
			if edit, ok := s.edit(); ok && slices.Contains(edit.Paths(), name) {
				s.Folders = slices.DeleteFunc(s.Folders, func(folder string) bool { return !strings.HasPrefix(name, folder+"/") })
				l.Files[name] = append(l.Files[name], s)
			}
		}
	}
	return l
}

// Text returns the ledger as it is kept in a file.
func (l Ledger) Text() []byte {
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		panic(err) // it has only texts and numbers
	}
	return append(text, '\n')
}

// edit returns the edit of a step.
func (s Step) edit() (Edit, bool) {
	if s.Kind == AgentsEdit {
		return Edit{Kind: AgentsEdit}, true
	}
	host, ok := ByID(s.Host)
	return Edit{s.Kind, host}, ok
}

// Undone is a file without our edits.
type Undone struct {
	Text []byte
	// Exact reports that the text is what the file was before the edits.
	Exact bool
	// Created reports that the file did not exist before the edits and has nothing
	// else now.
	Created bool
	// Hollow reports that edits were taken out, and that the text has nothing but what putting
	// them into an empty file makes around them.
	Hollow bool
}

// Undo takes the edits out of a file: byte for byte those of which the steps are
// right, by their keys the others. An edit without a step is taken out, too.
func Undo(steps []Step, name string, text []byte, edits []Edit) (Undone, error) {
	u := Undone{Text: text, Exact: true}
	var taken []Edit
	for _, s := range slices.Backward(steps) {
		edit, _ := s.edit()
		if !slices.Contains(edits, edit) {
			continue
		}
		before, ok := cutAll(u.Text, s.Spans)
		if ok {
			again, _, err := edit.Insert(before)
			ok = err == nil && bytes.Equal(again, u.Text)
		}
		if ok {
			u.Text, u.Created = before, s.Created && len(before) == 0
			taken = append(taken, edit)
		} else {
			u.Exact = false
		}
	}
	for _, edit := range edits {
		if !slices.Contains(edit.Paths(), name) {
			continue
		}
		out, err := edit.Remove(u.Text, false)
		if err != nil {
			return u, err
		}
		if !bytes.Equal(out, u.Text) {
			u.Text, u.Exact, u.Created = out, false, false
			taken = append(taken, edit)
		}
	}
	taken = slices.DeleteFunc(slices.Clone(edits), func(e Edit) bool { return !slices.Contains(taken, e) })
	rest, err := around(taken)
	u.Hollow = err == nil && len(taken) > 0 && bytes.Equal(withoutSpace(u.Text), withoutSpace(rest))
	return u, nil
}

// around returns what is left when edits are put into an empty file and taken out one by one.
func around(edits []Edit) (text []byte, err error) {
	for _, e := range edits {
		if text, _, err = e.Insert(text); err != nil {
			return nil, err
		}
	}
	for _, e := range edits {
		if text, err = e.Remove(text, false); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// withoutSpace returns a text without white space and without a byte order mark.
func withoutSpace(text []byte) []byte {
	return bytes.Join(bytes.Fields(bytes.TrimPrefix(text, bom)), nil)
}
