package export

import (
	"encoding/json"
	"strconv"
	"strings"
)

// mark begins the comments that part the file.
const mark = "<!-- huskies:"

// Markdown returns the stories as one file, in the form that the package comment describes.
func Markdown(stories []Story) []byte {
	var b strings.Builder
	b.WriteString(mark + "export -->\n")
	for i := range stories {
		stories[i].markdown(&b)
	}
	return []byte(b.String())
}

func (s *Story) markdown(b *strings.Builder) {
	headline := strings.Join(strings.Fields(s.Name), " ")
	b.WriteString(mark + "story " + s.ID + " -->\n## " + headline + "\n\n")
	field(b, "stage", string(s.Stage))
	if headline != s.Name {
		b.WriteString("- name: " + quoted(s.Name) + "\n")
	}
	field(b, "agent", s.Agent)
	field(b, "depends_on", list(s.DependsOn))
	if s.Blocked {
		field(b, "blocked", "true")
	}
	field(b, "blocked_reason", s.BlockedReason)
	if s.RetryCount != 0 {
		field(b, "retry_count", strconv.FormatInt(s.RetryCount, 10))
	}
	b.WriteByte('\n')
	if s.Description != "" {
		b.WriteString(mark + "description -->\n" + escaped(s.Description) + "\n")
	}
	for _, n := range s.notes() {
		b.WriteString(mark + "note")
		if n.At != "" || n.Agent != "" {
			at := n.At
			if at == "" {
				at = "-"
			}
			b.WriteString(" " + at)
		}
		if n.Agent != "" {
			b.WriteString(" " + value(n.Agent))
		}
		b.WriteString(" -->\n" + escaped(n.Text) + "\n")
	}
}

// field writes a field as an entry of a list, unless it is empty.
func field(b *strings.Builder, name, text string) {
	if text != "" {
		b.WriteString("- " + name + ": " + value(text) + "\n")
	}
}

// value returns a text as a line can hold it: as it is, or as a JSON string if it has blanks at its
// ends, line ends, or characters that end a comment or begin a JSON string.
func value(text string) string {
	if text != strings.TrimSpace(text) || strings.ContainsAny(text, "\r\n") || strings.Contains(text, "--") || strings.HasPrefix(text, `"`) {
		return quoted(text)
	}
	return text
}

// quoted returns a text as a JSON string. encoding/json writes ">" as an escape, so that the string
// never ends a comment.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		return `""` // cannot be: a string is always JSON
	}
	return string(b)
}

// escaped returns a text in which no line reads as one of the comments.
func escaped(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimLeft(line, `\`), mark) {
			lines[i] = `\` + line
		}
	}
	return strings.Join(lines, "\n")
}
