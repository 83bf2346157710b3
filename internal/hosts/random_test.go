package hosts

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// writer draws a file piece by piece.
type writer struct {
	t *rapid.T
	b strings.Builder
	// comments, commas: the format allows comments and trailing commas.
	comments, commas bool
	newline          string
}

func (w *writer) pick(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(w.t, label)
}

func (w *writer) chance(label string, of int) bool {
	return rapid.IntRange(1, of).Draw(w.t, label) == 1
}

// gap writes blanks and comments, as may stand between two tokens.
func (w *writer) gap() {
	for range rapid.IntRange(0, 3).Draw(w.t, "gap") {
		piece := w.pick("blank", " ", "\t", "  ", "\n", "\n  ", "\n\t", "// c\n", "/* c */", "/* c\n */", "// \"x\": {\n")
		if !w.comments && strings.Contains(piece, "/") {
			piece = "\n"
		}
		w.b.WriteString(strings.ReplaceAll(piece, "\n", w.newline))
	}
}

func (w *writer) value(depth int) {
	switch kind := rapid.IntRange(0, 4).Draw(w.t, "kind"); {
	case depth > 0 && kind == 0:
		w.object(depth-1, "a", "b", "c")
	case depth > 0 && kind == 1:
		w.b.WriteString("[")
		n := rapid.IntRange(0, 2).Draw(w.t, "elements")
		for i := range n {
			w.gap()
			w.value(depth - 1)
			w.gap()
			w.comma(i == n-1)
		}
		w.gap()
		w.b.WriteString("]")
	default:
		w.b.WriteString(w.pick("literal", "1", "-2.5e3", "true", "null", `""`, `"x\"y"`, `"{// no comment"`, `"h\u00e9"`))
	}
}

func (w *writer) comma(last bool) {
	if !last || w.commas && w.chance("trailing", 2) {
		w.b.WriteString(",")
	}
}

// object writes an object with some of the keys. Values of the keys with a star are
// objects of objects.
func (w *writer) object(depth int, keys ...string) {
	w.b.WriteString("{")
	var used []string
	for _, key := range keys {
		if w.chance("use", 2) {
			used = append(used, key)
		}
	}
	for i, key := range used {
		w.gap()
		name, isServers := strings.CutSuffix(key, "*")
		fmt.Fprintf(&w.b, "%q", name)
		w.gap()
		w.b.WriteString(":")
		w.gap()
		if isServers {
			w.object(depth, "one", "two", "three")
		} else {
			w.value(depth)
		}
		w.gap()
		w.comma(i == len(used)-1)
	}
	w.gap()
	w.b.WriteString("}")
}

// TestRandomJSON: what was put into a random file comes out again byte for byte, and
// taking it out by its key leaves what the file said before.
func TestRandomJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := rapid.SampledFrom([]string{"claude", "cursor", "vscode", "gemini", "zed", "opencode", "kiro", "amp"}).Draw(t, "host")
		host, _ := ByID(h)
		w := &writer{t: t, comments: host.Format != JSON, commas: host.Format == JSONC, newline: "\n"}
		if w.chance("carriage returns", 3) {
			w.newline = "\r\n"
		}
		if w.chance("byte order mark", 8) {
			w.b.WriteString("\xef\xbb\xbf")
		}
		w.gap()
		w.object(2, "first", "theme", host.Key+"*", "last")
		w.gap()
		if w.comments && w.chance("comment at the end", 4) {
			w.b.WriteString("// the end")
		}
		text := []byte(w.b.String())
		checkRandom(t, Edit{ServerEdit, host}, text)
		if host.Hook != nil {
			checkRandom(t, Edit{HookEdit, host}, text)
		}
	})
}

// checkRandom is checkEdit for a file in which an edit must succeed.
func checkRandom(t *rapid.T, e Edit, text []byte) {
	out, spans, err := e.Insert(text)
	if err != nil {
		t.Fatalf("insert: %v into\n%s", err, text)
	}
	if state, _, err := e.Look(out); state != Present || err != nil {
		t.Fatalf("the state is %d (%v) after, want present:\n%s", state, err, out)
	}
	step := Step{Kind: e.Kind, Host: e.Host.ID, Spans: spans}
	undone, err := Undo([]Step{step}, e.Paths()[0], out, []Edit{e})
	if err != nil || !undone.Exact || !bytes.Equal(undone.Text, text) {
		t.Fatalf("undo (%v, exact %v): got\n%q, want\n%q", err, undone.Exact, undone.Text, text)
	}
	if _, _, err := e.Insert(out); e.Kind == ServerEdit && err == nil {
		t.Fatalf("it can be put in twice:\n%s", out)
	}
	back, err := e.Remove(out, false)
	if err != nil {
		t.Fatalf("remove by key: %v from\n%s", err, out)
	}
	before, _ := meaning(e.format(), text)
	after, err := meaning(e.format(), back)
	if err != nil || !same(prune(before), prune(after)) {
		t.Fatalf("remove by key: %v, got\n%s, want\n%s", err, back, text)
	}
}

