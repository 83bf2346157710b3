package tools

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/huskies/huskies-mcp/schemas"
)

// Help returns what the tool does and a line for each of its arguments, for a person at a
// terminal, or an error if there is no such tool.
func Help(name string) (string, error) {
	i := slices.IndexFunc(all(), func(t tool) bool { return t.name == name })
	if i < 0 {
		return "", fmt.Errorf("there is no tool %q: the tools are %s", name, strings.Join(Names(), ", "))
	}
	raw, err := schemas.Input(name)
	if err != nil {
		return "", err
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(raw, &schema); err != nil {
		return "", fmt.Errorf("input schema of %s: %w", name, err)
	}
	var b strings.Builder
	b.WriteString(wrapped(all()[i].description, 0) + "\n\nArguments, in a JSON object:\n")
	for argument := schema.Properties.Oldest(); argument != nil; argument = argument.Next() {
		head := fmt.Sprintf("  %-16s %-8s  ", argument.Key, kindOf(argument.Value))
		line := head + wrapped(meaning(&schema, argument.Key, argument.Value), len(head))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String(), nil
}

// helpWidth is how many columns help takes at most, which every terminal has.
const helpWidth = 80

// wrapped returns a text in lines that fit the columns of help behind an indent, which the lines after
// the first begin with.
func wrapped(text string, indent int) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case indent+len(line)+1+len(word) > helpWidth:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return strings.Join(append(lines, line), "\n"+strings.Repeat(" ", indent))
}

// kindOf returns the JSON type of an argument in one word.
func kindOf(s *jsonschema.Schema) string {
	if s.Type == "" {
		return "any"
	}
	return s.Type
}

// meaning says what an argument is for, which values it takes, and whether it must be there.
func meaning(tool *jsonschema.Schema, name string, s *jsonschema.Schema) string {
	var parts []string
	if slices.Contains(tool.Required, name) {
		parts = append(parts, "required")
	}
	if s.Description != "" {
		parts = append(parts, s.Description)
	}
	if len(s.Enum) > 0 {
		parts = append(parts, "one of "+values(s))
	}
	if s.Items != nil && len(s.Items.Enum) > 0 {
		parts = append(parts, "any of "+values(s.Items))
	}
	return strings.Join(parts, "; ")
}

// values returns the values of an enum, with commas between.
func values(s *jsonschema.Schema) string {
	var all []string
	for _, v := range s.Enum {
		all = append(all, fmt.Sprint(v))
	}
	return strings.Join(all, ", ")
}
