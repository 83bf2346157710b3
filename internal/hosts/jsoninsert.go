package hosts

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/tailscale/hujson"
)

// spot is the place of a value in a JSON file: under a path of keys, and there
// under a key of its own, or as an element of an array if key is empty.
type spot struct {
	path []string
	key  string
}

// wrap returns the value at a spot, in the objects that the rest of a path names.
func (s spot) wrap(path []string, value node) node {
	if s.key == "" {
		value = node{array: []node{value}}
	} else {
		value = node{members: []member{{s.key, value}}}
	}
	for i := len(path) - 1; i >= 0; i-- {
		value = node{members: []member{{path[i], value}}}
	}
	return value
}

// insertJSON returns the insertions that put a value at a spot of a text.
func insertJSON(text []byte, s spot, value node) ([]insertion, error) {
	root, err := parseText(text)
	if err != nil {
		return nil, err
	}
	style := styleOf(text, root)
	at := root
	for i, key := range s.path {
		object, err := objectAt(at, s.path[:i])
		if err != nil {
			return nil, err
		}
		found, err := object.find(key)
		if err != nil {
			return nil, err
		}
		if found < 0 {
			return style.add(text, root, object, key, s.wrap(s.path[i+1:], value)), nil
		}
		at = object.items[found].value
	}
	c, ok := contain(at)
	if !ok || c.isArray != (s.key == "") {
		return nil, fmt.Errorf("%s is not what the host reads there: %s", pathText(s.path), kindText(s.key == ""))
	}
	found, err := c.find(s.key)
	if !c.isArray && (err != nil || found >= 0) {
		return nil, cmp.Or(err, fmt.Errorf("%q is there already", s.key))
	}
	return style.add(text, root, c, s.key, value), nil
}

func kindText(isArray bool) string {
	if isArray {
		return "an array"
	}
	return "an object"
}

// pathText names a place in a file for people.
func pathText(path []string) string {
	if len(path) == 0 {
		return "the file"
	}
	return fmt.Sprintf("%q", strings.Join(path, " → "))
}

// objectAt returns the object that a value is.
func objectAt(v hujson.Value, path []string) (container, error) {
	c, ok := contain(v)
	if !ok || c.isArray {
		return c, fmt.Errorf("%s is not what the host reads there: an object", pathText(path))
	}
	return c, nil
}

// add returns the insertions that put a value behind the last item of a container.
// Comments stay with the line in which they are.
func (s style) add(text []byte, root hujson.Value, c container, key string, value node) []insertion {
	at, lineComment := c.tail, false
	if n, isLine := commentsOnLine(text[c.tail:c.end]); n > 0 {
		at, lineComment = c.tail+n, isLine
	}
	if len(c.items) == 0 {
		return []insertion{{at, s.only(text, root, c, at, key, value)}}
	}
	last := c.items[len(c.items)-1]
	var ins []insertion
	if !c.trailing {
		ins = append(ins, insertion{last.end, ","})
	}
	s.trailing = c.trailing
	if bytes.HasPrefix(text[last.value.StartOffset:], []byte("{ ")) {
		s.pad = " "
	}
	var out string
	switch ownLine := bytes.Contains(last.before, []byte("\n")); {
	case ownLine:
		indent := indentation(text, last.start)
		out = s.newline + indent + s.item(key, value, s.like(text, last), indent)
	case lineComment:
		indent := indentation(text, c.open) + s.unit
		out = s.newline + indent + s.item(key, value, false, indent)
	default:
		out = strings.TrimPrefix(s.comma, ",") + s.item(key, value, true, "")
	}
	if c.trailing {
		out += ","
	}
	return append(ins, insertion{at, out})
}

// only returns the text of the first item of an empty container.
func (s style) only(text []byte, root hujson.Value, c container, at int, key string, value node) string {
	outer := indentation(text, c.open)
	inner := outer + s.unit
	whole := text[root.StartOffset:root.EndOffset]
	switch {
	case bytes.Contains(text[at:c.end], []byte("\n")):
		return s.newline + inner + s.item(key, value, false, inner)
	case c.open == root.StartOffset, bytes.Contains(whole, []byte("\n")):
		return s.newline + inner + s.item(key, value, false, inner) + s.newline + outer
	}
	return s.item(key, value, true, "")
}

// item returns a member, or an element if key is empty.
func (s style) item(key string, value node, inline bool, indent string) string {
	out := ""
	if key != "" {
		out = jsonString(key).literal + s.colon
	}
	if inline {
		return out + s.inline(value)
	}
	if strings.HasPrefix(indent, "\t") {
		s.unit = "\t"
	}
	return out + s.lines(value, indent)
}

// like reports whether an item's value has all its members in one line, so that
// the next value should have too.
func (s style) like(text []byte, it item) bool {
	c, ok := contain(it.value)
	return ok && len(c.items) > 0 && !bytes.Contains(text[it.start:it.end], []byte("\n"))
}

// commentsOnLine returns the length of what stands up to the end of the last
// comment that begins in the first line of a text of blanks and comments. isLine
// reports that the last of them ends with its line.
func commentsOnLine(text []byte) (n int, isLine bool) {
	at := 0
	for at < len(text) {
		switch {
		case text[at] == ' ' || text[at] == '\t':
			at++
		case bytes.HasPrefix(text[at:], []byte("//")):
			end := at + len(bytes.TrimRight(text[at:lineEnd(text, at)], "\r\n"))
			return end, true
		case bytes.HasPrefix(text[at:], []byte("/*")):
			end := bytes.Index(text[at+2:], []byte("*/"))
			if end < 0 {
				return n, false
			}
			comment := text[at : at+2+end+2]
			at += len(comment)
			n = at
			if bytes.Contains(comment, []byte("\n")) {
				return n, false
			}
		default:
			return n, false
		}
	}
	return n, false
}
