package tools

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/pipeline"
)

// stageInText matches what looks like the name of a stage. Numbers of stories are followed by more words.
var stageInText = regexp.MustCompile(`\b[0-9]_[a-z]+\b`)

// otherNames are names in string literals of this package that are neither of tools nor of their
// arguments and fields.
var otherNames = map[string]string{
	"story_add_login": "part of the ID of a story, as an example",
}

// TestNamesInTextsExist: each name in a string of this package (instructions, prompts, descriptions,
// errors) is that of a tool, of a prompt, of an argument or field of a tool, or of a stage. What was
// renamed cannot live on in a text.
func TestNamesInTextsExist(t *testing.T) {
	known := maps.Clone(otherNames)
	for _, tl := range all() {
		known[tl.name] = "tool"
		addFields(known, reflect.TypeOf(tl.in))
		addFields(known, reflect.TypeOf(tl.out))
	}
	for name := range synonyms {
		known[name] = "what a model may call an argument"
	}
	for _, p := range prompts {
		known[p.name] = "prompt"
	}
	used := map[string]bool{}
	for where, text := range stringLiterals(t) {
		for _, name := range nameInText.FindAllString(text, -1) {
			used[name] = true
			if known[name] == "" && !isStage(name, text) {
				t.Errorf("%s: %s is the name of nothing: no tool, prompt, argument or field has it", where, name)
			}
		}
		for _, name := range stageInText.FindAllString(text, -1) {
			if _, ok := pipeline.ParseStage(name); !ok {
				t.Errorf("%s: %s is no stage", where, name)
			}
		}
	}
	for name := range otherNames {
		if !used[name] {
			t.Errorf("no text has %s: remove it from otherNames", name)
		}
	}
}

// isStage reports whether the text has the name as part of that of a stage.
func isStage(name, text string) bool {
	return slices.ContainsFunc(pipeline.Stages(), func(s pipeline.Stage) bool {
		return strings.Contains(string(s), name) && strings.Contains(text, string(s))
	})
}

// addFields adds the JSON names of a type's fields, and of the fields' fields.
func addFields(known map[string]string, t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known[name] = "field"
		addFields(known, f.Type)
	}
}

// stringLiterals returns the strings in this package's files, but for tests, by their places. A tag of a
// struct counts only by its description.
func stringLiterals(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	literals := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				return false
			case *ast.Field:
				if n.Tag != nil {
					tag, _ := strconv.Unquote(n.Tag.Value)
					literals[set.Position(n.Tag.Pos()).String()] = reflect.StructTag(tag).Get("jsonschema_description")
					n.Tag = nil
				}
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					text, _ := strconv.Unquote(n.Value)
					literals[set.Position(n.Pos()).String()] = text
				}
			}
			return true
		})
	}
	return literals
}
