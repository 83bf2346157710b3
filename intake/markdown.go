package intake

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	mdtext "github.com/yuin/goldmark/text"
)

var htmlComment = regexp.MustCompile(`(?s)<!--.*?-->`)

// readMarkdown reads list items, and headings in a file that has no list items. Front matter, fenced
// code, HTML comments, quotes and tables are no items.
func readMarkdown(l *List, src Source) {
	_, body, skipped := cutFrontMatter(src.Data)
	md := goldmark.New(goldmark.WithExtensions(extension.TaskList, extension.Table))
	m := markdown{
		list:   l,
		file:   src.Name,
		origin: string(Markdown) + " " + base(src.Name),
		src:    body,
		before: skipped,
	}
	doc := md.Parser().Parse(mdtext.NewReader(body), parser.WithContext(parser.NewContext()))
	m.findTitle(doc)
	if !hasItems(doc) {
		m.readHeadings(doc)
		return
	}
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Heading:
			m.enter(n)
		case *ast.List:
			m.readList(n, nil)
		}
	}
}

// markdown reads one document.
type markdown struct {
	list         *List
	file, origin string
	src          []byte
	// before is the number of lines before src.
	before int
	// title is the only heading of the first level when it is above everything else. It names the
	// document and not a part of it.
	title *ast.Heading
	// sections are the headings above the place that is read, the outermost first.
	sections []heading
}

// heading is a heading above list items or other headings.
type heading struct {
	level int
	name  string
	// id is the identity of the story that the heading is, in a file without list items.
	id string
}

// hasItems reports whether the document has list items outside of quotes.
func hasItems(doc ast.Node) bool {
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		if _, ok := n.(*ast.List); ok {
			return true
		}
	}
	return false
}

// findTitle sets title.
func (m *markdown) findTitle(doc ast.Node) {
	var first *ast.Heading
	others := false
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		_, isList := n.(*ast.List)
		switch {
		case isList && first == nil, ok && first != nil && h.Level == 1, ok && first == nil && h.Level != 1:
			return
		case ok && first == nil:
			first = h
		case ok || isList:
			others = true
		}
	}
	if others {
		m.title = first
	}
}

// enter makes the heading one of the sections.
func (m *markdown) enter(h *ast.Heading) *heading {
	for len(m.sections) > 0 && m.sections[len(m.sections)-1].level >= h.Level {
		m.sections = m.sections[:len(m.sections)-1]
	}
	if h == m.title {
		return nil
	}
	m.sections = append(m.sections, heading{level: h.Level, name: oneLine(m.inline(h))})
	return &m.sections[len(m.sections)-1]
}

// standing returns the status that the sections say, as "## Done" does, and the path of the other
// sections. A section that is a status is no part of an item's identity: the item would be another
// one after a move.
func (m *markdown) standing() (status, sections string) {
	for _, s := range m.sections {
		if _, known := standings[word(s.name)]; known && word(s.name) != "" {
			status = s.name
			continue
		}
		if s.name != "" {
			sections = identity(sections, s.name)
		}
	}
	return status, sections
}

// readList adds the items of a list and of the lists in it.
func (m *markdown) readList(list *ast.List, parent *Item) {
	for n := list.FirstChild(); n != nil; n = n.NextSibling() {
		entry := n.(*ast.ListItem)
		it := m.readItem(entry, parent)
		for c := entry.FirstChild(); c != nil; c = c.NextSibling() {
			if nested, ok := c.(*ast.List); ok {
				m.readList(nested, it)
			}
		}
	}
}

// readItem adds one list item and returns it. An item without a text is none, and its parent is
// returned.
func (m *markdown) readItem(entry *ast.ListItem, parent *Item) *Item {
	first := entry.FirstChild()
	if first == nil || first.Kind() != ast.KindTextBlock && first.Kind() != ast.KindParagraph {
		return parent
	}
	status, sections := m.standing()
	it := Item{Origin: m.origin, Named: true, Name: oneLine(m.inline(first)), Status: status, At: m.at(first)}
	if it.Name == "" {
		return parent
	}
	if box, ok := first.FirstChild().(*extast.TaskCheckBox); ok && box.IsChecked {
		it.Status = "done"
	}
	above := sections
	if parent != nil {
		above = parent.ID
		it.Parent = parent.ID
		it.Links = []Link{{"Part of", parent.ID}}
	}
	it.ID = identity(above, it.Name)
	var parts []string
	if hasLink(first) {
		parts = append(parts, m.raw(first))
	}
	for c := first.NextSibling(); c != nil; c = c.NextSibling() {
		if s := m.block(c); s != "" {
			parts = append(parts, s)
		}
	}
	it.Description = withLines(strings.Join(parts, "\n\n"), labelled("Section", sections))
	m.list.add(it)
	return &it
}

