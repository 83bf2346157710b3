package hosts

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// newEntry returns an entry that starts our program. The entry names no agent:
// several hosts may read one file, and each agent names itself.
func (s Shape) newEntry() node {
	var members []member
	if s.Type != "" {
		members = append(members, member{"type", jsonString(s.Type)})
	}
	command := jsonString(Program)
	if s.OneList {
		command = node{array: []node{command}}
	}
	members = append(members, member{"command", command})
	if s.Args {
		members = append(members, member{"args", node{literal: "[]"}})
	}
	return node{members: members}
}

// Snippet returns what a file of the host says to start our program.
func (h *Host) Snippet() string {
	if h.Format == TOML {
		return "[" + h.Key + "." + Server + "]\ncommand = " + jsonString(Program).literal + "\n"
	}
	s := style{colon: ": ", comma: ", "}
	return s.inline(spot{key: Server}.wrap([]string{h.Key}, h.Shape.newEntry())) + "\n"
}

// Example returns what a file of the host should say, in one line for people.
func (h *Host) Example() string {
	if h.Format == TOML {
		return "[" + h.Key + "." + Server + "] and below it command = " + jsonString(Program).literal
	}
	return strings.TrimSpace(h.Snippet())
}

// envKey returns the key of the environment in an entry.
func (s Shape) envKey() string {
	if s.Env == "" {
		return "env"
	}
	return s.Env
}

// entry reads one server. The error says which key has another type than the host reads.
func (s Shape) entry(server any) (entry Entry, err error) {
	object, ok := server.(map[string]any)
	if !ok {
		return entry, errors.New("it is not an object")
	}
	if s.Only != nil {
		for _, key := range slices.Sorted(maps.Keys(object)) {
			if !slices.Contains(s.Only, key) {
				return entry, fmt.Errorf("%q is not among the keys %s", key, strings.Join(s.Only, ", "))
			}
		}
	}
	r := reader{object: object}
	if s.OneList {
		if words := r.list("command"); len(words) > 0 {
			entry.Command, entry.Args = words[0], words[1:]
		}
	} else {
		entry.Command, entry.Args = r.text("command"), r.list("args")
	}
	entry.Env = r.texts(s.envKey())
	entry.Cwd, entry.PassedOn = r.text(s.Cwd), r.names(s.PassedOn)
	entry.Off = r.flag(s.Off, false) || !r.flag(s.On, true)
	entry.Timeout = time.Duration(r.number(s.Timeout) * float64(s.TimeoutUnit))
	return entry, r.err
}

// reader reads values of an object and keeps the first error.
type reader struct {
	object map[string]any
	err    error
}

// value returns the value of a key. It returns nil for an empty key, which stands
// for something that a host does not have.
func (r *reader) value(key string) any {
	if key == "" {
		return nil
	}
	return r.object[key]
}

func (r *reader) wrong(key, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("%q must be %s", key, want)
	}
}

func (r *reader) text(key string) string {
	value := r.value(key)
	text, ok := value.(string)
	if !ok && value != nil {
		r.wrong(key, "a string")
	}
	return text
}

func (r *reader) list(key string) (words []string) {
	value := r.value(key)
	list, ok := value.([]any)
	if !ok && value != nil {
		r.wrong(key, "a list of strings")
	}
	for _, element := range list {
		word, ok := element.(string)
		if !ok {
			r.wrong(key, "a list of strings")
		}
		words = append(words, word)
	}
	return words
}

// names reads a list of names. A name may stand in an object with further settings.
func (r *reader) names(key string) (names []string) {
	list, _ := r.value(key).([]any)
	for _, element := range list {
		if object, ok := element.(map[string]any); ok {
			element = object["name"]
		}
		if name, ok := element.(string); ok {
			names = append(names, name)
		}
	}
	return names
}

func (r *reader) texts(key string) map[string]string {
	value := r.value(key)
	object, ok := value.(map[string]any)
	if !ok && value != nil {
		r.wrong(key, "an object of strings")
	}
	texts := make(map[string]string, len(object))
	for name, element := range object {
		text, ok := element.(string)
		if !ok {
			r.wrong(key, "an object of strings")
		}
		texts[name] = text
	}
	return texts
}

func (r *reader) flag(key string, otherwise bool) bool {
	value := r.value(key)
	flag, ok := value.(bool)
	switch {
	case ok:
		return flag
	case value != nil:
		r.wrong(key, "true or false")
	}
	return otherwise
}

func (r *reader) number(key string) float64 {
	switch n := r.value(key).(type) {
	case nil:
	case json.Number:
		f, _ := n.Float64() // infinity, if it is too great
		return f
	case int64:
		return float64(n)
	case float64:
		return n
	default:
		r.wrong(key, "a number")
	}
	return 0
}
