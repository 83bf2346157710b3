package intake

import (
	"fmt"
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
)

// Item is one piece of work as its source has it.
type Item struct {
	// Origin names the place that ID belongs to, e.g. "beads" or "csv todo.csv".
	Origin string
	// ID identifies the item within its origin. It is never empty.
	ID string
	// Named reports whether ID is made of the names of the item and its parents, because the source
	// has no IDs.
	Named bool
	Name  string
	// Type is story, bug, spike or refactor.
	Type string
	// OddType is the type in the source's own word if it has no known meaning, and empty otherwise.
	OddType string
	Stage   pipeline.Stage
	// Status is the status in the source's own word, and empty if there was none.
	Status string
	// Holder is the person or agent that the source names as being at work, or as assigned.
	Holder string
	// Held reports whether the work was in progress.
	Held bool
	// Odd reports whether Status is a word without a known meaning.
	Odd bool
	// staged reports that Stage was known without Status.
	staged        bool
	Blocked       bool
	BlockedReason string
	RetryCount    int64
	Description   string // Markdown
	// Notes are what people said about the item, the oldest first.
	Notes []string
	// DependsOn holds the IDs of the items that must be done first.
	DependsOn []string
	// Parent is the ID of the item that this one is a part of, or empty.
	Parent string
	// Links name other items that this one does not wait for.
	Links []Link
	At    Place
}

// Link is a relation of an item that makes nobody wait, such as "Part of" or "Related".
type Link struct {
	Label string
	ID    string
}

// Place is where an item stands in its source.
type Place struct {
	File string
	// Line counts from 1. It is 0 when the item is named by Row or when it is the whole file.
	Line int
	// Row names the item where lines say little, e.g. "task 3 of tag master".
	Row string
}

// String returns the place as a person would look it up.
func (p Place) String() string {
	switch {
	case p.Row != "" && p.Line > 0:
		return fmt.Sprintf("%s line %d (%s)", p.File, p.Line, p.Row)
	case p.Row != "":
		return p.File + ", " + p.Row
	case p.Line > 0:
		return fmt.Sprintf("%s line %d", p.File, p.Line)
	}
	return p.File
}

// Problem is a sentence about one place of the source.
type Problem struct {
	At   Place
	Text string
}

func (p Problem) String() string { return p.At.String() + ": " + p.Text }

// List is what a source holds.
type List struct {
	Format Format
	Items  []Item
	// Broken are the rows that are no items. They refuse the import unless they are skipped.
	Broken []Problem
	// Warnings are about things that were left out or read leniently.
	Warnings []Problem
}

// breaks notes that the row at a place is broken.
func (l *List) breaks(at Place, format string, args ...any) {
	l.Broken = append(l.Broken, Problem{at, fmt.Sprintf(format, args...)})
}

// warn notes something that a person should know about a place.
func (l *List) warn(at Place, format string, args ...any) {
	l.Warnings = append(l.Warnings, Problem{at, fmt.Sprintf(format, args...)})
}

// add appends an item after translating its status. An item without a name is broken. The texts of
// stories that huskies wrote stay as they are, so that an export gives the same stories again.
func (l *List) add(it Item) {
	if it.Origin != string(Huskies) {
		it.Name = oneLine(it.Name)
		it.Description = tidy(it.Description)
		if it.Name == "" {
			l.breaks(it.At, "the item has no name; give it one")
			return
		}
	}
	it.Holder = oneLine(it.Holder)
	if it.Type == "" {
		it.Type = storyType("")
	}
	it.applyStatus()
	l.Items = append(l.Items, it)
}

// pathMark stands between the names of an identity, from the outermost to the item's own.
const pathMark = " › "

// identity returns the ID of an item that has none in its source: its parent and its name.
func identity(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + pathMark + name
}

// base returns the last part of a path, of Windows too.
func base(name string) string { return name[strings.LastIndexAny(name, `/\`)+1:] }

// oneLine returns s with each run of blanks and newlines as one blank.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// tidy returns s with Unix line ends and without blank lines at its ends.
func tidy(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	return strings.TrimRight(strings.TrimLeft(s, "\n"), " \t\n")
}

// section is a part of a description under a heading of its own.
type section struct{ heading, text string }

// compose joins a text and the sections that are not empty.
func compose(text string, sections ...section) string {
	parts := []string{}
	if text = tidy(text); text != "" {
		parts = append(parts, text)
	}
	for _, s := range sections {
		if body := tidy(s.text); body != "" {
			parts = append(parts, "## "+s.heading+"\n\n"+body)
		}
	}
	return strings.Join(parts, "\n\n")
}

// labelled returns "label: value", or nothing for an empty value.
func labelled(label, value string) string {
	if value = oneLine(value); value == "" {
		return ""
	}
	return label + ": " + value
}

// withLines appends the lines that are not empty to a description, as a paragraph of their own.
func withLines(description string, lines ...string) string {
	var kept []string
	for _, line := range lines {
		if line != "" {
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 {
		return description
	}
	return compose(description + "\n\n" + strings.Join(kept, "  \n"))
}