// readHeadings adds the headings, each with the text below it.
func (m *markdown) readHeadings(doc ast.Node) {
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			continue
		}
		s := m.enter(h)
		if s == nil || s.name == "" {
			continue
		}
		it := Item{Origin: m.origin, Named: true, Name: s.name, At: m.at(h), Description: m.below(h)}
		for _, upper := range m.sections[:len(m.sections)-1] {
			if upper.id != "" {
				it.Parent = upper.id
			}
		}
		if it.Parent != "" {
			it.Links = []Link{{"Part of", it.Parent}}
		}
		it.ID = identity(it.Parent, it.Name)
		s.id = it.ID
		m.list.add(it)
	}
}

// below returns the text between a heading and the next one, without comments.
func (m *markdown) below(h *ast.Heading) string {
	begin := lineEnd(m.src, m.end(h))
	if line := m.src[lineStart(m.src, m.start(h)):]; !bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("#")) {
		begin = lineEnd(m.src, begin) // the line of "=" or "-" that makes it a heading
	}
	end := len(m.src)
	for n := h.NextSibling(); n != nil; n = n.NextSibling() {
		if next, ok := n.(*ast.Heading); ok && next.Lines().Len() > 0 {
			end = lineStart(m.src, m.start(next))
			break
		}
	}
	shown := htmlComment.ReplaceAllString(tidy(string(m.src[min(begin, end):end])), "")
	return tidy(blankLines.ReplaceAllString(shown, "\n\n"))
}

// start returns the offset of the first byte of a block's text.
func (m *markdown) start(n ast.Node) int {
	if n.Lines().Len() == 0 {
		return max(n.Pos(), 0)
	}
	return n.Lines().At(0).Start
}

// end returns the offset behind the last line of a block's text, before its newline.
func (m *markdown) end(n ast.Node) int {
	if n.Lines().Len() == 0 {
		return max(n.Pos(), 0)
	}
	stop := n.Lines().At(n.Lines().Len() - 1).Stop
	if stop > 0 && m.src[stop-1] == '\n' {
		stop--
	}
	return stop
}

// lineStart returns the offset at which the line of an offset begins.
func lineStart(src []byte, offset int) int { return bytes.LastIndexByte(src[:offset], '\n') + 1 }

// lineEnd returns the offset behind the line of an offset.
func lineEnd(src []byte, offset int) int {
	if i := bytes.IndexByte(src[offset:], '\n'); i >= 0 {
		return offset + i + 1
	}
	return len(src)
}

// at returns where a block stands.
func (m *markdown) at(n ast.Node) Place {
	return Place{File: m.file, Line: m.before + lineAt(m.src, int64(m.start(n)))}
}

// inline returns the text of a block as a reader sees it, without marks and addresses.
func (m *markdown) inline(block ast.Node) string {
	var b strings.Builder
	_ = ast.Walk(block, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(m.src))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(m.src))
		case *ast.RawHTML:
			return ast.WalkSkipChildren, nil
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// hasLink reports whether the text of a block has a link, whose address its name does not show.
func hasLink(block ast.Node) bool {
	found := false
	_ = ast.Walk(block, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n.Kind() {
		case ast.KindLink, ast.KindImage:
			found = true
			return ast.WalkStop, nil
		}
		return ast.WalkContinue, nil
	})
	return found
}

// raw returns the lines of a block as they are written.
func (m *markdown) raw(n ast.Node) string {
	var b strings.Builder
	for i := range n.Lines().Len() {
		segment := n.Lines().At(i)
		b.Write(segment.Value(m.src))
	}
	return tidy(htmlComment.ReplaceAllString(b.String(), ""))
}

// block returns a block behind the first one of a list item, as Markdown.
func (m *markdown) block(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Paragraph, *ast.TextBlock:
		return m.raw(n)
	case *ast.FencedCodeBlock:
		fence := "```"
		code := m.raw(n)
		for strings.Contains(code, fence) {
			fence += "`"
		}
		return fence + string(n.Language(m.src)) + "\n" + code + "\n" + fence
	case *ast.CodeBlock:
		return "```\n" + m.raw(n) + "\n```"
	case *ast.Heading:
		return strings.Repeat("#", n.Level) + " " + m.raw(n)
	case *ast.Blockquote:
		var parts []string
		for c := n.FirstChild(); c != nil; c = c.NextSibling() {
			if s := m.block(c); s != "" {
				parts = append(parts, s)
			}
		}
		return "> " + strings.ReplaceAll(strings.Join(parts, "\n\n"), "\n", "\n> ")
	}
	return ""
}
