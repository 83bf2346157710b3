package intake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Format names a shape of files.
type Format string

// The formats that [Read] knows.
const (
	Markdown   Format = "markdown"
	CSV        Format = "csv"
	JSON       Format = "json"
	JSONLines  Format = "jsonl"
	Beads      Format = "beads"
	Backlog    Format = "backlog"
	TaskMaster Format = "task-master"
	GitHub     Format = "github"
	Huskies    Format = "huskies"
)

// Formats returns all formats, in the order in which they are explained to people.
func Formats() []Format {
	return []Format{Markdown, CSV, JSON, JSONLines, Beads, Backlog, TaskMaster, GitHub, Huskies}
}

// Source is a file or a folder, as a person named it.
type Source struct {
	// Name is the path that was given, "-" for standard input. Errors and notes show it.
	Name string
	// Data is the content of a file.
	Data []byte
	// Folder is the content of a folder, and nil for a file.
	Folder fs.FS
}

// Options say how a source is read.
type Options struct {
	// Format overrides what the name and the content say. Empty: it is detected.
	Format Format
	// Drafts and Archive bring in the drafts and the archived tasks of a Backlog.md folder.
	Drafts  bool
	Archive bool
}

// Read returns what a source holds. An error means that the source as a whole cannot be read.
// Single broken rows are in the list.
func Read(src Source, o Options) (*List, error) {
	if o.Format != "" && !slices.Contains(Formats(), o.Format) {
		return nil, fmt.Errorf("format %q is not known; give one of %s", o.Format, listFormats())
	}
	// Names become parts of notes, which are UTF-8. A path need not be.
	src.Name = strings.ToValidUTF8(src.Name, "\ufffd")
	if src.Folder != nil {
		return readFolder(src, o)
	}
	data, err := text(src.Name, src.Data)
	if err != nil {
		return nil, err
	}
	src.Data = data
	format := o.Format
	if format == "" {
		format = detect(src.Name, data)
	}
	if format == "" {
		return nil, fmt.Errorf("%s: the format cannot be told from the name or the content; give --format with one of %s", src.Name, listFormats())
	}
	return readFile(src, format)
}

// readFile reads a file whose text was checked.
func readFile(src Source, format Format) (l *List, err error) {
	l = &List{Format: format}
	switch format {
	case Markdown:
		readMarkdown(l, src)
	case CSV:
		err = readCSV(l, src)
	case JSON:
		err = readJSON(l, src)
	case JSONLines:
		readJSONLines(l, src)
	case Beads:
		err = readBeads(l, src)
	case TaskMaster:
		err = readTaskMaster(l, src)
	case GitHub:
		err = readGitHub(l, src)
	case Backlog:
		b := backlog{list: l, ordinals: map[string]float64{}}
		b.file(src.Name, src.Data, "")
	case Huskies:
		readStoryFile(l, src.Name, src.Data)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

func listFormats() string {
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// text returns data without a byte order mark, and an error if the data is not UTF-8.
func text(name string, data []byte) ([]byte, error) {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return nil, fmt.Errorf("%s is UTF-16; save it as UTF-8 and try again", name)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if utf8.Valid(data) {
		return data, nil
	}
	line := 1
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		rest = rest[size:]
	}
	return nil, fmt.Errorf("%s line %d is not UTF-8; save the file as UTF-8 and try again", name, line)
}

// detect returns the format of a file, or "" if nothing tells it.
func detect(name string, data []byte) Format {
	ext := strings.ToLower(path.Ext(name))
	switch trimmed := bytes.TrimSpace(data); {
	case ext == ".md" || ext == ".markdown":
		return detectMarkdown(name, data)
	case isExport(data):
		return Huskies
	case ext == ".csv" || ext == ".tsv":
		return CSV
	case ext == ".jsonl" && strings.Contains("/"+name, "/.beads/"):
		return Beads
	case len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '['):
		// Markdown can begin with "[" as well.
		if f := detectJSON(trimmed); f != "" {
			return f
		}
	}
	switch ext {
	case ".json":
		return JSON
	case ".jsonl", ".ndjson":
		return JSONLines
	}
	return detectText(data)
}

// detectMarkdown tells exports and files that hold one task each from lists.
func detectMarkdown(name string, data []byte) Format {
	if isExport(data) || isGenerated(data) {
		return Huskies
	}
	front, _, _ := cutFrontMatter(data)
	keys, err := yamlMapping(front)
	if err != nil || len(keys) == 0 {
		return Markdown
	}
	if stageOfPath(name) != "" {
		return Huskies
	}
	if _, ok := keys["title"]; ok && keys["id"] != nil {
		return Backlog
	}
	return Markdown
}

// detectJSON returns the format of a text that begins as JSON does.
func detectJSON(data []byte) Format {
	dec := json.NewDecoder(bytes.NewReader(data))
	var first json.RawMessage
	if dec.Decode(&first) != nil {
		if line, _, more := bytes.Cut(data, []byte("\n")); more && json.Valid(line) {
			return JSONLines
		}
		return ""
	}
	if first[0] == '[' {
		var rows []map[string]json.RawMessage
		if json.Unmarshal(first, &rows) != nil || len(rows) == 0 {
			return JSON
		}
		return rowFormat(rows[0], JSON)
	}
	var row map[string]json.RawMessage
	if json.Unmarshal(first, &row) != nil {
		return JSON
	}
	if dec.More() {
		return linesFormat(data)
	}
	if isTaskMaster(row) {
		return TaskMaster
	}
	if row["name"] != nil || row["title"] != nil || row["_type"] != nil {
		return rowFormat(row, JSONLines)
	}
	return JSON
}

// linesFormat looks at the first lines of JSON Lines: those of beads may begin with memories, which
// look like nothing else.
func linesFormat(data []byte) Format {
	for n := 0; n < 50 && len(data) > 0; n++ {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		var row map[string]json.RawMessage
		if json.Unmarshal(line, &row) == nil && rowFormat(row, JSONLines) == Beads {
			return Beads
		}
	}
	return JSONLines
}

// rowFormat tells whose row it is, and returns other if nothing tells.
func rowFormat(row map[string]json.RawMessage, other Format) Format {
	switch {
	case row["id"] != nil && row["title"] != nil && (row["issue_type"] != nil || row["_type"] != nil || row["close_reason"] != nil),
		row["_type"] != nil && other == JSONLines:
		return Beads
	case row["number"] != nil && row["title"] != nil && row["id"] == nil,
		row["number"] != nil && row["title"] != nil && (row["labels"] != nil || row["body"] != nil || row["state"] != nil):
		return GitHub
	}
	return other
}

// detectText tells CSV from Markdown for a text without a telling name.
func detectText(data []byte) Format {
	for line := range bytes.Lines(data) {
		trimmed := strings.TrimSpace(string(line))
		if trimmed == "" {
			continue
		}
		if nameColumn(splitHeader(trimmed)) >= 0 && strings.ContainsAny(trimmed, ",;\t") {
			return CSV
		}
		return Markdown
	}
	return ""
}
