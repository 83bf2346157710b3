package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// readJSON reads an array of objects, or an object that holds such an array.
func readJSON(l *List, src Source) error {
	rows, err := elements(l, src, "stories", "items", "issues", "tasks")
	if err != nil {
		return err
	}
	for _, row := range rows {
		readObject(l, JSON, row.at, row.raw)
	}
	return nil
}

// readJSONLines reads one object a line.
func readJSONLines(l *List, src Source) {
	for _, row := range lines(src) {
		readObject(l, JSONLines, row.at, row.raw)
	}
}

// readObject adds the item that an object is.
func readObject(l *List, format Format, at Place, raw []byte) {
	var members map[string]any
	if !decodeRow(l, at, raw, &members) {
		return
	}
	r := record{}
	for _, name := range slices.Sorted(maps.Keys(members)) { // of "ID" and "id" the same one counts each time
		if k := key(name); r[k] == nil {
			r[k] = members[name]
		}
	}
	if !slices.ContainsFunc(nameKeys, func(k string) bool { return r[k] != nil }) {
		l.breaks(at, "the object has no name, title or summary; give it one")
		return
	}
	it, err := r.item(format, at)
	if err != nil {
		l.breaks(at, "%v", err)
		return
	}
	l.add(it)
}

// row is one element of a source before it is understood.
type row struct {
	at  Place
	raw []byte
}

// lines returns the lines that are not blank.
func lines(src Source) []row {
	var rows []row
	n := 0
	for line := range bytes.Lines(src.Data) {
		n++
		if line = bytes.TrimSpace(line); len(line) > 0 {
			rows = append(rows, row{Place{File: src.Name, Line: n}, line})
		}
	}
	return rows
}

// decodeRow decodes a row into v. If the row is not JSON of v's shape, decodeRow says so in the list and
// reports false.
func decodeRow(l *List, at Place, raw []byte, v any) bool {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	err := dec.Decode(v)
	if err == nil {
		if _, trailing := dec.Token(); !errors.Is(trailing, io.EOF) {
			err = errors.New("text follows the value")
		}
	}
	if err == nil {
		return true
	}
	if conflict := string(raw[:min(len(raw), 7)]); slices.Contains([]string{"<<<<<<<", "=======", ">>>>>>>", "|||||||"}, conflict) {
		l.breaks(at, "a merge conflict stands here; resolve it and try again")
		return false
	}
	l.breaks(at, "this is not the JSON that was expected (%s); mend it", complaint(err))
	return false
}

// complaint returns what is wrong with JSON, without the names of Go's types.
func complaint(err error) string {
	var wrong *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &wrong):
		return err.Error()
	case wrong.Field == "":
		return "it is no object: " + wrong.Value
	}
	return fmt.Sprintf("the member %s is of another kind: %s", wrong.Field, wrong.Value)
}

// elements returns the elements of the array that the source is, or that is the member of the source
// with one of the names.
func elements(l *List, src Source, names ...string) ([]row, error) {
	dec := json.NewDecoder(bytes.NewReader(src.Data))
	at := func() Place { return Place{File: src.Name, Line: lineAt(src.Data, dec.InputOffset())} }
	broken := func(err error) error {
		return fmt.Errorf("%s: this is not JSON (%w); mend it and try again", at(), err)
	}
	start, err := dec.Token()
	if err != nil {
		return nil, broken(err)
	}
	if start == json.Delim('{') {
		return memberElements(l, src, names)
	}
	if start != json.Delim('[') {
		return nil, fmt.Errorf("%s: the JSON is neither a list nor an object; give a list of objects", at())
	}
	counter := lineCounter{data: src.Data, line: 1}
	var rows []row
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, broken(err)
		}
		begin := dec.InputOffset() - int64(len(raw))
		rows = append(rows, row{Place{File: src.Name, Line: counter.at(begin), Row: fmt.Sprintf("element %d", len(rows)+1)}, raw})
	}
	if _, err := dec.Token(); err != nil {
		return nil, broken(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: text follows the JSON; remove it and try again", at())
	}
	return rows, nil
}

// memberElements is elements for an object.
func memberElements(l *List, src Source, names []string) ([]row, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(src.Data, &members); err != nil {
		return nil, fmt.Errorf("%s: this is not JSON (%w); mend it and try again", src.Name, err)
	}
	for _, name := range names {
		raw := members[name]
		if len(raw) == 0 || raw[0] != '[' {
			continue
		}
		before := bytes.Index(src.Data, raw)
		rows, err := elements(l, Source{Name: src.Name, Data: raw})
		for i := range rows {
			rows[i].at.Line += bytes.Count(src.Data[:max(before, 0)], []byte("\n"))
		}
		return rows, err
	}
	if members["name"] != nil || members["title"] != nil {
		return []row{{Place{File: src.Name, Line: 1}, src.Data}}, nil
	}
	return nil, fmt.Errorf("%s: the object holds no list of items (looked for %s); give a list of objects", src.Name, strings.Join(names, ", "))
}

// lineAt returns the line of an offset.
func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n"))
}

// lineCounter returns the lines of growing offsets, and looks at each byte once.
type lineCounter struct {
	data []byte
	done int64
	line int
}

func (c *lineCounter) at(offset int64) int {
	c.line += bytes.Count(c.data[c.done:offset], []byte("\n"))
	c.done = offset
	return c.line
}
