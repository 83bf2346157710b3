package hosts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tailscale/hujson"
)

// node is JSON that is to be written: a literal, an object or an array.
type node struct {
	literal string
	members []member
	array   []node
}

// member is a key of an object, decoded, and its value.
type member struct {
	key   string
	value node
}

// jsonString returns a node for a string.
func jsonString(s string) node {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string can always be encoded
	return node{literal: strings.TrimSuffix(b.String(), "\n")}
}

// style is how a file writes JSON.
type style struct {
	newline string // between lines
	unit    string // one level of indentation
	colon   string // between a key and its value
	comma   string // between two values on one line
	pad     string // inside the braces of an object on one line
	// trailing reports that a comma follows the last of several lines.
	trailing bool
}

// styleOf returns the style of a file.
func styleOf(text []byte, root hujson.Value) style {
	s := style{newline: newline(text), unit: "  ", colon: ": ", comma: ", "}
	object, ok := root.Value.(*hujson.Object)
	if !ok || len(object.Members) == 0 {
		return s
	}
	first := object.Members[0]
	if len(first.Value.BeforeExtra) == 0 {
		s.colon, s.comma = ":", ","
	}
	if in := indentation(text, first.Name.StartOffset); in != "" && bytes.Contains(first.Name.BeforeExtra, []byte("\n")) {
		s.unit = in
	}
	return s
}

// inline returns a node as one line.
func (s style) inline(n node) string {
	var parts []string
	switch {
	case n.literal != "":
		return n.literal
	case n.members != nil:
		for _, m := range n.members {
			parts = append(parts, jsonString(m.key).literal+s.colon+s.inline(m.value))
		}
		return "{" + s.pad + strings.Join(parts, s.comma) + s.pad + "}"
	}
	for _, element := range n.array {
		parts = append(parts, s.inline(element))
	}
	return "[" + strings.Join(parts, s.comma) + "]"
}

// lines returns a node with a line for each member and element. indent is the
// indentation of the line in which the node begins.
func (s style) lines(n node, indent string) string {
	var parts []string
	inner := indent + s.unit
	for _, m := range n.members {
		parts = append(parts, jsonString(m.key).literal+s.colon+s.lines(m.value, inner))
	}
	literals := true
	for _, element := range n.array {
		parts = append(parts, s.lines(element, inner))
		literals = literals && element.literal != ""
	}
	if len(parts) == 0 || n.array != nil && literals {
		return s.inline(n)
	}
	open, end := "{", "}"
	if n.array != nil {
		open, end = "[", "]"
	}
	if s.trailing {
		end = "," + s.newline + indent + end
	} else {
		end = s.newline + indent + end
	}
	return open + s.newline + inner + strings.Join(parts, ","+s.newline+inner) + end
}

// item is a member of an object or an element of an array, in a text.
type item struct {
	key    string // decoded; empty in an array
	start  int
	end    int
	before []byte // what stands between the last comma or bracket and the item
	after  []byte // what stands between the item and its comma
	value  hujson.Value
}

// container is an object or an array in a text.
type container struct {
	isArray  bool
	open     int // the offset of the opening bracket
	end      int // the offset of the closing bracket
	items    []item
	trailing bool // a comma follows the last item
	tail     int  // the offset behind the last item and its comma, or behind the opening bracket
}

// contain returns the container that a value is. It reports false for other values.
func contain(v hujson.Value) (c container, ok bool) {
	c.open, c.end = v.StartOffset, v.EndOffset-1
	switch composite := v.Value.(type) {
	case *hujson.Object:
		for _, m := range composite.Members {
			name := m.Name.Value.(hujson.Literal).String()
			c.items = append(c.items, item{name, m.Name.StartOffset, m.Value.EndOffset, m.Name.BeforeExtra, m.Value.AfterExtra, m.Value})
		}
		c.tail = c.end - len(composite.AfterExtra)
	case *hujson.Array:
		c.isArray = true
		for _, e := range composite.Elements {
			c.items = append(c.items, item{"", e.StartOffset, e.EndOffset, e.BeforeExtra, e.AfterExtra, e})
		}
		c.tail = c.end - len(composite.AfterExtra)
	default:
		return c, false
	}
	if n := len(c.items); n > 0 {
		c.trailing = c.items[n-1].after != nil
	}
	return c, true
}

// find returns the place of the item with a key. It returns -1 if there is none,
// and an error if any key of the object stands twice.
func (c container) find(key string) (int, error) {
	found := -1
	seen := make(map[string]bool, len(c.items))
	for i, it := range c.items {
		if seen[it.key] {
			return -1, fmt.Errorf("the key %q stands twice in one object", it.key)
		}
		seen[it.key] = true
		if it.key == key {
			found = i
		}
	}
	return found, nil
}

// maxBrackets bounds the objects and arrays of a file, and so how deep they are nested. The parser calls itself for
// each level, and a full stack ends the program. A big file of a person has some 10,000.
const maxBrackets = 250_000

// parseText parses a file, in which comments and trailing commas are allowed. The
// parser wants a newline behind a comment in the last line, and hosts do not.
func parseText(text []byte) (hujson.Value, error) {
	if n := bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{")); n > maxBrackets {
		return hujson.Value{}, fmt.Errorf("not JSON that can be read: it has %d opening brackets, and at most %d are read", n, maxBrackets)
	}
	copied := append(bytes.Clone(text), '\n') // Standardize writes into what was parsed
	root, err := hujson.Parse(copied)
	if err != nil {
		return root, fmt.Errorf("not JSON: %s", strings.TrimPrefix(err.Error(), "hujson: "))
	}
	return root, nil
}
