package intake

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// cutFrontMatter returns the YAML between the lines "---" at the start of a file, the text behind it,
// and the number of lines before that text. Without front matter it returns the whole text.
func cutFrontMatter(data []byte) (front, body []byte, lines int) {
	rest, ok := cutFence(data)
	if !ok {
		return nil, data, 0
	}
	offset := len(data) - len(rest)
	for pos := offset; pos < len(data) && pos < maxFrontMatter; {
		if after, ok := cutFence(data[pos:]); ok {
			return data[offset:pos], after, bytes.Count(data[:len(data)-len(after)], []byte("\n"))
		}
		newline := bytes.IndexByte(data[pos:], '\n')
		if newline < 0 {
			break
		}
		pos += newline + 1
	}
	return nil, data, 0
}

// cutFence cuts a line "---" from the start of a text.
func cutFence(data []byte) (rest []byte, ok bool) {
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	return rest, string(bytes.TrimRight(line, " \t\r")) == "---"
}

// bareScalar is a line of front matter whose value is not quoted.
var bareScalar = regexp.MustCompile(`^(\s*(?:-\s+)?(?:[A-Za-z_][A-Za-z0-9_-]*:[ \t]+)?)([^\s'"\[{>|#&*!-].*)$`)

// yamlMapping returns the mapping that front matter is. Tools write titles with colons and names
// with "@" that are not quoted, which YAML does not allow: these are quoted when the text is no YAML
// as it stands.
func yamlMapping(front []byte) (record, error) {
	m, err := parseYAML(front)
	if err == nil {
		return m, nil
	}
	lines := strings.Split(string(front), "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, " \t\r")
		if parts := bareScalar.FindStringSubmatch(line); parts != nil && needsQuotes(parts[2]) {
			lines[i] = parts[1] + "'" + strings.ReplaceAll(parts[2], "'", "''") + "'"
		}
	}
	if m, again := parseYAML([]byte(strings.Join(lines, "\n"))); again == nil {
		return m, nil
	}
	return nil, err
}

// needsQuotes reports whether YAML reads a value as something else than the text.
func needsQuotes(value string) bool {
	return strings.ContainsAny(value[:1], "@`%") || strings.Contains(value, ": ") || strings.Contains(value, " #") || strings.HasSuffix(value, ":")
}

// parseYAML decodes a mapping. Its values are texts, lists and the like as records have them.
func parseYAML(front []byte) (m record, err error) {
	// The library panics on some texts that are no YAML.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: %v", p)
		}
	}()
	var node yaml.Node
	if err := yaml.Unmarshal(front, &node); err != nil {
		return nil, err
	}
	if len(node.Content) == 0 {
		return record{}, nil
	}
	top := node.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, errors.New("the front matter is not a mapping of keys to values")
	}
	m = record{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		m[key(top.Content[i].Value)] = plainYAML(top.Content[i+1], 0)
	}
	return m, nil
}

// plainYAML returns a node's value. Scalars stay the texts that were written, so that the ID 1.10 is not
// the number 1.1.
func plainYAML(n *yaml.Node, depth int) any {
	if depth > 8 {
		return nil
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil
		}
		return n.Value
	case yaml.SequenceNode:
		list := []any{}
		for _, e := range n.Content {
			list = append(list, plainYAML(e, depth+1))
		}
		return list
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[key(n.Content[i].Value)] = plainYAML(n.Content[i+1], depth+1)
		}
		return m
	case yaml.AliasNode: // of lists of lists some lines would become billions of values
		if n.Alias.Kind == yaml.ScalarNode {
			return plainYAML(n.Alias, depth+1)
		}
	}
	return nil
}
