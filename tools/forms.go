package tools

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/huskies/huskies-mcp/pipeline"
)

// This file takes other forms of what arguments say. The schemas show one form of each, since every
// session pays for what they say.

// storyArguments are the arguments that name a story.
var storyArguments = []string{"story_id", "after", "before"}

// filtersStages are the tools of which stage is a filter, so that no stage means all.
var filtersStages = map[string]bool{"list_items": true, "wait_for_change": true}

// beginning is the cursor of the beginning of the log.
const beginning = "0"

// plain turns another form of what an argument says into the form of the schema: the number of a
// story into text, and names of stages into those of the schema. A word for every stage, or for the
// next one, says nothing where leaving the argument out means that.
func (c *checker) plain(name string, v any) any {
	text, _ := v.(string)
	if names, ok := texts(v); ok && name == "stage" {
		text = strings.Join(names, ",")
	}
	if n, ok := integer(v); ok {
		text = strconv.FormatInt(n, 10)
	}
	if _, isNumber := v.(json.Number); isNumber && text != "" && text != "0" && slices.Contains(storyArguments, name) {
		return text
	}
	if name == "since" && text == beginning {
		return text
	}
	switch word := strings.ToLower(strings.TrimSpace(text)); {
	case name != "stage" && name != "to":
		return v
	case filtersStages[c.tool] && (word == "all" || word == "any"), name == "to" && word == "next":
		return nil
	case text == "":
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
// list_items, whatever names a story in depends_on, and in fields what lists show anyway. The schema
// is asked about one of the stages, about numbers, and about a field of the enum.
func (c *checker) strict(args map[string]any) map[string]any {
	shown := maps.Clone(args)
	if stages, ok := args["stage"].(string); ok && c.tool == "list_items" {
		for name := range strings.SplitSeq(stages, ",") {
			shown["stage"] = name
			if _, ok := pipeline.ParseStage(name); !ok {
				break
			}
		}
	}
	if fields, ok := args["fields"].([]any); ok {
		fields = slices.Clone(fields)
		for i, v := range fields {
			if v == "story_id" || v == "stage" {
				fields[i] = "name"
			}
		}
		shown["fields"] = fields
	}
	if on, ok := args["depends_on"].([]any); ok {
		on = slices.Clone(on)
		for i, v := range on {
			if _, isText := v.(string); isText { // the pipeline says better what names no story
				on[i] = json.Number("0")
			}
		}
		shown["depends_on"] = on
	}
	return shown
}

// lenient turns text that says a number, a boolean or an array into it, where the schema wants one.
// One value stands for an array of it, and so does text with commas. A value of an enum may be
// written in capitals. Elements of an array that say nothing are dropped.
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
		if n, ok := v.(json.Number); ok { // the schema would take all its digits apart
			f, _ := n.Float64() // infinite where it is too great
			return json.Number(strconv.FormatFloat(max(-math.MaxFloat64, min(f, math.MaxFloat64)), 'g', -1, 64))
		}
	case wants(s, "boolean"):
		if text, ok := v.(string); ok {
			if b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(text))); err == nil {
				return b
			}
		}
	case wants(s, "array"):
		if elements, ok := elementsOf(v); ok {
			return lenient(elements, s)
		}
	case s.Enum != nil:
		text, _ := v.(string)
		for _, value := range s.Enum.Values {
			if name, ok := value.(string); ok && strings.EqualFold(strings.TrimSpace(text), name) {
				return name
			}
		}
	}
	return v
}

// elementsOf returns the elements of an array that was sent as text, as text with commas or as its
// only element.
func elementsOf(v any) (elements []any, ok bool) {
	switch v := v.(type) {
	case json.Number:
		return []any{v}, v != "0" // 0 says nothing
	case string:
		dec := json.NewDecoder(strings.NewReader(v))
		dec.UseNumber()
		if dec.Decode(&elements) == nil && elements != nil && !dec.More() {
			return elements, true
		}
		elements = nil
		for part := range strings.SplitSeq(v, ",") {
			elements = append(elements, strings.TrimSpace(part))
		}
		return elements, true
	}
	return nil, false
}

// texts returns the elements of an array of text and numbers.
func texts(v any) (all []string, ok bool) {
	elements, ok := v.([]any)
	for _, e := range elements {
		switch e := e.(type) {
		case string:
			all = append(all, e)
		case json.Number:
			all = append(all, e.String())
		default:
			return nil, false
		}
	}
	return all, ok
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
