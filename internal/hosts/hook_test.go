package hosts

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// hookQuirks are files with hooks as hosts and people write them.
var hookQuirks = []quirk{
	{"claude", "no hooks", "{\n  \"permissions\": {}\n}\n"},
	{"claude", "other events", "{\n  \"hooks\": {\n    \"Stop\": []\n  }\n}\n"},
	{"claude", "empty list", "{\n\t\"hooks\": {\n\t\t\"SessionStart\": []\n\t}\n}\n"},
	{"claude", "a group", "{\n  \"hooks\": {\n    \"SessionStart\": [\n      {\n        \"matcher\": \"startup\",\n        \"hooks\": [\n          {\n            \"type\": \"command\",\n            \"command\": \"./hello.sh\"\n          }\n        ]\n      }\n    ]\n  }\n}\n"},
	{"claude", "a group in one line", "{\"hooks\": {\"SessionStart\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"x\"}]}]}}"},
	{"claude", "refused hooks as array", "{\"hooks\": []}"},
	{"claude", "refused event as object", "{\"hooks\": {\"SessionStart\": {}}}"},
	{"codex", "no file", ""},
	{"cursor", "no file", ""},
	{"cursor", "a hook", "{\n  \"version\": 1,\n  \"hooks\": {\n    \"sessionStart\": [\n      { \"command\": \"./x.sh\" }\n    ]\n  }\n}\n"},
}

func TestHookEdits(t *testing.T) {
	var golden strings.Builder
	for _, q := range hookQuirks {
		h, _ := ByID(q.host)
		t.Run(q.host+" "+q.name, func(t *testing.T) {
			out, err := checkEdit(t, Edit{HookEdit, h}, []byte(q.text))
			fmt.Fprintf(&golden, "==== %s: %s\n", q.host, q.name)
			if err != nil {
				fmt.Fprintf(&golden, "refused: %v\n", err)
			} else {
				golden.WriteString(visible(out))
			}
			if strings.HasPrefix(q.name, "refused") != (err != nil) {
				t.Errorf("got %v", err)
			}
		})
	}
	compare(t, "hook.txt", golden.String())
}

// TestSharedGroupStays: a group of hooks in which a person has put others beside ours
// is not taken out; of several groups of ours each is.
func TestSharedGroupStays(t *testing.T) {
	claude, _ := ByID("claude")
	e := Edit{HookEdit, claude}
	ours := `{"type": "command", "command": "huskies-mcp context --format claude"}`
	shared := `{"hooks": {"SessionStart": [{"hooks": [` + ours + `, {"type": "command", "command": "x"}]}]}}`
	if out, err := e.Remove([]byte(shared), false); err != nil || string(out) != shared {
		t.Errorf("got %s, %v", out, err)
	}
	if state, _, err := e.Look([]byte(shared)); state != Present || err != nil {
		t.Errorf("the state is %d, %v", state, err)
	}
	twice := `{"hooks": {"SessionStart": [{"hooks": [` + ours + `]}, {"hooks": []}, {"hooks": [` + ours + `]}]}}`
	want := `{"hooks": {"SessionStart": [ {"hooks": []}]}}`
	if out, err := e.Remove([]byte(twice), false); err != nil || string(out) != want {
		t.Errorf("got %s, want %s (%v)", out, want, err)
	}
}

// TestTOMLForms: our server is found and taken out in every way in which TOML can
// write it.
func TestTOMLForms(t *testing.T) {
	codex, _ := ByID("codex")
	e := Edit{ServerEdit, codex}
	for text, want := range map[string]string{
		"[mcp_servers.huskies]\ncommand = \"huskies-mcp\"\n":                                                         "",
		"a = 1\n\n[mcp_servers.huskies]\ncommand = \"huskies-mcp\"\n[mcp_servers.huskies.env]\nA = \"b\"\n\n[tui]\n": "a = 1\n\n[tui]\n",
		"[mcp_servers]\nhuskies = { command = \"huskies-mcp\" } # ours\nx = {}\n":                                    "[mcp_servers]\nx = {}\n",
		"[mcp_servers]\nhuskies.command = \"huskies-mcp\"\nhuskies.args = [\n  \"--db\",\n  \"x\",\n]\n":             "[mcp_servers]\n",
		"mcp_servers.huskies.command = \"huskies-mcp\"\nmcp_servers.x.command = \"x\"\n":                             "mcp_servers.x.command = \"x\"\n",
		"mcp_servers.huskies = { command = \"huskies-mcp\" }\n":                                                      "",
		"mcp_servers = { huskies = { command = \"huskies-mcp\" }, x = {} }\n":                                        "mcp_servers = { x = {} }\n",
		"mcp_servers = { x = {}, huskies = { command = \"huskies-mcp\" } }\n":                                        "mcp_servers = { x = {} }\n",
		"mcp_servers = { huskies.command = \"huskies-mcp\", huskies.args = [] }\n":                                   "mcp_servers = {  }\n",
		"  [ mcp_servers . \"huskies\" ]\r\n  command = 'huskies-mcp'\r\n# theirs\r\n":                               "# theirs\r\n",
		"[mcp_servers.huskies.tools.read_item]\nx = 1\n[mcp_servers.huskies]\ncommand = \"huskies-mcp\"":             "",
	} {
		if state, _, err := e.Look([]byte(text)); state != Present || err != nil {
			t.Errorf("the state of %q is %d, %v", text, state, err)
		}
		if out, err := e.Remove([]byte(text), false); err != nil || string(out) != want {
			t.Errorf("got %q, want %q (%v) of %q", out, want, err, text)
		}
	}
}

// TestInsertComparesMeaning: text that is legal and means something else is refused by
// the comparison alone.
func TestInsertComparesMeaning(t *testing.T) {
	codex, _ := ByID("codex")
	if out, _, err := (Edit{ServerEdit, codex}).Insert([]byte("[[mcp_servers]]\nname = \"x\"\n")); !errors.Is(err, ErrChangesMore) {
		t.Errorf("got %s, %v", out, err)
	}
}

// TestBlockAlone: of a text that names the lines around our block only the block is taken out.
func TestBlockAlone(t *testing.T) {
	e := Edit{Kind: AgentsEdit}
	for _, theirs := range []string{
		"# Rules\n\nBetween `<!-- huskies:start` and `<!-- huskies:end -->` a program writes.\n",
		"<!-- huskies:start v1 -->\n## Stories\n\nours alone, without an end\n",
		"# Rules\n\nOur tools write a line `<!-- huskies:start`.\n\nTests come first.\n",
	} {
		if state, _, err := e.Look([]byte(theirs)); state != Absent || err != nil {
			t.Errorf("the state of %q is %d, %v", theirs, state, err)
		}
		text, _, err := e.Insert([]byte(theirs))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := e.Remove(text, false); err != nil || string(out) != theirs {
			t.Errorf("got %q, want %q (%v)", out, theirs, err)
		}
	}
}

// TestTwoBlocks: where a merge left our block twice, both are taken out.
func TestTwoBlocks(t *testing.T) {
	text := "# Rules\n\n" + AgentsBlock + "\nTests come first.\n\n" + AgentsBlock
	if out, err := (Edit{Kind: AgentsEdit}).Remove([]byte(text), false); err != nil || string(out) != "# Rules\n\nTests come first.\n" {
		t.Errorf("got %q, %v", out, err)
	}
}
