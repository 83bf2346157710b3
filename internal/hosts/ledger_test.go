package hosts

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// edited returns a text with edits, and the ledger of them.
func edited(t testing.TB, name, text string, edits ...Edit) (string, Ledger) {
	t.Helper()
	l := ParseLedger(nil)
	out := []byte(text)
	for _, e := range edits {
		step := Step{Kind: e.Kind, Created: len(out) == 0}
		if e.Host != nil {
			step.Host = e.Host.ID
		}
		next, spans, err := e.Insert(out)
		if err != nil {
			t.Fatal(err)
		}
		out, step.Spans = next, spans
		l.Files[name] = append(l.Files[name], step)
	}
	return string(out), ParseLedger(l.Text())
}

func TestUndo(t *testing.T) {
	gemini, _ := ByID("gemini")
	edits := []Edit{{ServerEdit, gemini}, {HookEdit, gemini}}
	const name = ".gemini/settings.json"
	const text = "{\n  \"ui\": {}\n}"
	file, ledger := edited(t, name, text, edits...)
	for what, c := range map[string]struct {
		text   string
		ledger Ledger
		want   Undone
	}{
		"unchanged": {file, ledger, Undone{Text: []byte(text), Exact: true}},
		"a line added before": {
			"// theirs\n" + file, ledger,
			Undone{Text: []byte("// theirs\n{\n  \"ui\": {},\n  \"mcpServers\": {\n  },\n  \"hooks\": {\n    \"SessionStart\": [\n    ]\n  }\n}")},
		},
		"a line added behind": {
			file + "\n", ledger,
			Undone{Text: []byte(text + "\n"), Exact: true},
		},
		"no ledger": {
			file, ParseLedger(nil),
			Undone{Text: []byte("{\n  \"ui\": {},\n  \"mcpServers\": {\n  },\n  \"hooks\": {\n    \"SessionStart\": [\n    ]\n  }\n}")},
		},
		"nothing of ours": {text, ledger, Undone{Text: []byte(text)}},
	} {
		got, err := Undo(c.ledger.Files[name], name, []byte(c.text), edits)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	created, ledger := edited(t, name, "", edits...)
	if got, err := Undo(ledger.Files[name], name, []byte(created), edits); err != nil || len(got.Text) > 0 || !got.Exact || !got.Created {
		t.Errorf("a file that was created: got %+v, %v", got, err)
	}
}

// TestHollow: without a ledger, a file is hollow if it has nothing but what init makes around its edits.
func TestHollow(t *testing.T) {
	claude, _ := ByID("claude")
	cursor, _ := ByID("cursor")
	gemini, _ := ByID("gemini")
	codex, _ := ByID("codex")
	all := []Edit{{ServerEdit, claude}, {ServerEdit, codex}, {HookEdit, cursor}, {ServerEdit, gemini}, {HookEdit, gemini}, {Kind: AgentsEdit}}
	for _, edits := range [][]Edit{
		{{ServerEdit, claude}},
		{{ServerEdit, codex}},
		{{HookEdit, cursor}},
		{{ServerEdit, gemini}},
		{{HookEdit, gemini}},
		{{ServerEdit, gemini}, {HookEdit, gemini}},
		{{Kind: AgentsEdit}},
	} {
		name := edits[0].Paths()[0]
		text, _ := edited(t, name, "", edits...)
		rest, err := around(edits)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			what, text string
			want       bool
		}{
			{"as it was made", text, true},
			{"other line endings", strings.ReplaceAll(text, "\n", "\r\n"), true},
			{"lines behind", text + "\n\n", true},
			{"a comment before", "# mine\n" + text, false},
			{"a comment behind", text + "\n// mine\n", false},
			{"nothing of ours", string(rest), false},
		} {
			got, err := Undo(nil, name, []byte(c.text), all)
			if err == nil && got.Hollow != c.want {
				t.Errorf("%s, %s: hollow is %v, want %v, of\n%s", name, c.what, got.Hollow, c.want, got.Text)
			}
		}
	}
	for _, text := range []string{
		"{\"mcpServers\": {\"huskies\": {\"command\": \"huskies-mcp\"}}, \"inputs\": []}",
		"{\"mcpServers\": {\"huskies\": {\"command\": \"huskies-mcp\"}, \"a\": {}}}",
		"{\"mcpServers\": {\n// mine\n\"huskies\": {\"command\": \"huskies-mcp\"}}}",
	} {
		got, err := Undo(nil, ".gemini/settings.json", []byte(text), []Edit{{ServerEdit, gemini}, {HookEdit, gemini}})
		if err != nil || got.Hollow {
			t.Errorf("%s is hollow (%v)", text, err)
		}
	}
}

