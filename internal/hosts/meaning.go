package hosts

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"time"
)

// meaning returns what a file of a format says. Comments and trailing commas are
// allowed in every JSON file, whether its host reads them or not: whoever edits a
// file must not stumble over what the file may have.
func meaning(format Format, text []byte) (map[string]any, error) {
	text = bytes.TrimPrefix(text, bom)
	if format == TOML {
		return parseTOML(text)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	plain, err := plainJSON(JSONC, text)
	if err != nil {
		return nil, err
	}
	return parseJSON(plain)
}

// with returns a copy of a file's meaning in which a value stands at a spot.
func (s spot) with(file map[string]any, value any) map[string]any {
	file = maps.Clone(file)
	if file == nil {
		file = map[string]any{}
	}
	switch {
	case len(s.path) == 0:
		file[s.key] = value
	case len(s.path) == 1 && s.key == "":
		list, _ := file[s.path[0]].([]any)
		file[s.path[0]] = append(slices.Clone(list), value)
	default:
		inner, _ := file[s.path[0]].(map[string]any)
		file[s.path[0]] = spot{s.path[1:], s.key}.with(inner, value)
	}
	return file
}

// without returns a copy of a file's meaning in which nothing stands at a spot for
// which is reports true.
func (s spot) without(file map[string]any, is func(any) bool) map[string]any {
	file = maps.Clone(file)
	switch {
	case len(s.path) == 0:
		if value, ok := file[s.key]; ok && is(value) {
			delete(file, s.key)
		}
	case len(s.path) == 1 && s.key == "":
		if list, ok := file[s.path[0]].([]any); ok {
			file[s.path[0]] = slices.DeleteFunc(slices.Clone(list), is)
		}
	default:
		if inner, ok := file[s.path[0]].(map[string]any); ok {
			file[s.path[0]] = spot{s.path[1:], s.key}.without(inner, is)
		}
	}
	return file
}

// same reports whether two meanings are equal. TOML's nan equals itself here. An
// empty table equals a missing one: in TOML only its servers make a table.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && sameKeys(a, b) && sameKeys(b, a)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case float64:
		b, ok := b.(float64)
		return ok && (a == b || math.IsNaN(a) && math.IsNaN(b))
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	}
	return a == b
}

// sameKeys reports whether b has all that a has.
func sameKeys(a, b map[string]any) bool {
	for key, value := range a {
		other, ok := b[key]
		if table, isTable := value.(map[string]any); !ok && isTable && len(table) == 0 {
			continue
		}
		if !ok || !same(value, other) {
			return false
		}
	}
	return true
}
