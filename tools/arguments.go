package tools

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/huskies/huskies-mcp/pipeline"
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
// wrong with them. Arguments that say nothing are left out, see saysNothing. Numbers and booleans
// that were sent as text are taken for what they say.
func (c *checker) arguments(raw json.RawMessage) (map[string]any, error) {
	args, err := c.object(raw)
	if err != nil {
		return nil, err
	}
	for name, v := range args {
		s, known := c.schema.Properties[name]
		if known {
			args[name] = lenient(plain(name, v), s)
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

// storyArguments are the arguments that name a story.
var storyArguments = []string{"story_id", "after", "before"}

// beginning is the cursor of the beginning of the log.
const beginning = "0"

// plain turns another form of what an argument says into the form of the schema: the number of a
// story into text, and a name of a stage into that of the schema.
func plain(name string, v any) any {
	text, _ := v.(string)
	if n, ok := integer(v); ok {
		text = strconv.FormatInt(n, 10)
	}
	if _, isNumber := v.(json.Number); isNumber && text != "" && text != "0" && slices.Contains(storyArguments, name) {
		return text
	}
	if name == "since" && text == beginning {
		return text
	}
	if name != "stage" && name != "to" {
		return v
	}
	parts := strings.Split(text, ",")
	for i, part := range parts {
		if stage, ok := pipeline.StageNamed(part); ok {
			parts[i] = string(stage)
		} else if len(parts) == 1 {
			return v
		}
	}
	return strings.Join(parts, ",")
}

// strict returns the arguments as the schema shows them. The tools also take several stages in
// list_items, and whatever names a story in depends_on. The schema is asked about one of the stages,
// and about numbers.
func (c *checker) strict(args map[string]any) map[string]any {
	shown := maps.Clone(args)
	if stages, ok := args["stage"].(string); ok && c.tool == "list_items" {
		all := strings.Split(stages, ",")
		i := slices.IndexFunc(all, func(name string) bool { _, ok := pipeline.ParseStage(name); return !ok })
		shown["stage"] = all[max(0, i)]
	}
	if on, ok := args["depends_on"].([]any); ok {
		on = slices.Clone(on)
		for i, v := range on {
			name, isText := v.(string)
			if _, byNumber := pipeline.NumberNamed(name); isText && (byNumber || pipeline.CheckStoryID(name) == nil) {
				on[i] = json.Number("0")
			}
		}
		shown["depends_on"] = on
	}
	return shown
}

// hostKeys are names that some hosts add to the arguments of every call. They mean nothing here.
var hostKeys = map[string]bool{"toolCallId": true, "sessionId": true, "action": true, "chatInput": true, "_meta": true}

// saysNothing reports whether a value means that the argument is left out: null, "", [], and 0 where
// the schema has no place for 0. Many models fill in every argument that a tool has, and one that
// they have nothing to say for with one of these. See docs/decisions/0017-empty-is-left-out.md.
func saysNothing(v any, s *jsonschema.Schema) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
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

// lenient turns text that says a number, a boolean or an array into it, where
// the schema wants one. Elements of an array that say nothing are dropped.
func lenient(v any, s *jsonschema.Schema) any {
	if elements, ok := v.([]any); ok && s.Items2020 != nil {
		for i := range elements {
			elements[i] = lenient(elements[i], s.Items2020)
		}
		return slices.DeleteFunc(elements, func(e any) bool { return saysNothing(e, s.Items2020) })
	}
	switch {
	case wants(s, "integer"):
		if n, ok := integer(v); ok {
			return json.Number(strconv.FormatInt(n, 10))
		}
	case wants(s, "boolean"):
		if text, ok := v.(string); ok {
			if b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(text))); err == nil {
				return b
			}
		}
	case wants(s, "array"):
		var elements []any
		if text, ok := v.(string); ok {
			dec := json.NewDecoder(strings.NewReader(text))
			dec.UseNumber()
			if dec.Decode(&elements) == nil && elements != nil && !dec.More() {
				return lenient(elements, s)
			}
		}
	}
	return v
}

// integer reads 42, "42", 42.0 and 4.2e1.
func integer(v any) (int64, bool) {
	var text string
	switch v := v.(type) {
	case string:
		text = strings.TrimSpace(v)
	case json.Number:
		text = v.String()
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	return int64(f), err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53
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
