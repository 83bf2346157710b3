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

	"github.com/agnivade/levenshtein"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
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

// arguments returns raw as a JSON object that fits the schema, or an error
// that says in plain words all that is wrong with it. Arguments that are null
// count as omitted; numbers and booleans sent as text are taken for what they
// say.
func (c *checker) arguments(raw json.RawMessage) (json.RawMessage, error) {
	args, err := c.object(raw)
	if err != nil {
		return nil, err
	}
	for name, v := range args {
		if v == nil {
			delete(args, name)
		} else if s, ok := c.schema.Properties[name]; ok {
			args[name] = lenient(v, s)
		}
	}
	if err := c.schema.Validate(map[string]any(args)); err != nil {
		var ve *jsonschema.ValidationError
		if !errors.As(err, &ve) {
			return nil, err
		}
		if problems := c.problems(ve, args); len(problems) > 0 {
			return nil, errors.New(strings.Join(problems, "; "))
		}
	}
	return json.Marshal(args)
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
// the schema wants one.
func lenient(v any, s *jsonschema.Schema) any {
	if elements, ok := v.([]any); ok && s.Items2020 != nil {
		for i := range elements {
			elements[i] = lenient(elements[i], s.Items2020)
		}
		return elements
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

// problems says in plain words what a validation error holds.
func (c *checker) problems(e *jsonschema.ValidationError, args map[string]any) []string {
	if len(e.Causes) > 0 {
		var all []string
		for _, cause := range e.Causes {
			all = append(all, c.problems(cause, args)...)
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	where, got := locate(e.InstanceLocation, args)
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		return c.unknown(k.Properties)
	case *kind.Required:
		return []string{fmt.Sprintf("%s needs %s", c.tool, strings.Join(k.Missing, " and "))}
	case *kind.Type:
		text := fmt.Sprintf("%s must be %s, got %s", where, withArticle(k.Want[0]), show(got))
		return []string{text + c.described(e.InstanceLocation)}
	case *kind.Enum:
		return []string{oneOf(where, fmt.Sprint(got), k.Want)}
	case *kind.Minimum:
		return []string{fmt.Sprintf("%s must be at least %s, got %s", where, k.Want.RatString(), show(got))}
	case *kind.Maximum:
		return []string{fmt.Sprintf("%s must be at most %s, got %s", where, k.Want.RatString(), show(got))}
	case *kind.MaxLength:
		return []string{fmt.Sprintf("%s has %d characters, at most %d are allowed: shorten it", where, k.Got, k.Want)}
	case *kind.MaxItems:
		return []string{fmt.Sprintf("%s has %d elements, at most %d are allowed", where, k.Got, k.Want)}
	case *kind.Pattern:
		return nil // the pipeline says it better
	}
	return []string{fmt.Sprintf("%s is not allowed: %s", where, show(got))}
}

// described recalls, for an element of a list, what the list is of.
func (c *checker) described(place []string) string {
	if len(place) > 1 {
		if p := c.schema.Properties[place[0]]; p != nil && p.Description != "" {
			return fmt.Sprintf(" (%s: %s)", place[0], p.Description)
		}
	}
	return ""
}

// unknown says of arguments that the tool does not have what is meant instead.
// However many there are, the text stays short.
func (c *checker) unknown(names []string) []string {
	slices.Sort(names)
	known := c.names()
	var out, lost []string
	for _, name := range names {
		if len(out)+len(lost) == maxNamed {
			lost = append(lost, "and more")
			break
		}
		if hint := c.meant(name, known); hint != "" {
			out = append(out, fmt.Sprintf("%s has no argument %s: %s", c.tool, quote(name), hint))
		} else {
			lost = append(lost, quote(name))
		}
	}
	if len(lost) > 0 {
		out = append(out, fmt.Sprintf("%s has no argument %s: it takes %s", c.tool, strings.Join(lost, ", "), strings.Join(known, ", ")))
	}
	return out
}

// maxNamed bounds the unknown arguments that an error names.
const maxNamed = 5

// synonyms are the names that models use for ours, from other trackers and from
// the items' own fields.
var synonyms = map[string][]string{
	"blocked_reason": {"reason"},
	"reason":         {"note"},
	"message":        {"note"},
	"stage":          {"to"},
	"to":             {"stage"},
	"cursor":         {"since"},
	"timeout":        {"timeout_seconds"},
	"wait":           {"wait_seconds", "timeout_seconds"},
	"title":          {"name"},
	"summary":        {"name"},
	"body":           {"description"},
	"comment":        {"note"},
	"status":         {"stage"},
	"state":          {"stage"},
	"column":         {"stage"},
	"assignee":       {"agent"},
	"owner":          {"agent"},
	"id":             {"story_id"},
	"story":          {"story_id"},
	"item":           {"story_id"},
	"rev":            {"if_rev"},
	"deps":           {"depends_on"},
	"dependencies":   {"depends_on"},
	"blocked_by":     {"depends_on"},
	"retries":        {"retry_count", "by"},
	"count":          {"by"},
	"search":         {"query"},
	"text":           {"query", "note"},
	"columns":        {"fields"},
	"page":           {"cursor"},
	"offset":         {"cursor"},
	"next_cursor":    {"cursor"},
	"page_size":      {"limit"},
}

// meant says which argument was meant, or "" if that is not known.
func (c *checker) meant(name string, known []string) string {
	if c.tool == "write_item" && strings.HasSuffix(strings.ToLower(name), "reason") {
		return "set_blocked takes a reason"
	}
	for _, s := range synonyms[strings.ToLower(name)] {
		if slices.Contains(known, s) {
			return fmt.Sprintf("did you mean %q?", s)
		}
	}
	if near, ok := nearest(name, known); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

func oneOf(where, got string, want []any) string {
	names := make([]string, len(want))
	for i, w := range want {
		names[i] = fmt.Sprint(w)
	}
	text := fmt.Sprintf("%s must be one of %s; got %s", where, strings.Join(names, ", "), quote(got))
	if near, ok := nearest(got, names); ok {
		text += fmt.Sprintf(": did you mean %q?", near)
	}
	return text
}

// quote quotes what was given, cut to a length that helps.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%q...", strings.ToValidUTF8(s[:most], ""))
	}
	return strconv.Quote(s)
}

// nearest returns the name that s was most likely meant to be: one that contains
// it, or is contained, or of which it is a word, or that differs by a slip of the
// pen: one letter, or a few more if the first is right, as it is in nearly all slips.
func nearest(s string, names []string) (string, bool) {
	s = strings.ToLower(s)
	if s == "" || len(s) > 60 {
		return "", false
	}
	best, least := "", len(s)
	for _, name := range names {
		if len(s) >= 3 && (strings.Contains(name, s) || strings.Contains(s, name)) || slices.Contains(strings.Split(name, "_"), s) {
			return name, true
		}
		most := 1
		if s[0] == name[0] {
			most = max(2, len(s)/3)
		}
		if d := levenshtein.ComputeDistance(s, name); d <= most && d < least {
			best, least = name, d
		}
	}
	return best, best != ""
}

// locate returns the name of the place in the arguments and what stands there.
func locate(path []string, args map[string]any) (string, any) {
	var where strings.Builder
	var v any = args
	for _, step := range path {
		switch at := v.(type) {
		case map[string]any:
			where.WriteString(step)
			v = at[step]
		case []any:
			where.WriteString("[" + step + "]")
			if i, err := strconv.Atoi(step); err == nil && i < len(at) {
				v = at[i]
			}
		}
	}
	return where.String(), v
}

func withArticle(typ string) string {
	switch typ {
	case "integer", "array", "object":
		return "an " + typ
	}
	return "a " + typ
}

// show says what was given: its type and, if it is short, the value.
func show(v any) string {
	b, err := compactJSON(v)
	if err != nil {
		return "what cannot be shown"
	}
	typ := ""
	switch v.(type) {
	case string:
		typ = "string"
	case json.Number:
		typ = "number"
	case []any:
		typ = "array"
	case map[string]any:
		typ = "object"
	}
	switch {
	case typ == "":
		return string(b)
	case len(b) > 60:
		return withArticle(typ)
	}
	return "the " + typ + " " + string(b)
}
