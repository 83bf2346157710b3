package floors

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// below are the folders of the packages below the outlets.
var below = []string{"crdt", "pipeline", "oplog", "replica"}

// flagInText matches a flag of a command.
var flagInText = regexp.MustCompile(`(^|[^-\w])--[a-z][a-z-]*`)

// notWords are string literals below the outlets that only look like words for a reader.
var notWords = map[string]string{
	"huskies-mcp stand-in\n": "what a stand-in for a key is derived from, so it never changes",
}

// TestNoWordsBelowTheOutlets: below the outlets no text names a tool, a flag or a command. An error
// there is a code and values, and the outlets word them.
func TestNoWordsBelowTheOutlets(t *testing.T) {
	files := sources(t)
	tools := toolNames(files)
	if len(tools) < 10 {
		t.Fatalf("found the tools %v: where are the others?", tools)
	}
	used := map[string]bool{}
	for file, f := range files {
		if top, _, _ := strings.Cut(file, "/"); !slices.Contains(below, top) {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			text, ok := stringOf(n)
			if _, isImport := n.(*ast.ImportSpec); isImport {
				return false
			}
			if _, allowed := notWords[text]; allowed {
				used[text] = true
				return true
			}
			if name := wordIn(text, tools); ok && name != "" {
				t.Errorf("%s: %.60q names %q: report a code and values, and let internal/phrase and tools/words.go word them", file, text, name)
			}
			return true
		})
	}
	for text, why := range notWords {
		if !used[text] {
			t.Errorf("nothing has %q (%s): remove it from notWords", text, why)
		}
	}
}

// wordIn returns the tool, flag or command that a text names, "" if it names none.
func wordIn(text string, tools []string) string {
	for _, name := range tools {
		if strings.Contains(text, name) {
			return name
		}
	}
	if strings.Contains(text, "huskies-mcp ") {
		return "huskies-mcp"
	}
	return strings.TrimSpace(flagInText.FindString(text))
}

// TestWordIn: tools, flags and commands are found, names of fields and dashes are not.
func TestWordIn(t *testing.T) {
	for text, want := range map[string]string{
		"find it with list_items":          "list_items",
		"give another --db":                "--db",
		"--read-only reads it":             "--read-only",
		"run huskies-mcp verify":           "huskies-mcp",
		"huskies-mcp":                      "",
		"op -- of another author":          "",
		"retry_count is 8":                 "",
		"begin-----end":                    "",
		"SELECT 1 -- a comment in a query": "",
	} {
		if got := wordIn(text, []string{"list_items", "claim_item"}); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// toolNames returns the names of the tools: those that package tools defines.
func toolNames(files map[string]*ast.File) (names []string) {
	for file, f := range files {
		if path.Dir(file) != "tools" {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			if fn, ok := call.Fun.(*ast.Ident); !ok || fn.Name != "define" {
				return true
			}
			for _, e := range call.Args[0].(*ast.CompositeLit).Elts {
				if field := e.(*ast.KeyValueExpr); field.Key.(*ast.Ident).Name == "name" {
					name, _ := stringOf(field.Value)
					names = append(names, name)
				}
			}
			return true
		})
	}
	slices.Sort(names)
	return names
}

// stringOf returns the text of a string literal.
func stringOf(n ast.Node) (text string, ok bool) {
	literal, ok := n.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}
