package intake

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected output; review the diff as code")

// slug is a plain ending of story IDs for the tests.
func slug(name string) string {
	s := strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return !unicode.IsLower(r) && !unicode.IsDigit(r) || r > 127
	}), "_")
	return s[:min(len(s), 40)]
}

// source returns a file or a folder of testdata under its path there.
func source(t *testing.T, name string) Source {
	t.Helper()
	full := filepath.Join("testdata", filepath.FromSlash(name))
	info, err := os.Stat(full)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		return Source{Name: name, Folder: os.DirFS(full)}
	}
	data, err := os.ReadFile(full)
	if err != nil {
		t.Fatal(err)
	}
	return Source{Name: name, Data: data}
}

func read(t *testing.T, src Source, o Options) *List {
	t.Helper()
	l, err := Read(src, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestShapes reads files in the shapes of each tool, with their quirks, and compares what they become
// with testdata/*.golden.
func TestShapes(t *testing.T) {
	for _, c := range []struct {
		golden, source string
		options        Options
		plan           PlanOptions
	}{
		{"csv_semicolons", "csv/semicolons.csv", Options{}, PlanOptions{}},
		{"csv_broken", "csv/broken.csv", Options{}, PlanOptions{SkipBad: true}},
		{"csv_tabs", "csv/tabs.tsv", Options{}, PlanOptions{}},
		{"json_list", "json/list.json", Options{}, PlanOptions{SkipBad: true}},
		{"json_lines", "json/lines.jsonl", Options{}, PlanOptions{SkipBad: true}},
		{"beads", "beads/project", Options{}, PlanOptions{SkipBad: true}},
		{"beads_shown", "beads/shown.json", Options{}, PlanOptions{}},
		{"backlog", "backlog/project", Options{}, PlanOptions{SkipBad: true}},
		{"backlog_all", "backlog/project/backlog", Options{Drafts: true, Archive: true}, PlanOptions{SkipBad: true}},
		{"task_master", "task-master/tags.json", Options{}, PlanOptions{SkipBad: true}},
		{"task_master_flat", "task-master/flat.json", Options{}, PlanOptions{}},
		{"github", "github/issues.json", Options{}, PlanOptions{SkipBad: true}},
		{"huskies", "huskies", Options{}, PlanOptions{SkipBad: true}},
		{"huskies_export", "huskies/export.md", Options{}, PlanOptions{SkipBad: true}},
		{"markdown", "markdown/todo.md", Options{}, PlanOptions{}},
		{"markdown_nested", "markdown/todo.md", Options{}, PlanOptions{Nested: true}},
		{"markdown_headings", "markdown/headings.md", Options{}, PlanOptions{}},
	} {
		t.Run(c.golden, func(t *testing.T) {
			l := read(t, source(t, c.source), c.options)
			c.plan.Slug = slug
			plan := NewPlan(l, &Index{}, c.plan)
			golden(t, c.golden, describe(l, plan))
			newPlace(t).bring(plan)
		})
	}
}

// describe returns all that a list and a plan hold.
func describe(l *List, p *Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "format %s\n\n%s", l.Format, p.Preview())
	for _, s := range p.Create {
		fmt.Fprintf(&b, "\n==== %s (%s) %s %q\n", s.ID, s.At, s.Stage, s.Name)
		if len(s.DependsOn) > 0 {
			fmt.Fprintf(&b, "depends on %d\n", s.DependsOn)
		}
		if s.Blocked || s.RetryCount != 0 {
			fmt.Fprintf(&b, "blocked %v %q, retry count %d\n", s.Blocked, s.BlockedReason, s.RetryCount)
		}
		fmt.Fprintf(&b, "note:\n    %s\n", strings.ReplaceAll(s.Note, "\n", "\n    "))
		if s.Description != "" {
			fmt.Fprintf(&b, "description:\n    %s\n", strings.ReplaceAll(s.Description, "\n", "\n    "))
		}
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is other than expected (-want +got):\n%s", file, diff)
	}
}

// TestMembersOfOneName: an object with "ID" and "id" is the same item each time it is read, else it came in twice.
func TestMembersOfOneName(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		l := read(t, Source{Name: "x.json", Data: []byte(`[{"ID": "a", "id": "b", "title": "x"}]`)}, Options{})
		seen[l.Items[0].ID] = true
	}
	if len(seen) != 1 {
		t.Errorf("its IDs were %v", seen)
	}
}