// TestHostileLedger: a ledger can come from anybody. Whatever it says, undoing only
// takes out what is ours.
func TestHostileLedger(t *testing.T) {
	claude, _ := ByID("claude")
	e := Edit{ServerEdit, claude}
	const name = ".mcp.json"
	file, _ := edited(t, name, "{\n  \"mcpServers\": {\n    \"a\": {\n      \"command\": \"x\"\n    }\n  }\n}\n", e)
	before, err := meaning(JSON, []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	want := e.spot().without(before, e.is)
	_, right := edited(t, name, "{\n  \"mcpServers\": {\n    \"a\": {\n      \"command\": \"x\"\n    }\n  }\n}\n", e)
	right.Files[name][0].Created = true
	if got, err := Undo(right.Files[name], name, []byte(file), []Edit{e}); err != nil || !got.Exact || got.Created {
		t.Errorf("a file with more than ours is to be removed: %+v, %v", got, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		spans := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Span {
			return Span{rapid.IntRange(-5, len(file)+5).Draw(t, "at"), rapid.IntRange(-5, len(file)+5).Draw(t, "len")}
		}), 0, 3).Draw(t, "spans")
		l := ParseLedger(Ledger{ledgerVersion, map[string][]Step{name: {{Kind: ServerEdit, Host: "claude", Spans: spans, Created: true}}}}.Text())
		got, err := Undo(l.Files[name], name, []byte(file), []Edit{e})
		if err != nil || got.Created {
			t.Fatalf("got %+v, %v", got, err)
		}
		if after, err := meaning(JSON, got.Text); err != nil || !same(after, want) {
			t.Fatalf("%v left (%v)\n%s", spans, err, got.Text)
		}
	})
}

// TestLedgerBelievesOnlyTheTable: what is not in the table is left out when a ledger
// is read.
func TestLedgerBelievesOnlyTheTable(t *testing.T) {
	for _, text := range []string{
		"", "null", "[]", "{", `{"version":2,"files":{".mcp.json":[{"kind":"server","host":"claude"}]}}`,
		`{"version":1,"files":{"../.mcp.json":[{"kind":"server","host":"claude"}]}}`,
		`{"version":1,"files":{"/etc/passwd":[{"kind":"server","host":"claude"}]}}`,
		`{"version":1,"files":{"main.go":[{"kind":"agents"}]}}`,
		`{"version":1,"files":{".codex/config.toml":[{"kind":"server","host":"claude"}]}}`,
		`{"version":1,"files":{".mcp.json":[{"kind":"hook","host":"claude"}]}}`,
		`{"version":1,"files":{".mcp.json":[{"kind":"hook","host":"zed"}]}}`,
		`{"version":1,"files":{".mcp.json":[{"kind":"server","host":"nobody"}]}}`,
		`{"version":1,"files":{".mcp.json":[{"kind":"other"}]}}`,
	} {
		if l := ParseLedger([]byte(text)); len(l.Files) > 0 {
			t.Errorf("%s gives %+v", text, l)
		}
	}
	l := ParseLedger([]byte(`{"version":1,"files":{".codex/config.toml":[{"kind":"server","host":"codex","folders":[".codex","..","/",".","",".cod"]}]}}`))
	if got := strings.Join(l.Files[".codex/config.toml"][0].Folders, " "); got != ".codex" {
		t.Errorf("it believes the folders %s", got)
	}
}

func TestHidden(t *testing.T) {
	gemini, _ := ByID("gemini")
	for text, want := range map[string]string{
		`{}`:                                 "",
		`{"mcp": {"allowed": ["a"]}}`:        "mcp.allowed",
		`{"mcp.allowed": ["a"]} // flat`:     "mcp.allowed",
		`{"mcp": {"allowed": ["huskies"]}}`:  "",
		`{"mcp": {"excluded": ["huskies"]}}`: "mcp.excluded",
		`{"mcp": {"excluded": ["a"]}}`:       "",
		`{"mcp": "x"}`:                       "",
		`{"allowMCPServers": []}`:            "allowMCPServers",
	} {
		if got := gemini.Hidden([]byte(text), Server); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
