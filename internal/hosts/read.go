package hosts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/tailscale/hujson"
)

// bom is the byte order mark, which some editors put before a text.
var bom = []byte("\xef\xbb\xbf")

// Entry is a server that a host starts as a program.
type Entry struct {
	Command  string
	Args     []string
	Env      map[string]string
	PassedOn []string // variables that the host passes on from its own environment
	Cwd      string
	Off      bool          // the entry is switched off
	Timeout  time.Duration // the longest wait for an answer; zero if the entry does not say
}

// Parse reads a file as the host does. Its error says why the host cannot read the
// file. An empty file that the host accepts is a nil map.
func (h *Host) Parse(text []byte) (map[string]any, error) {
	switch h.Format {
	case TOML:
		return parseTOML(bytes.TrimPrefix(text, bom))
	case JSON:
		if bytes.HasPrefix(text, bom) {
			return nil, errors.New("not JSON: line 1: it begins with a byte order mark")
		}
	case JSONComments, JSONC:
		text = bytes.TrimPrefix(text, bom)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		if h.EmptyFile {
			return nil, nil
		}
		return nil, errors.New("not JSON: it is empty, where {} would name no server")
	}
	if h.Format != JSON {
		plain, err := plainJSON(h.Format, text)
		if err != nil {
			return nil, err
		}
		text = plain
	}
	return parseJSON(text)
}

// plainJSON returns the text without comments, and without trailing commas where
// the format allows them. Every other byte keeps its place.
func plainJSON(format Format, text []byte) ([]byte, error) {
	value, err := parseText(text)
	if err != nil {
		return nil, err
	}
	if format == JSONComments {
		if at, found := trailingComma(value); found {
			return nil, fmt.Errorf("not JSON: line %d: a comma stands before the end of an object or array", 1+bytes.Count(text[:at], []byte("\n")))
		}
	}
	value.Standardize()
	return value.Pack(), nil
}

// trailingComma returns the place before the first trailing comma.
func trailingComma(value hujson.Value) (at int, found bool) {
	for v := range value.All() {
		var last *hujson.Value
		switch c := v.Value.(type) {
		case *hujson.Object:
			if n := len(c.Members); n > 0 {
				last = &c.Members[n-1].Value
			}
		case *hujson.Array:
			if n := len(c.Elements); n > 0 {
				last = &c.Elements[n-1]
			}
		}
		if last != nil && last.AfterExtra != nil {
			return last.EndOffset, true
		}
	}
	return 0, false
}

func parseTOML(text []byte) (table map[string]any, err error) {
	err = toml.Unmarshal(text, &table)
	var at *toml.DecodeError
	if errors.As(err, &at) {
		line, _ := at.Position()
		return nil, fmt.Errorf("not TOML: line %d: %w", line, err)
	}
	return table, err
}

func parseJSON(text []byte) (map[string]any, error) {
	var value any
	err := json.Unmarshal(text, new(json.RawMessage)) // a decoder would not mind what follows the first value
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		err = dec.Decode(&value)
	}
	var at *json.SyntaxError
	if errors.As(err, &at) {
		return nil, fmt.Errorf("not JSON: line %d: %w", 1+bytes.Count(text[:min(int(at.Offset), len(text))], []byte("\n")), err)
	}
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return object, nil
}

// Entries returns the servers under a key that the host would start as programs.
// The error tells of a server that names our program and has another shape than
// the host reads. Other servers of unknown shape are left out.
func (h *Host) Entries(file map[string]any, key string) (map[string]Entry, error) {
	entries := make(map[string]Entry)
	servers, _ := file[key].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		entry, err := h.Shape.entry(servers[name])
		switch {
		case err == nil:
			entries[name] = entry
		case strings.Contains(fmt.Sprint(servers[name]), Program):
			return nil, fmt.Errorf("server %q: %w", name, err)
		}
	}
	return entries, nil
}

// OtherKeys returns the keys of a file that look like the key of a host's servers
// and are not the key of this host.
func (h *Host) OtherKeys(file map[string]any) (keys []string) {
	for _, key := range slices.Sorted(maps.Keys(file)) {
		if key != h.Key && slices.ContainsFunc(All, func(other Host) bool { return plainKey(other.Key) == plainKey(key) }) {
			keys = append(keys, key)
		}
	}
	return keys
}

// plainKey returns a key without what people mistake in it.
func plainKey(key string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(key))
}

// MentionsUs reports whether the entry's command line names our program.
func (e Entry) MentionsUs() bool {
	return slices.ContainsFunc(append([]string{e.Command}, e.Args...), func(word string) bool { return strings.Contains(word, Program) })
}
