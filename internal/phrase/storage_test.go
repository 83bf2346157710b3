package phrase_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
	"github.com/huskies/huskies-mcp/replica"
)

// TestWhatToDo: what a person and an agent read about failures of the storage.
func TestWhatToDo(t *testing.T) {
	const full = "the disk is full: free some space, then repeat the call"
	for _, tt := range []struct {
		failed oplog.Error
		want   string
	}{
		{oplog.Error{Op: "append op", Code: dbfile.CodeFull}, full},
		{oplog.Error{Op: dbfile.OpCommit, Code: dbfile.CodeFull}, "read the item before you repeat the call: the change may have been made. " + full},
		{oplog.Error{Op: dbfile.OpCommit, Code: dbfile.CodeFull, Undone: true}, "nothing was written. " + full},
		{oplog.Error{Code: dbfile.CodeForbidden, Path: "/x.db"}, "check the permissions of /x.db and its folder, then repeat the call"},
		{
			oplog.Error{Code: dbfile.CodeForbidden, Path: "/z/.huskies", Folder: "/z"},
			"check the permissions of the folder /z, in which this user must be able to make files, then repeat the call",
		},
		{oplog.Error{Code: dbfile.CodeLocked, Path: "/x.db.lock", Process: 7}, "nothing was written; repeat the call later. If it goes on, process 7 holds the lock and hangs or is stopped; 'huskies-mcp doctor' says more"},
		{oplog.Error{Code: dbfile.CodeLocked, Path: "/x.db.lock"}, "nothing was written; repeat the call later. If it goes on, a process holds the lock and hangs or is stopped: a person can find it with 'fuser /x.db.lock'; 'huskies-mcp doctor' says more"},
		{oplog.Error{Code: dbfile.CodeManyNames, Path: "/x.db"}, "nothing was written: find the other names with 'find FOLDER -samefile /x.db' and remove them, then repeat the call. A symbolic link or --db gives a database a second name without harm"},
		{oplog.Error{Code: dbfile.CodeOtherOwner, Path: "/x.db", User: 1000}, "nothing was changed. If the pipeline is yours: sudo chown 1000 /x.db. To read what somebody gave you, copy it and give the copy's --db"},
		{oplog.Error{Code: oplog.CodeNewer}, "install a newer huskies-mcp and start it again; nothing in the file was changed"},
		{oplog.Error{Code: oplog.CodeUnsalvageable}, "keep a copy of the database with its -wal file, check the disk, and restore a backup (huskies-mcp restore lists them); if there is none, move the database away and import a bundle of all ops from another replica into a new one"},
		{oplog.Error{Code: replica.CodeRemoved}, "nothing was written; tell the user, who can put a backup back: huskies-mcp restore. To begin with an empty pipeline, the server must be started anew"},
	} {
		tt.failed.Err = errors.New("cause")
		if got := phrase.WhatToDo(&tt.failed); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.failed.Code, got, tt.want)
		}
	}
}

// TestEveryCodeHasARemedy: no code of the storage is without words.
func TestEveryCodeHasARemedy(t *testing.T) {
	codes := 0
	for _, file := range []string{"oplog/dbfile/errors.go", "oplog/errors.go", "replica/open.go"} {
		for _, code := range constants(t, file, "Code") {
			codes++
			if phrase.WhatToDo(&oplog.Error{Code: oplog.Code(code), Err: errors.New("cause")}) == "" {
				t.Errorf("%s: internal/phrase/storage.go has no remedy for %s", file, code)
			}
		}
	}
	if codes < 30 {
		t.Errorf("found %d codes: where are the others?", codes)
	}
}

// TestEveryFindingHasARemedy: no kind of finding is without words.
func TestEveryFindingHasARemedy(t *testing.T) {
	for _, kind := range constants(t, "oplog/finding.go", "Found") {
		if phrase.FindingRemedy(oplog.FindingKind(kind)) == "" {
			t.Errorf("internal/phrase/finding.go has no remedy for %s", kind)
		}
	}
}

// TestEveryProblemHasWords: no problem of a finding is said as its code.
func TestEveryProblemHasWords(t *testing.T) {
	codes := constants(t, "oplog/problem.go", "Problem")
	if len(codes) < 30 {
		t.Errorf("found %d codes: where are the others?", len(codes))
	}
	for _, code := range codes {
		f := oplog.Finding{Problem: oplog.Problem{Code: oplog.ProblemCode(code), Ops: make([]crdt.OpID, 1), Name: "some name", Err: errors.New("some cause")}}
		if got := phrase.Problem(f); got == code || !strings.Contains(got, " ") {
			t.Errorf("internal/phrase/finding.go has no words for %s: %q", code, got)
		}
	}
}

// TestFindings: what a person reads of a finding.
func TestFindings(t *testing.T) {
	for _, tt := range []struct {
		finding oplog.Finding
		want    string
	}{
		{oplog.Finding{Kind: oplog.FoundArrival, Arrival: 3, Problem: oplog.Problem{Code: oplog.ProblemMissing}}, "row 3: is missing"},
		{oplog.Finding{Kind: oplog.FoundArrival, Arrival: 3, Last: 5, Problem: oplog.Problem{Code: oplog.ProblemMissing}}, "rows 3 to 5: are missing"},
		{oplog.Finding{Kind: oplog.FoundWaiting, Arrival: 2, Problem: oplog.Problem{Code: oplog.ProblemNeeds, Ops: make([]crdt.OpID, 4)}}, "row 2: waits for 4 ops (000000000000, 000000000000, 000000000000, ...), which are not here"},
		{oplog.Finding{Kind: oplog.FoundTrust, Problem: oplog.Problem{Code: oplog.ProblemTable, Name: "trust_decisions"}}, "trust: the table trust_decisions is missing: another program took it out"},
	} {
		if got := phrase.Finding(tt.finding); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// constants returns the values of the text constants whose names begin with prefix, in a file that is
// named from the root of the module.
func constants(t *testing.T, file, prefix string) (values []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", filepath.FromSlash(file)), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) != 1 {
			return true
		}
		if text, ok := spec.Values[0].(*ast.BasicLit); ok && text.Kind == token.STRING {
			value, err := strconv.Unquote(text.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	return values
}
