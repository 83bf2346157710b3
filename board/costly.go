package board

import (
	"html/template"
	"regexp"
	"strings"
)

// prose makes HTML of the texts of one page. Parsers of Markdown, goldmark too, take time with the square of how
// deep blocks are nested, and of how many marks of emphasis and links one paragraph has. They take memory for
// each cell of a table, also for those that its rows leave out. So a page has a budget. A text that costs more
// than what is left of it stands on the page as it was typed.
type prose struct{ spent int }

// maxCost bounds what a page spends, in units of [cost]. They are about 0.1 µs each, so a page takes less than half a second.
const maxCost = 4_000_000

// text returns the HTML of a text in Markdown.
func (r *prose) text(source string) template.HTML {
	c := cost(source)
	if c > maxCost-r.spent {
		return template.HTML("<pre>" + template.HTMLEscapeString(typed(source)) + "</pre>") // escaped
	}
	r.spent += c
	return rendered(source)
}

// What a cell of a table and the square of the depth of a line cost more than the square of the marks of a paragraph.
const (
	costOfCell  = 100
	costOfDepth = 3
)

// nesting matches all marks of quotes and lists with which a line begins, and nested matches one of them.
var (
	nesting = regexp.MustCompile(`^[ \t]*(?:(?:>|(?:[-+*]|\d{1,9}[.)])[ \t])[ \t]*)+`)
	nested  = regexp.MustCompile(`>|[-+*]|\d+[.)]`)
)

// item matches a line that begins a list's item, and with it a new block, wherever the line stands.
var item = regexp.MustCompile(`^ {0,3}[-+*] +\S`)

// cost estimates what it costs to render a text, besides what each of its bytes costs.
func cost(text string) (sum int) {
	marks, columns, rows := 0, 0, 0 // of the paragraph or the table at hand
	end := func() {
		sum += marks*marks + columns*rows*costOfCell
		marks, columns, rows = 0, 0, 0
	}
	for l := range strings.Lines(text) {
		depth := len(nested.FindAllStringIndex(nesting.FindString(l), -1))
		sum += depth * depth * costOfDepth
		if strings.TrimLeft(l, " \t>\r\n") == "" || item.MatchString(l) {
			end()
		}
		marks += strings.Count(l, "*") + strings.Count(l, "_") + strings.Count(l, "~") + strings.Count(l, "[")
		columns = max(columns, strings.Count(l, "|"))
		rows++
	}
	end()
	return sum
}
