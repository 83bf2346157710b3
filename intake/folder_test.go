package intake

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// TestFolders: in a project, and in the folder that a tool keeps there, its work is found. Where several
// tools keep work, one has to be named.
func TestFolders(t *testing.T) {
	const (
		issue = `{"id":"gt-1","title":"Issue","status":"open","issue_type":"task"}`
		tasks = `{"tasks":[{"id":1,"title":"Task","status":"pending"}]}`
		story = "---\nname: Story\n---\n"
		task  = "---\nid: TASK-1\ntitle: Backlog task\n---\n"
	)
	for _, c := range []struct {
		name    string
		files   map[string]string
		options Options
		// want is the name of the only item, or a part of the error.
		want, err string
	}{
		{"beads", map[string]string{".beads/issues.jsonl": issue}, Options{}, "Issue", ""},
		{"older beads", map[string]string{".beads/beads.jsonl": issue}, Options{}, "Issue", ""},
		{"folder of beads", map[string]string{"issues.jsonl": issue, "config.yaml": ""}, Options{}, "Issue", ""},
		{"task-master", map[string]string{".taskmaster/tasks/tasks.json": tasks, "tasks/x.md": "x"}, Options{}, "Task", ""},
		{"folder of task-master", map[string]string{"tasks/tasks.json": tasks}, Options{}, "Task", ""},
		{"huskies", map[string]string{".huskies/work/1_backlog/1_story_x.md": story}, Options{}, "Story", ""},
		{"folder of work", map[string]string{"3_qa/1_story_x.md": story}, Options{}, "Story", ""},
		{"Backlog.md", map[string]string{"backlog/tasks/task-1 - x.md": task}, Options{}, "Backlog task", ""},
		{"folder of Backlog.md", map[string]string{"tasks/task-1 - x.md": task}, Options{}, "Backlog task", ""},
		{"only completed tasks", map[string]string{"backlog/completed/task-1 - x.md": task}, Options{}, "Backlog task", ""},
		{"two tools", map[string]string{".beads/issues.jsonl": issue, "backlog/tasks/task-1.md": task}, Options{}, "", "p/.beads/issues.jsonl (--format beads), p/backlog (--format backlog)"},
		{"one of two tools", map[string]string{".beads/issues.jsonl": issue, "backlog/tasks/task-1.md": task}, Options{Format: Backlog}, "Backlog task", ""},
		{"no tool", map[string]string{"tasks/x.md": "x", "README.md": "x"}, Options{}, "", "name a file"},
		{"unknown format", map[string]string{"README.md": "x"}, Options{Format: "xml"}, "", `format "xml" is not known; give one of markdown, csv`},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{}
			for name, content := range c.files {
				files[name] = &fstest.MapFile{Data: []byte(content)}
			}
			l, err := Read(Source{Name: "p", Folder: files}, c.options)
			if err != nil || c.err != "" {
				if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got error %v, want one with %q", err, c.err)
				}
				return
			}
			if len(l.Items) != 1 || l.Items[0].Name != c.want || len(l.Broken)+len(l.Warnings) != 0 {
				t.Errorf("got %v, broken %v, warnings %v, want %s", l.Items, l.Broken, l.Warnings, c.want)
			}
			if len(l.Items) == 1 && !strings.HasPrefix(l.Items[0].At.File, "p/") {
				t.Errorf("the item stands in %s, want a path below p", l.Items[0].At.File)
			}
		})
	}
}

// TestOddFiles: a folder may come from anywhere. What is no regular file there is not opened, and a file that is
// too large is not read.
func TestOddFiles(t *testing.T) {
	files := fstest.MapFS{
		".huskies/work/1_backlog/1_story_x.md": {Data: []byte("---\nname: Story\n---\n")},
		".huskies/work/1_backlog/2_story_y.md": {Mode: fs.ModeNamedPipe},
		".huskies/work/1_backlog/3_story_z.md": {Data: make([]byte, maxFile+1)},
		".beads/issues.jsonl":                  {Mode: fs.ModeNamedPipe},
	}
	l, err := Read(Source{Name: "p", Folder: files}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Items) != 1 || l.Items[0].Name != "Story" {
		t.Errorf("got %v, want the story in the regular file", l.Items)
	}
	said := fmt.Sprint(l.Broken)
	if len(l.Broken) != 2 || !strings.Contains(said, "not a regular file") || !strings.Contains(said, "at most 8388608 are read") {
		t.Errorf("broken are %s, want the pipe and the large file", said)
	}
}

// TestAliases: front matter whose aliases stand for billions of values is read like any other.
func TestAliases(t *testing.T) {
	list := func(of string) string { return "[" + strings.Repeat(of+", ", 300) + of + "]" }
	front := "---\nname: &name Story\ntitle: *name\na: &a " + list("x") + "\nb: &b " + list("*a") + "\nc: &c " + list("*b") + "\nd: &d " + list("*c") + "\n---\n"
	l, err := Read(Source{Name: "1_backlog/1_story_x.md", Data: []byte(front)}, Options{})
	if err != nil || len(l.Items) != 1 || l.Items[0].Name != "Story" {
		t.Errorf("got %+v, %v", l, err)
	}
}
