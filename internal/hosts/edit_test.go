package hosts

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the edits make of the files to testdata")

// quirk is a file as hosts and people write it.
type quirk struct{ host, name, text string }

// quirks are shapes that were seen in public repositories. The names of those that
// no edit may touch begin with "refused".
var quirks = []quirk{
	{"claude", "no file", ""},
	{"claude", "one server", "{\n  \"mcpServers\": {\n    \"other\": {\n      \"command\": \"npx\",\n      \"args\": [\"-y\", \"other\"]\n    }\n  }\n}\n"},
	{"claude", "empty object", "{}\n"},
	{"claude", "empty object without newline", "{}"},
	{"claude", "open empty object", "{\n}\n"},
	{"claude", "no servers", "{\n    \"mcpServers\": {}\n}\n"},
	{"claude", "open servers", "{\n\t\"mcpServers\": {\n\t}\n}"},
	{"claude", "one line", `{"mcpServers": {"other": {"command": "x"}}}`},
	{"claude", "minified", `{"mcpServers":{"other":{"command":"x","args":["a"]}}}` + "\n"},
	{"claude", "minified and empty", `{"mcpServers":{}}` + "\n"},
	{"claude", "servers in one line each", "{\n  \"mcpServers\": {\n    \"a\": {\"command\": \"x\"},\n    \"b\": {\"command\": \"y\"}\n  }\n}\n"},
	{"claude", "tabs and carriage returns", "{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": {\r\n\t\t\t\"command\": \"x\"\r\n\t\t}\r\n\t}\r\n}"},
	{"claude", "byte order mark", "\xef\xbb\xbf{\r\n  \"mcpServers\": {}\r\n}\r\n"},
	{"claude", "escaped key", "{\n  \"mcp\\u0053ervers\": {\n    \"a\": {\n      \"command\": \"x\"\n    }\n  }\n}\n"},
	{"claude", "plugin manifest", "{\n  \"mcpServers\": {\n    \"p\": {\n      \"command\": \"${CLAUDE_PLUGIN_ROOT}/bin/p\"\n    }\n  }\n}\n"},
	{"claude", "refused bare map", "{\n  \"linear\": {\n    \"type\": \"http\",\n    \"url\": \"https://mcp.example.org\"\n  }\n}\n"},
	{"claude", "refused duplicate servers", "{\n  \"mcpServers\": {},\n  \"mcp\\u0053ervers\": {}\n}\n"},
	{"claude", "refused duplicate names", "{\"mcpServers\": {\"a\": {\"command\": \"x\"}, \"a\": {\"command\": \"y\"}}}"},
	{"claude", "refused broken", "{\n  \"mcpServers\": {\n"},
	{"claude", "refused list", "[]\n"},
	{"claude", "refused list of servers", "{\"mcpServers\": []}\n"},
	{"cursor", "misindented last brace", "{\n  \"mcpServers\": {\n    \"a\": {\n      \"command\": \"x\",\n      \"env\": {\"PORT\": 3000}\n    }\n      }   \n   }   "},
	{"cursor", "tabs and spaces", "{\n  \"mcpServers\": {\n\t\"a\": {\n\t  \"command\": \"x\"\n\t}\n  }\n}\n"},
	{"cursor", "refused JavaScript", "{\n  \"mcpServers\": {\n    \"a\": {\n      \"env\": {\"KEY\": process.env.KEY}\n    }\n  }\n}\n"},
	{"vscode", "comments and inputs", "// servers of this project\n{\n  \"inputs\": [],\n  \"servers\": {\n    // the first\n    \"io.github.x/y.z\": {\n      \"type\": \"stdio\",\n      \"command\": \"x\"\n    } // of two\n    // , \"second\": {}\n  }\n}\n"},
	{"vscode", "trailing comma at one level", "{\n\t\"servers\": {\n\t\t\"a\": {\n\t\t\t\"command\": \"x\",\n\t\t}\n\t},\n}\n"},
	{"vscode", "comment behind the last comma", "{\n  \"servers\": {\n    \"a\": {\"command\": \"x\"}, // first\n  }, /* all */\n}\n"},
	{"vscode", "inputs last", "{\n  \"servers\": {},\n  \"inputs\": []\n}\n"},
	{"vscode", "no servers key", "{\n  // nothing yet\n  \"inputs\": []\n}\n"},
	{"vscode", "line comment in a one-line object", "{ \"servers\": { \"a\": { \"command\": \"x\" } // here\n} }\n"},
	{"vscode", "comment in an empty object", "{\n  \"servers\": { /* none */ }\n}\n"},
	{"vscode", "comment line in an empty object", "{\n  \"servers\": { // none\n    // really\n  }\n}\n"},
	{"vscode", "comment without newline at the end", "{\n  \"servers\": {}\n}\n// the end"},
	{"vscode", "refused servers as array", "{\"servers\": [{\"name\": \"a\"}]}"},
	{"vscode", "refused fragment", "\"mcp\": {\n  \"servers\": {}\n}\n"},
	{"gemini", "flat keys beside objects", "{\n  \"general.vimMode\": true,\n  \"ui\": {\n    \"theme\": \"x\"\n  }\n}\n"},
	{"zed", "trailing commas everywhere", "// Folder-specific settings\n//\n// See the documentation\n{\n  \"lsp\": {\n    \"gopls\": {\n      \"x\": 1,\n    },\n  },\n  \"tab_size\": 2,\n}\n"},
	{"zed", "servers with trailing commas", "{\n  \"context_servers\": {\n    \"a\": {\n      \"command\": \"x\",\n    },\n  },\n}\n"},
	{"opencode", "schema last", "{\n  \"mcp\": {\n    \"a\": {\n      \"type\": \"remote\",\n      \"url\": \"https://example.org\"\n    }\n  },\n  \"$schema\": \"https://opencode.ai/config.json\"\n}\n"},
	{"opencode", "no file", ""},
	{"kiro", "no file", ""},
	{"kiro", "no servers", "{\"mcpServers\":{}}"},
	{"amp", "permissions only", "{\n  \"amp.permissions\": [\n    {\"tool\": \"Bash\", \"action\": \"ask\"}\n  ]\n}\n"},
	{"amp", "flat key", "{\n  \"amp.mcpServers\": {\n    \"a\": {\n      \"command\": \"x\",\n      \"args\": []\n    }\n  },\n  \"amp.tools\": {}\n}\n"},
	{"codex", "no file", ""},
	{"codex", "schema line", "#:schema https://example.org/config.json\nmodel = \"x\"\n"},
	{"codex", "comment without newline at the end", "model = \"x\"\n# [mcp_servers.x]\n# command = \"x\""},
	{"codex", "header spelt with blanks", "[ mcp_servers . \"x\" ]\n  command = \"x\"\n\n  [mcp_servers.x.env]\n  A = \"b\"\n"},
	{"codex", "inline table", "mcp_servers = { x = { command = \"x\" } }\n\n[tui]\ntheme = \"y\"\n"},
	{"codex", "empty inline table", "mcp_servers = {}\n"},
	{"codex", "dotted keys", "mcp_servers.x.command = \"x\"\n"},
	{"codex", "dotted keys under a header", "[mcp_servers]\nx.command = \"x\"\ny = { command = \"y\" }\n"},
	{"codex", "carriage returns", "model = \"x\"\r\n\r\n[tui]\r\ntheme = \"y\"\r\n"},
	{"codex", "array of tables last", "[[hooks]]\nevent = \"x\"\n\n"},
	{"codex", "not a number", "a = nan\nb = 2026-01-01T00:00:00Z\n"},
	{"codex", "refused array of servers", "[[mcp_servers]]\nname = \"x\"\n"},
	{"codex", "refused broken", "model = \n"},
	{"codex", "refused duplicate", "[mcp_servers.x]\n[mcp_servers.x]\n"},
}

// TestServerEdits: each quirk gets our entry and loses it again. The goldens show
// the files with our entry: read them as a person would read a diff.
func TestServerEdits(t *testing.T) {
	var golden strings.Builder
	for _, q := range quirks {
		h, _ := ByID(q.host)
		e := Edit{ServerEdit, h}
		t.Run(q.host+" "+q.name, func(t *testing.T) {
			fmt.Fprintf(&golden, "==== %s: %s\n", q.host, q.name)
			out, err := checkEdit(t, e, []byte(q.text))
			refused := strings.HasPrefix(q.name, "refused")
			switch {
			case err != nil:
				fmt.Fprintf(&golden, "refused: %v\n", err)
			default:
				golden.WriteString(visible(out))
			}
			if refused != (err != nil) {
				t.Errorf("got %v", err)
			}
		})
	}
	compare(t, "server.txt", golden.String())
}

// checkEdit puts an edit into a text and takes it out again, in each way, and
// returns the text with the edit.
func checkEdit(t testing.TB, e Edit, text []byte) ([]byte, error) {
	t.Helper()
	state, _, err := e.Look(text)
	if err != nil {
		return nil, err
	}
	if state != Absent {
		t.Fatalf("the state is %d before, want absent", state)
	}
	out, spans, err := e.Insert(text)
	if err != nil {
		return nil, err
	}
	if state, _, err := e.Look(out); state != Present || err != nil {
		t.Errorf("the state is %d (%v) after, want present\n%s", state, err, out)
	}
	if back, ok := cutAll(out, spans); !ok || !bytes.Equal(back, text) {
		t.Errorf("cut out by its place: %v\n%s", ok, cmp.Diff(string(text), string(back)))
	}
	back, err := e.Remove(out, false)
	if err != nil {
		t.Errorf("remove by key: %v\n%s", err, out)
		return out, nil
	}
	if state, _, err := e.Look(back); state != Absent || err != nil {
		t.Errorf("the state is %d (%v) in the end, want absent\n%s", state, err, back)
	}
	return out, nil
}

// visible shows the characters that a golden file would hide.
func visible(text []byte) string {
	s := strings.NewReplacer("\r", "\\r", "\t", "\\t", "\xef\xbb\xbf", "\\ufeff").Replace(string(text))
	lines := strings.SplitAfter(s, "\n")
	for i, line := range lines {
		if rest := strings.TrimRight(line, " \n"); len(strings.TrimSuffix(line, "\n")) > len(rest) {
			lines[i] = rest + strings.Repeat("\\s", len(strings.TrimSuffix(line, "\n"))-len(rest)) + line[len(strings.TrimSuffix(line, "\n")):]
		}
	}
	s = strings.Join(lines, "")
	if !strings.HasSuffix(s, "\n") {
		s += "\\end\n"
	}
	return s
}

// compare compares a text with a golden file, or writes the file with -update.
func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("not as in %s; if it should be so, run go test ./internal/hosts -update (-want +got):\n%s", path, diff)
	}
}
