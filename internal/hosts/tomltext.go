package hosts

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

// expression is a header or a key with its value, in a TOML text.
type expression struct {
	path   []string // from the root, decoded
	header bool
	start  int // where its first line begins
	end    int // where the line after its last one begins
	table  *inlineTable
}

// inlineTable is a table in braces.
type inlineTable struct {
	open  int // the offset of the opening brace
	pairs []pair
}

// pair is a key with its value in an inline table.
type pair struct {
	path  []string
	start int
	end   int
}

// expressions returns the headers and the keys with values of a TOML text, in
// their order.
func expressions(text []byte) (found []expression, err error) {
	var p unstable.Parser
	p.Reset(text)
	var table []string
	for p.NextExpression() {
		n := p.Expression()
		path := keyPath(n)
		x := expression{path: path, header: n.Kind != unstable.KeyValue}
		if x.header {
			table = path
			first := n.Child().Raw
			x.start, x.end = lineStart(text, int(first.Offset)), lineEnd(text, int(first.Offset+first.Length))
		} else {
			x.path = append(slices.Clone(table), path...)
			x.start, x.end = lineStart(text, int(n.Raw.Offset)), lineEnd(text, int(n.Raw.Offset+n.Raw.Length))
			x.table = inlineTableOf(n.Value())
		}
		found = append(found, x)
	}
	if p.Error() != nil {
		return nil, fmt.Errorf("not TOML: %w", p.Error())
	}
	return found, nil
}

// keyPath returns the decoded parts of a key.
func keyPath(n *unstable.Node) (path []string) {
	for it := n.Key(); it.Next(); {
		path = append(path, string(it.Node().Data))
	}
	return path
}

// inlineTableOf returns the inline table that a value is, nil if it is none.
func inlineTableOf(value *unstable.Node) *inlineTable {
	if value.Kind != unstable.InlineTable {
		return nil
	}
	t := &inlineTable{open: int(value.Raw.Offset)}
	for it := value.Children(); it.Next(); {
		if n := it.Node(); n.Kind == unstable.KeyValue {
			t.pairs = append(t.pairs, pair{keyPath(n), int(n.Raw.Offset), int(n.Raw.Offset + n.Raw.Length)})
		}
	}
	return t
}

// within reports whether a path is the prefix or lies under it.
func within(path, prefix []string) bool {
	return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}

// insertTOML returns the insertion that puts our server under a key of a text. A
// header goes to the end of the text, where it is legal unless the servers are an
// inline table.
func insertTOML(text []byte, key string) ([]insertion, error) {
	found, err := expressions(text)
	if err != nil {
		return nil, err
	}
	for _, x := range found {
		if slices.Equal(x.path, []string{key}) && x.table != nil {
			pairText := Server + ` = { command = "` + Program + `" }`
			if n := len(x.table.pairs); n > 0 {
				return []insertion{{x.table.pairs[n-1].end, ", " + pairText}}, nil
			}
			return []insertion{{x.table.open + 1, " " + pairText + " "}}, nil
		}
	}
	nl := newline(text)
	return appendPart(text, "["+key+"."+Server+"]"+nl+`command = "`+Program+`"`+nl), nil
}

// removeTOML returns the spans to cut so that our server under a key is gone.
func removeTOML(text []byte, key string) ([]Span, error) {
	found, err := expressions(text)
	if err != nil {
		return nil, err
	}
	ours := []string{key, Server}
	var spans []Span
	for i, x := range found {
		switch {
		case within(x.path, ours):
			if n := len(spans); n > 0 && i > 0 && within(found[i-1].path, ours) {
				spans[n-1].Len = x.end - spans[n-1].At // what stands between two lines of ours is ours
			} else {
				spans = append(spans, Span{x.start, x.end - x.start})
			}
		case slices.Equal(x.path, []string{key}) && x.table != nil:
			spans = append(spans, x.table.cut()...)
		}
	}
	for i := range spans {
		spans[i] = withBlankLine(text, spans[i])
	}
	return spans, nil
}

// cut returns the spans of our server in an inline table of servers, where it may be
// one pair or several with dotted keys.
func (t *inlineTable) cut() (spans []Span) {
	ours := func(i int) bool { return within(t.pairs[i].path, []string{Server}) }
	for i := 0; i < len(t.pairs); i++ {
		if !ours(i) {
			continue
		}
		first := i
		for i+1 < len(t.pairs) && ours(i+1) {
			i++
		}
		start, end := t.pairs[first].start, t.pairs[i].end
		switch { // a comma goes too
		case first > 0:
			start = t.pairs[first-1].end
		case i+1 < len(t.pairs):
			end = t.pairs[i+1].start
		}
		spans = append(spans, Span{start, end - start})
	}
	return spans
}

// withBlankLine returns the span with the blank line before it, if whole lines are
// cut and a blank line or the end of the text follows.
func withBlankLine(text []byte, s Span) Span {
	end := s.At + s.Len
	if s.At != lineStart(text, s.At) || end != len(text) && lineStart(text, end) != end {
		return s
	}
	if rest := bytes.TrimRight(text[end:lineEnd(text, end)], "\r\n"); len(rest) > 0 {
		return s
	}
	for _, blank := range []string{"\r\n", "\n"} {
		if before := text[:s.At]; bytes.HasSuffix(before, []byte("\n"+blank)) {
			return Span{s.At - len(blank), s.Len + len(blank)}
		}
	}
	return s
}
