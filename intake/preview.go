package intake

import (
	"fmt"
	"strings"
	"unicode"
)

// Preview returns the plan as text for a person. Control characters that a source has in its names
// are left out, since a terminal would obey them.
func (p *Plan) Preview() string {
	var b strings.Builder
	b.WriteString(p.Summary() + "\n")
	if p.Err() != nil {
		b.WriteString("Nothing is brought in while something is refused. Mend the source, or leave such items out with --skip-bad.\n")
	}
	width := 0
	for _, s := range p.Create[:min(len(p.Create), maxPreview)] {
		width = max(width, len(s.ID))
	}
	part(&b, "To create", p.Create, func(s Story) string {
		line := fmt.Sprintf("%-*s  %-10s  %s", width, s.ID, s.Stage, cutWords(s.Name, maxHeadline))
		if len(s.DependsOn) > 0 {
			line += "  (depends on " + strings.Trim(strings.ReplaceAll(fmt.Sprint(s.DependsOn), " ", ", "), "[]") + ")"
		}
		if s.Blocked {
			line += "  (blocked)"
		}
		return line
	})
	part(&b, "In the pipeline already", p.Known, func(k Known) string { return fmt.Sprintf("%s is %s", k.Key, k.Story) })
	part(&b, "Warnings", p.Warnings, Problem.String)
	part(&b, "Refused", p.Refused, Problem.String)
	return b.String()
}

// Summary returns one line that counts what the plan does.
func (p *Plan) Summary() string {
	s := count(len(p.Create), "story", "stories") + " to create, " + fmt.Sprint(len(p.Known)) + " in the pipeline already"
	if n := len(p.Refused); n > 0 {
		s += ", " + count(n, "item", "items") + " refused"
	}
	if n := len(p.Warnings); n > 0 {
		s += ", " + count(n, "warning", "warnings")
	}
	return s + "."
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// part writes the lines of one part of the preview, if it has any.
func part[T any](b *strings.Builder, title string, all []T, line func(T) string) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", title)
	for _, v := range all[:min(len(all), maxPreview)] {
		b.WriteString("  " + printable(line(v)) + "\n")
	}
	if more := len(all) - maxPreview; more > 0 {
		fmt.Fprintf(b, "  and %d more\n", more)
	}
}

// printable returns a line without control characters and without those that turn the direction of
// writing.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Bidi_Control):
			return -1
		}
		return r
	}, s)
}
