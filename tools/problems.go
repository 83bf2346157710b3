package tools

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

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
	switch {
	case c.tool == "write_item" && strings.HasSuffix(strings.ToLower(name), "reason"):
		return "set_blocked takes a reason"
	case name == "agent" && slices.Contains(known, "claim"):
		return "a sub-agent gives claim here, as claim_item answered it"
	case strings.EqualFold(name, "priority"):
		return "the order of the stories is their priority: write_item with after or before changes it"
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
