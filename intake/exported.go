package intake

import (
	"encoding/json"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// exportMark begins the comments that part the stories of an export in Markdown. The comment of package
// export describes the form.
const (
	exportMark  = "<!-- huskies:"
	exportBegin = exportMark + "export -->"
)

// isExport reports whether a text is an export in Markdown.
func isExport(data []byte) bool {
	return strings.HasPrefix(string(data[:min(len(data), 64)]), exportBegin)
}

// chunk is a comment of an export, with the lines below it.
type chunk struct {
	// kind and argument are what the comment says.
	kind, argument string
	line           int
	text           []string
}

// readExport adds the stories of an export in Markdown.
func readExport(l *List, name string, data []byte) {
	var story []chunk
	for _, c := range chunks(string(data)) {
		if c.kind == "story" {
			readExported(l, name, story)
			story = nil
		}
		if c.kind != "export" {
			story = append(story, c)
		}
	}
	readExported(l, name, story)
}

// chunks parts an export at its comments. The last line end before a comment is not of the text.
func chunks(text string) []chunk {
	var all []chunk
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		comment, opens := strings.CutPrefix(strings.TrimSuffix(line, "\r"), exportMark)
		comment, closes := strings.CutSuffix(comment, "-->")
		if opens && closes {
			kind, argument, _ := strings.Cut(strings.TrimSpace(comment), " ")
			all = append(all, chunk{kind: kind, argument: argument, line: i + 1})
			continue
		}
		if strings.HasPrefix(line, `\`) && strings.HasPrefix(strings.TrimLeft(line, `\`), exportMark) {
			line = line[1:]
		}
		if len(all) > 0 {
			last := &all[len(all)-1]
			last.text = append(last.text, line)
		}
	}
	return all
}

// readExported adds the story of some chunks, of which the first names it.
func readExported(l *List, name string, story []chunk) {
	if len(story) == 0 {
		return
	}
	head := story[0]
	at := Place{File: name, Line: head.line}
	if head.kind != "story" || !crdt.ValidStoryID(head.argument) {
		l.breaks(at, "here should be a line such as %sstory 10_story_add_login -->; put it back", exportMark)
		return
	}
	r := record{"story_id": head.argument, "name": ""}
	for _, line := range head.text {
		line = strings.TrimRight(line, "\r")
		if headline, ok := strings.CutPrefix(line, "## "); ok && r["name"] == "" {
			r["name"] = headline
		}
		if entry, ok := strings.CutPrefix(line, "- "); ok {
			field, value, _ := strings.Cut(entry, ": ")
			r[key(field)] = unquoted(value)
		}
	}
	var notes []any
	for _, c := range story[1:] {
		text := strings.Join(c.text, "\n")
		switch c.kind {
		case "description":
			r["description"] = text
		case "note":
			day, agent, _ := strings.Cut(c.argument, " ")
			notes = append(notes, map[string]any{"text": text, "at": strings.TrimPrefix(day, "-"), "agent": unquoted(agent)})
		default:
			l.breaks(Place{File: name, Line: c.line}, "a part of a story is a description or a note, and not %q; mend it", c.kind)
			return
		}
	}
	r["notes"] = notes
	it, err := r.item(Huskies, at)
	if err != nil {
		l.breaks(at, "%v", err)
		return
	}
	l.add(it)
}

// unquoted returns the text of a value that is a JSON string, and any other value as it is.
func unquoted(value string) string {
	var s string
	if strings.HasPrefix(value, `"`) && json.Unmarshal([]byte(value), &s) == nil {
		return s
	}
	return value
}
