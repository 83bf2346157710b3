package tools

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/huskies/huskies-mcp/tools/calls"
)

// checker checks the arguments of one tool against its schema.
type checker struct {
	tool   string
	schema *jsonschema.Schema
}

func newChecker(tool string, schema []byte) (*checker, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	url := "schema:///" + tool + ".input.json" // without a scheme it would be a file in the working folder, whose name may be no URL
	if err := c.AddResource(url, doc); err != nil {
		return nil, err
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return nil, err
	}
	return &checker{tool: tool, schema: compiled}, nil
}

// arguments returns the arguments that raw holds, or an error that says in plain words all that is
// wrong with them. Arguments that say nothing are left out, see saysNothing. Other forms of what an
// argument says are turned into the form of the schema.
func (c *checker) arguments(raw json.RawMessage) (map[string]any, error) {
	args, err := c.object(raw)
	if err != nil {
		return nil, err
	}
	for name, v := range args {
		s, known := c.schema.Properties[name]
		if text, _ := v.(string); known && strings.Count(text, ",") < calls.MaxMessageValues { // as a list may have
			args[name] = lenient(c.plain(name, v), s)
		}
		if v == nil || known && saysNothing(args[name], s) || !known && hostKeys[name] {
			delete(args, name)
		}
	}
	shown := c.strict(args)
	if err := c.schema.Validate(shown); err != nil {
		var ve *jsonschema.ValidationError
		if !errors.As(err, &ve) {
			return nil, err
		}
		if problems := c.problems(ve, shown); len(problems) > 0 {
			return nil, errors.New(strings.Join(problems, "; "))
		}
	}
	return args, nil
}

// hostKeys are names that some hosts add to the arguments of every call. They mean nothing here.
var hostKeys = map[string]bool{"toolCallId": true, "sessionId": true, "action": true, "chatInput": true, "_meta": true}

// saysNothing reports whether a value means that the argument is left out: null, "", blanks, [], and
// 0 where the schema has no place for 0. Many models fill in every argument that a tool has, and one that
// they have nothing to say for with one of these. See docs/decisions/0017-empty-is-left-out.md.
func saysNothing(v any, s *jsonschema.Schema) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return strings.Trim(v, " \t\r\n") == ""
	case []any:
		return len(v) == 0
	case json.Number:
		n, err := v.Float64()
		inRange := wants(s, "integer") && (s.Minimum == nil || s.Minimum.Sign() <= 0)
		return err == nil && n == 0 && !inRange
	}
	return false
}

// object reads raw as one JSON object. A name given twice is an error: one of the
// two values would be lost.
func (c *checker) object(raw json.RawMessage) (map[string]any, error) {
	args := map[string]any{}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return args, nil
	}
	notObject := fmt.Errorf("arguments of %s must be a JSON object, e.g. {%q: ...}", c.tool, c.names()[0])
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, notObject
	}
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, notObject
		}
		if _, twice := args[name]; twice {
			return nil, fmt.Errorf("argument %s is given twice: give it once", quote(name))
		}
		var v any
		if err := dec.Decode(&v); err != nil {
			return nil, notObject
		}
		args[name] = v
	}
	if _, err := dec.Token(); err != nil {
		return nil, notObject
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("arguments of %s must be one JSON object, more follows it", c.tool)
	}
	return args, nil
}

func wants(s *jsonschema.Schema, typ string) bool {
	return s.Types != nil && slices.Contains(s.Types.ToStrings(), typ)
}

// names returns the names of all arguments: first which story it is, and what
// is required.
func (c *checker) names() []string {
	first := func(name string) bool { return name == "story_id" || slices.Contains(c.schema.Required, name) }
	names := slices.Sorted(maps.Keys(c.schema.Properties))
	slices.SortStableFunc(names, func(a, b string) int {
		ra, rb := first(a), first(b)
		switch {
		case ra == rb:
			return 0
		case ra:
			return -1
		}
		return 1
	})
	return names
}
