package tools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// plain sees of nearly all arguments that they fit their schema, in a tenth of the time
// that the schema takes: text, integers and booleans within their bounds, each given once. What
// it does not know, or is in doubt about, is for the schema to judge, which also says
// what is wrong.
type plain struct {
	required []string
	args     map[string]plainArg
}

// plainArg is what the schema says of one argument.
type plainArg struct {
	number    int // its own
	kind      string
	maxLength int      // of text, in characters; bytes are never fewer
	enum      []string // what the text may be; nil: anything
	min, max  int64    // of an integer
}

// newPlain reads a schema as invopop/jsonschema makes them. An argument with a
// keyword that is not known here is left to the schema.
func newPlain(schema []byte) (*plain, error) {
	var doc struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
	}
	if err := json.Unmarshal(schema, &doc); err != nil {
		return nil, err
	}
	p := &plain{required: doc.Required, args: make(map[string]plainArg)}
	for name, property := range doc.Properties {
		var keywords map[string]json.RawMessage
		limits := struct {
			Type             string
			MaxLength        int
			Enum             []string
			Minimum, Maximum int64
		}{MaxLength: maxPlainLength, Minimum: -maxPlainInt, Maximum: maxPlainInt}
		if err := json.Unmarshal(property, &keywords); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		known := true
		for keyword := range keywords {
			known = known && slices.Contains(plainKeywords, keyword)
		}
		if !known || json.Unmarshal(property, &limits) != nil || len(p.args) == maxPlainArgs {
			continue
		}
		p.args[name] = plainArg{len(p.args), limits.Type, limits.MaxLength, limits.Enum, limits.Minimum, limits.Maximum}
	}
	return p, nil
}

// plainKeywords are those that plainArg holds, and those that say nothing of what
// fits. A pattern is for the pipeline, see checker.problems.
var plainKeywords = []string{"type", "maxLength", "enum", "minimum", "maximum", "pattern", "description", "default", "examples"}

const (
	maxPlainArgs   = 64 // bits of a set
	maxPlainLength = 1 << 16
	maxPlainInt    = 1 << 53
)

// fits reports whether raw, which is valid JSON, surely is an object that fits.
func (p *plain) fits(raw []byte) bool {
	s := plainScanner{rest: raw}
	var seen uint64
	if !s.skip('{') {
		return false
	}
	for more := !s.skip('}'); more; {
		name, ok := s.text()
		arg, known := p.args[string(name)]
		if !ok || !known || seen&(1<<arg.number) != 0 || !s.skip(':') || !arg.fits(&s) {
			return false
		}
		seen |= 1 << arg.number
		if more = s.skip(','); !more && !s.skip('}') {
			return false
		}
	}
	for _, name := range p.required {
		if arg, known := p.args[name]; !known || seen&(1<<arg.number) == 0 {
			return false
		}
	}
	return len(s.space()) == 0
}

// fits reports whether the value that comes next surely is one of the argument.
func (a *plainArg) fits(s *plainScanner) bool {
	switch a.kind {
	case "string":
		text, ok := s.text()
		if a.enum != nil {
			return ok && slices.Contains(a.enum, string(text))
		}
		return ok && len(text) <= a.maxLength
	case "integer":
		n, err := strconv.ParseInt(string(s.word()), 10, 64)
		return err == nil && a.min <= n && n <= a.max
	case "boolean":
		word := string(s.word())
		return word == "true" || word == "false"
	}
	return false
}

// plainScanner reads valid JSON.
type plainScanner struct{ rest []byte }

// space skips white space.
func (s *plainScanner) space() []byte {
	s.rest = bytes.TrimLeft(s.rest, " \t\r\n")
	return s.rest
}

// skip skips the character if it comes next, after white space.
func (s *plainScanner) skip(c byte) bool {
	if rest := s.space(); len(rest) == 0 || rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// text reads a string and returns what is between the quotes, escapes as they are.
func (s *plainScanner) text() (text []byte, ok bool) {
	if !s.skip('"') {
		return nil, false
	}
	for i := 0; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			text, s.rest = s.rest[:i], s.rest[i+1:]
			return text, true
		}
	}
	return nil, false
}

// word reads a number, true, false or null.
func (s *plainScanner) word() (word []byte) {
	end := bytes.IndexAny(s.space(), ",} \t\r\n")
	if end < 0 {
		end = len(s.rest)
	}
	word, s.rest = s.rest[:end], s.rest[end:]
	return word
}
