package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/huskies/huskies-mcp/internal/phrase"
)

// Answer returns the structured answer of a tool, which is a JSON value, as a person reads it: a key and
// its value in each line, in the order of the answer. An object within a list is one line if it holds
// nothing but plain values. A flag that is true is its name alone.
func Answer(s Screen, data []byte) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	value, err := readValue(dec)
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	var out strings.Builder
	answer{s, &out}.write(value, "")
	return out.String(), nil
}

// object is a JSON object with its keys in their order. A list is a []any, and all other values are as
// encoding/json gives them.
type object []member

type member struct {
	key   string
	value any
}

// readValue reads one JSON value.
func readValue(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		all := object{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			value, err := readValue(dec)
			if err != nil {
				return nil, err
			}
			all = append(all, member{fmt.Sprint(key), value})
		}
		_, err = dec.Token()
		return all, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			value, err := readValue(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = dec.Token()
		return list, err
	}
	return token, nil
}

// answer writes an answer.
type answer struct {
	s  Screen
	to io.StringWriter
}

func (a answer) line(text string) { _, _ = a.to.WriteString(strings.TrimRight(text, " ") + "\n") }

// write writes a value in lines of its own, each behind the indent.
func (a answer) write(value any, indent string) {
	switch v := value.(type) {
	case object:
		for _, m := range v {
			a.member(m, indent, indent)
		}
	case []any:
		for _, item := range v {
			a.item(item, indent)
		}
	default:
		a.line(indent + plain(v))
	}
}

// member writes a key with its value: in one line if the value has one. The key stands behind lead.
func (a answer) member(m member, lead, indent string) {
	key := a.s.paint(phrase.Line(m.key)+":", faint)
	if text, ok := short(m.value); ok && a.fits(lead+phrase.Line(m.key)+": "+text) {
		a.line(lead + key + " " + text)
		return
	}
	a.line(lead + key)
	if text, ok := m.value.(string); ok {
		for line := range strings.Lines(strings.TrimRight(phrase.Text(text), "\n ")) {
			for _, part := range wrap(indent+"  "+strings.TrimRight(line, "\n "), a.s.Width) {
				a.line(part)
			}
		}
		return
	}
	a.write(m.value, indent+"  ")
}

// fits reports whether a clean line fits the screen.
func (a answer) fits(line string) bool { return a.s.Width == 0 || phrase.Width(line) <= a.s.Width }

// item writes one item of a list.
func (a answer) item(item any, indent string) {
	all, isObject := item.(object)
	if !isObject {
		if text, ok := short(item); ok {
			lead := indent + "- "
			for _, part := range wrap(indent+"  "+text, a.s.Width) {
				a.line(lead + strings.TrimPrefix(part, indent+"  "))
				lead = indent + "  "
			}
			return
		}
		a.line(indent + "-")
		a.write(item, indent+"  ")
		return
	}
	if parts, ok := a.parts(all); ok && a.fits(indent+"- "+strings.Join(plainParts(all), "  ")) {
		a.line(indent + "- " + strings.Join(parts, "  "))
		return
	}
	lead := indent + "- "
	for _, m := range all {
		a.member(m, lead, indent+"  ")
		lead = indent + "  "
	}
}

// parts returns the keys and values of an object that fits one line, and whether it has no others.
func (a answer) parts(all object) (parts []string, ok bool) {
	for _, m := range all {
		text, ok := short(m.value)
		if !ok {
			return nil, false
		}
		parts = append(parts, a.part(m.key, text))
	}
	return parts, len(parts) > 0
}

// plainParts is parts without colours.
func plainParts(all object) []string {
	parts, _ := answer{}.parts(all)
	return parts
}

// part returns a key and its value within a line. A story's ID and name need no key.
func (a answer) part(key, text string) string {
	switch {
	case key == "story_id" || key == "name":
		return text
	case text == "yes":
		return phrase.Line(key)
	}
	return a.s.paint(phrase.Line(key)+":", faint) + " " + text
}

// short returns a value that fits one line: a plain one, or a list of plain ones.
func short(value any) (string, bool) {
	switch v := value.(type) {
	case object:
		return "none", len(v) == 0
	case string:
		return plain(v), !strings.Contains(strings.TrimSpace(v), "\n")
	case []any:
		if len(v) == 0 {
			return "none", true
		}
		var texts []string
		for _, item := range v {
			switch item.(type) {
			case object, []any:
				return "", false
			}
			text, ok := short(item)
			if !ok || len(text) > maxOverviewLine/2 {
				return "", false
			}
			texts = append(texts, text)
		}
		return strings.Join(texts, ", "), true
	}
	return plain(value), true
}

// plain returns a value that is neither an object nor a list.
func plain(value any) string {
	switch v := value.(type) {
	case nil:
		return "none"
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case string:
		return phrase.Line(v)
	}
	return fmt.Sprint(value)
}
