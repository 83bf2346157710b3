package hosts

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// TestTable: every row is whole, and no two rows claim one file.
func TestTable(t *testing.T) {
	files := map[string]string{}
	ids := map[string]bool{}
	for i := range All {
		h := &All[i]
		if h.ID == "" || h.Name == "" || h.Key == "" || len(h.Programs) == 0 || len(h.User) == 0 {
			t.Errorf("%+v lacks a name, a program, a key or a user file", h)
		}
		if ids[h.ID] {
			t.Errorf("two hosts are called %s", h.ID)
		}
		ids[h.ID] = true
		if h.New != "" && !slices.Contains(h.Project, h.New) {
			t.Errorf("%s creates %s, which it does not read", h.ID, h.New)
		}
		if h.New != "" && h.Trust == "" {
			t.Errorf("nobody knows what %s asks before it starts a server", h.ID)
		}
		if h.Names != nil && !h.Names.MatchString(Server) {
			t.Errorf("%s refuses the name %s", h.ID, Server)
		}
		for _, file := range h.Project {
			if path.Clean(file) != file || path.IsAbs(file) || strings.HasPrefix(file, "..") {
				t.Errorf("%s: %s is no clean path in a project", h.ID, file)
			}
			if other := files[file]; other != "" {
				t.Errorf("%s and %s both have %s", h.ID, other, file)
			}
			files[file] = h.ID
		}
	}
	for _, h := range All {
		for _, file := range h.Reads {
			if files[file] == "" {
				t.Errorf("%s reads %s, which is no host's", h.ID, file)
			}
		}
	}
	for _, id := range strings.Fields("claude codex cursor vscode gemini zed opencode copilot kiro amp") {
		if !ids[id] {
			t.Errorf("there is no host %s", id)
		}
	}
}

// TestSnippet: each host reads its own snippet, and finds our program in it.
func TestSnippet(t *testing.T) {
	for i := range All {
		h := &All[i]
		if h.Format == YAML {
			continue
		}
		file, err := h.Parse([]byte(h.Snippet()))
		if err != nil {
			t.Errorf("%s: %v in %s", h.ID, err, h.Snippet())
			continue
		}
		entries, err := h.Entries(file, h.Key)
		if err != nil || entries[Server].Command != Program || len(entries[Server].Args) > 0 || entries[Server].Off {
			t.Errorf("%s reads %+v (%v) from %s", h.ID, entries, err, h.Snippet())
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ host, text, want string }{
		{"claude", "{}", ""},
		{"claude", "", "not JSON: it is empty"},
		{"claude", "\xef\xbb\xbf{}", "not JSON: line 1: it begins with a byte order mark"},
		{"claude", "{\n// x\n}", "not JSON: line 2: "},
		{"claude", "{\n\"a\": 1,\n}", "not JSON: line 3: "},
		{"claude", "{}\n{}", "not JSON: line 2: "},
		{"claude", "{}}", "not JSON: line 1: "},
		{"claude", "[]", "not a JSON object"},
		{"vscode", "\xef\xbb\xbf{ // x\n\"a\": [1,],}", ""},
		{"vscode", " \n", ""},
		{"vscode", "{bad", "not JSON: line 1, "},
		{"gemini", "{ // x\n}", ""},
		{"gemini", "{\n\"a\": 1,\n}", "not JSON: line 2: a comma stands before the end"},
		{"gemini", "{\"a\": [\n1,\n]}", "not JSON: line 2: a comma stands before the end"},
		{"codex", "", ""},
		{"codex", "a = 1\na = 2", "not TOML: line 2: "},
	} {
		h, _ := ByID(c.host)
		_, err := h.Parse([]byte(c.text))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s says %q of %q, want %q", c.host, got, c.text, c.want)
		}
	}
}
