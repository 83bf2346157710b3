package tools

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"

	"github.com/huskies/huskies-mcp/pipeline"
)

// update rewrites what is generated from this package: the schemas and the
// README's tool table.
var update = flag.Bool("update", false, "rewrite schemas/ and the README's tool table")

// TestSchemasAreCurrent: every tool has exactly its two schema files, generated
// from its Go types.
func TestSchemasAreCurrent(t *testing.T) {
	want := map[string]string{}
	for _, tl := range all() {
		want[tl.name+".input.json"] = generateSchema(t, tl.in, input)
		want[tl.name+".output.json"] = generateSchema(t, tl.out, outputOf(tl))
	}
	dir := filepath.Join("..", "schemas")
	have, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range have {
		if _, ok := want[filepath.Base(path)]; !ok {
			if !*update {
				t.Errorf("%s belongs to no tool: run make generate", path)
			} else if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, text := range want {
		golden(t, filepath.Join(dir, name), text)
	}
}

// golden compares the file with text, or rewrites it.
func golden(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run make generate", err)
	}
	if diff := cmp.Diff(text, string(have)); diff != "" {
		t.Errorf("%s is not current, run make generate (-want +got):\n%s", path, diff)
	}
}

// A schemaKind is what a schema is for.
type schemaKind uint8

const (
	input schemaKind = iota // unknown arguments are refused
	output
	// terse is an output whose parts are described in types alone, and the item by
	// what it always has: many tools answer an item, and every session pays for each
	// word of their schemas. read_item says what there is and what it means.
	terse
)

func outputOf(tl tool) schemaKind {
	if tl.name == readItem.name {
		return output
	}
	return terse
}

// generateSchema returns the schema of v's type.
func generateSchema(t *testing.T, v any, kind schemaKind) string {
	t.Helper()
	r := jsonschema.Reflector{DoNotReference: true, Anonymous: true, Mapper: mapTypes, AllowAdditionalProperties: kind != input}
	s := r.Reflect(v)
	s.Version = ""
	if kind == input {
		boundsInBytes(s)
	}
	if kind == terse {
		for name, p := range s.Properties.FromOldest() {
			dropDescriptions(p)
			if name == "item" {
				requiredOnly(p)
			}
		}
		if item, ok := s.Properties.Get("item"); ok {
			item.Description = "as read_item's"
			for _, name := range slices.Collect(item.Properties.KeysFromOldest()) {
				if !slices.Contains(item.Required, name) {
					item.Properties.Delete(name)
				}
			}
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// boundsInBytes says the bounds of texts in words. The bounds count bytes, as ops do, and the word of
// JSON Schema for a bound counts characters.
func boundsInBytes(s *jsonschema.Schema) {
	for _, p := range s.Properties.FromOldest() {
		if p.MaxLength != nil {
			p.Description = strings.TrimPrefix(fmt.Sprintf("%s, at most %d bytes", p.Description, *p.MaxLength), ", ")
			p.MaxLength = nil
		}
	}
}

// dropDescriptions takes the words out of what is inside a schema.
func dropDescriptions(s *jsonschema.Schema) {
	if s.Items != nil {
		dropDescriptions(s.Items)
	}
	for _, p := range s.Properties.FromOldest() {
		p.Description = ""
		dropDescriptions(p)
	}
}

// requiredOnly leaves of an object what it always has.
func requiredOnly(s *jsonschema.Schema) {
	for f := range reflect.TypeFor[item]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !slices.Contains(s.Required, name) {
			s.Properties.Delete(name)
		}
	}
}

// mapTypes gives elements of arrays the bounds that tags cannot.
func mapTypes(t reflect.Type) *jsonschema.Schema {
	if t == reflect.TypeFor[dependency]() {
		return &jsonschema.Schema{Type: "integer", Minimum: "0", Maximum: "4294967295"}
	}
	if t == reflect.TypeFor[pipeline.Stage]() || t == reflect.TypeFor[someStages]() {
		s := &jsonschema.Schema{Type: "string"}
		for _, stage := range pipeline.Stages() {
			s.Enum = append(s.Enum, string(stage))
		}
		return s
	}
	if t == reflect.TypeFor[clearable]() {
		s := &jsonschema.Schema{Type: "string"}
		for _, name := range clearables {
			s.Enum = append(s.Enum, string(name))
		}
		return s
	}
	if t == reflect.TypeFor[listField]() {
		s := &jsonschema.Schema{Type: "string"}
		for _, f := range reflect.VisibleFields(reflect.TypeFor[listItem]()) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); isListField(name) {
				s.Enum = append(s.Enum, name)
			}
		}
		return s
	}
	return nil
}

// TestSchemasSuitHosts: what MCP hosts and models' APIs refuse is not in any
// schema: references, unions, nullable types, schemas that are a bare true.
func TestSchemasSuitHosts(t *testing.T) {
	for _, tl := range all() {
		for kind, v := range map[schemaKind]any{input: tl.in, output: tl.out} {
			var s map[string]any
			if err := json.Unmarshal([]byte(generateSchema(t, v, kind)), &s); err != nil {
				t.Fatal(err)
			}
			if s["type"] != "object" {
				t.Errorf("%s: the root's type is %v, want object", tl.name, s["type"])
			}
			checkHostRules(t, tl.name, s, kind)
		}
	}
}

func checkHostRules(t *testing.T, where string, s map[string]any, kind schemaKind) {
	t.Helper()
	for _, key := range []string{"$ref", "$defs", "anyOf", "oneOf", "allOf", "not", "$schema", "$id"} {
		if _, ok := s[key]; ok {
			t.Errorf("%s has %s", where, key)
		}
	}
	typ, ok := s["type"].(string)
	if !ok || typ == "null" {
		t.Errorf("%s: type is %v, want one type", where, s["type"])
	}
	if typ == "object" && kind == input && s["additionalProperties"] != false {
		t.Errorf("%s: unknown properties are not refused", where)
	}
	props, _ := s["properties"].(map[string]any)
	for name, p := range props {
		sub, ok := p.(map[string]any)
		if !ok {
			t.Errorf("%s.%s: the schema is %v, want an object", where, name, p)
			continue
		}
		checkHostRules(t, where+"."+name, sub, kind)
	}
	if items, ok := s["items"].(map[string]any); ok {
		checkHostRules(t, where+"[]", items, kind)
	}
}

// TestStageEnumIsTheTable: the stages that arguments may name are the
// pipeline's, in its order. Structs' tags cannot refer to the table.
func TestStageEnumIsTheTable(t *testing.T) {
	var want []any
	for _, s := range pipeline.Stages() {
		want = append(want, string(s))
	}
	for _, tl := range all() {
		var s struct {
			Properties map[string]struct{ Enum []any }
		}
		if err := json.Unmarshal([]byte(generateSchema(t, tl.in, input)), &s); err != nil {
			t.Fatal(err)
		}
		if stage, ok := s.Properties["stage"]; ok {
			if diff := cmp.Diff(want, stage.Enum); diff != "" {
				t.Errorf("%s: enum of stage (-want +got):\n%s", tl.name, diff)
			}
		}
	}
}

// TestReadmeToolTable keeps the README's table of tools as the code has them.
func TestReadmeToolTable(t *testing.T) {
	const begin, end = "<!-- tools: generated by make generate -->\n", "<!-- end of tools -->"
	path := filepath.Join("..", "README.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("README.md has no part between %q and %q", begin, end)
	}
	golden(t, path, head+begin+toolTable(t)+end+tail)
}

func toolTable(t *testing.T) string {
	var b bytes.Buffer
	b.WriteString("| tool | arguments | does | answers |\n|---|---|---|---|\n")
	for _, tl := range all() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", tl.name, properties(t, tl.in, "?"), tl.description, properties(t, tl.out, ""))
	}
	return b.String()
}

// properties lists the properties of v's schema in the struct's order; those
// that may be left out carry mark.
func properties(t *testing.T, v any, mark string) string {
	s := (&jsonschema.Reflector{DoNotReference: true, Anonymous: true}).Reflect(v)
	var names []string
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		name := p.Key
		if !slices.Contains(s.Required, name) {
			name += mark
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		t.Fatalf("%T has no properties", v)
	}
	return strings.Join(names, ", ")
}