// prune returns a file's meaning without empty objects and lists: removing by key
// leaves those that the edit had to make.
func prune(file map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range file {
		if inner, ok := value.(map[string]any); ok {
			value = prune(inner)
			if len(prune(inner)) == 0 {
				continue
			}
		}
		if list, ok := value.([]any); ok && len(list) == 0 {
			continue
		}
		out[key] = value
	}
	return out
}

// TestRandomTOML is TestRandomJSON for TOML.
func TestRandomTOML(t *testing.T) {
	codex, _ := ByID("codex")
	rapid.Check(t, func(t *rapid.T) {
		w := &writer{t: t, newline: "\n"}
		if w.chance("carriage returns", 3) {
			w.newline = "\r\n"
		}
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{
			"", "  ", "# a comment", "#:schema x", "# [mcp_servers.huskies]",
			"model = \"x\" # why", "notes = \"\"\"\n[mcp_servers.huskies]\n\"\"\"", "list = [\n  1, # one\n  2,\n]",
			"date = 2026-01-01", "mcp_servers = {}", "mcp_servers = { x = { command = \"x\" } }", "mcp_servers.y.command = 'y'",
			"[mcp_servers]", "  [mcp_servers.a]", "[ mcp_servers . \"b\" ]", "[mcp_servers.a.env]", "[[hooks]]", "[tui]",
			"command = \"c\"", "args = ['--x']", "c = { command = \"c\", env = { A = \"1\" } }", "z.command = \"z\"",
		}), 0, 12).Draw(t, "lines")
		text := strings.Join(lines, "\n")
		if w.chance("newline at the end", 2) {
			text += "\n"
		}
		file := []byte(strings.ReplaceAll(text, "\n", w.newline))
		e := Edit{ServerEdit, codex}
		if state, _, err := e.Look(file); err != nil || state != Absent {
			t.Skip("not a file that Codex reads")
		}
		checkRandom(t, e, file)
	})
}

// TestRandomAgents is TestRandomJSON for the block in AGENTS.md.
func TestRandomAgents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"# Title", "\n", "\r\n", "text", "\n\n", "<!-- x -->"}), 0, 8).Draw(t, "text"), ""))
		e := Edit{Kind: AgentsEdit}
		out, spans, err := e.Insert(text)
		if err != nil {
			t.Fatal(err)
		}
		if back, ok := cutAll(out, spans); !ok || !bytes.Equal(back, text) {
			t.Fatalf("cut out (%v): got %q, want %q", ok, back, text)
		}
		back, err := e.Remove(out, false)
		if err != nil || !bytes.Equal(bytes.TrimRight(back, "\r\n"), bytes.TrimRight(text, "\r\n")) {
			t.Fatalf("remove (%v): got %q, want %q", err, back, text)
		}
	})
}

// TestRandomCuts: spans that do not fit a text are refused, never followed.
func TestRandomCuts(t *testing.T) {
	for _, spans := range [][]Span{{{-1, 1}}, {{0, -1}}, {{0, 6}}, {{6, 0}}, {{2, 2}, {1, 1}}, {{0, 1 << 62}}, {{1 << 62, 1 << 62}}} {
		if out, ok := cutAll([]byte("text."), spans); ok {
			t.Errorf("%v cuts to %q", spans, out)
		}
	}
}

// FuzzEdit: whatever a file has, an edit that succeeds can be undone, and no file
// makes an edit panic.
func FuzzEdit(f *testing.F) {
	for _, q := range append(quirks, hookQuirks...) {
		f.Add(q.host, []byte(q.text))
	}
	f.Fuzz(func(t *testing.T, id string, text []byte) {
		host, ok := ByID(id)
		if !ok || host.Format == YAML {
			t.Skip("no host whose files are edited")
		}
		edits := []Edit{{ServerEdit, host}}
		if host.Hook != nil {
			edits = append(edits, Edit{HookEdit, host})
		}
		for _, e := range edits {
			if _, err := e.Remove(text, true); err != nil {
				continue
			}
			if state, _, err := e.Look(text); err != nil || state != Absent {
				continue
			}
			out, spans, err := e.Insert(text)
			if err != nil {
				continue
			}
			if back, ok := cutAll(out, spans); !ok || !bytes.Equal(back, text) {
				t.Errorf("cut out (%v): got %q, want %q", ok, back, text)
			}
			if _, err := e.Remove(out, false); err != nil {
				t.Errorf("remove by key: %v from %q", err, out)
			}
		}
	})
}
