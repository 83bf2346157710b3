package hosts

import (
	"slices"
	"strings"
)

// Hidden returns the setting of a host's file that hides a server from its agents. It
// returns "" if none does.
func (h *Host) Hidden(text []byte, name string) string {
	file, err := meaning(h.Format, text)
	if err != nil {
		return ""
	}
	for _, setting := range h.Allowed {
		if names, ok := lookUp(file, setting); ok && !slices.Contains(names, any(name)) {
			return setting
		}
	}
	for _, setting := range h.Excluded {
		if names, _ := lookUp(file, setting); slices.Contains(names, any(name)) {
			return setting
		}
	}
	return ""
}

// lookUp returns the list under a dotted key. The key may stand in the file as it
// is, or its parts may be objects.
func lookUp(file map[string]any, key string) ([]any, bool) {
	if list, ok := file[key].([]any); ok {
		return list, true
	}
	first, rest, dotted := strings.Cut(key, ".")
	inner, ok := file[first].(map[string]any)
	if !dotted || !ok {
		return nil, false
	}
	return lookUp(inner, rest)
}
