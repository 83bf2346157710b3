package board

import (
	"bytes"
	"html/template"
	"sync"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"github.com/huskies/huskies-mcp/internal/visible"
)

// markdown makes HTML of what people and agents wrote. Agents read the source, so what would be hidden
// there is shown: HTML as it was typed, and images as text.
var markdown = sync.OnceValue(func() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.Strikethrough, extension.TaskList, extension.Linkify,
			extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(asTyped{}, 1))),
		goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(lowerHeadings{}, 100))),
	)
})

// lowerHeadings puts the headings of a text below those of the page that it stands on.
type lowerHeadings struct{}

// Transform is that of [parser.ASTTransformer].
func (lowerHeadings) Transform(doc *ast.Document, _ text.Reader, _ parser.Context) {
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if h, ok := n.(*ast.Heading); ok && entering {
			h.Level = min(6, h.Level+2)
		}
		return ast.WalkContinue, nil
	})
}

// asTyped renders what the page does not have as it was typed.
type asTyped struct{}

// RegisterFuncs is that of [renderer.NodeRenderer].
func (asTyped) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHTMLBlock, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		block := n.(*ast.HTMLBlock)
		if !entering {
			return ast.WalkContinue, nil
		}
		_, _ = w.WriteString("<pre>")
		template.HTMLEscape(w, n.Lines().Value(source))
		if block.HasClosure() {
			template.HTMLEscape(w, block.ClosureLine.Value(source))
		}
		_, err := w.WriteString("</pre>\n")
		return ast.WalkContinue, err
	})
	r.Register(ast.KindRawHTML, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			template.HTMLEscape(w, n.(*ast.RawHTML).Segments.Value(source))
		}
		return ast.WalkSkipChildren, nil
	})
	r.Register(ast.KindImage, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			_, err := w.WriteString("![")
			return ast.WalkContinue, err
		}
		image := n.(*ast.Image)
		_, _ = w.WriteString("](")
		template.HTMLEscape(w, image.Destination)
		if len(image.Title) > 0 {
			_, _ = w.WriteString(" &#34;")
			template.HTMLEscape(w, image.Title)
			_, _ = w.WriteString("&#34;")
		}
		_, err := w.WriteString(")")
		return ast.WalkContinue, err
	})
}

// clean is the second wall: whatever the first one made, only these elements pass. Images would ask other
// hosts, IDs and classes could pass for parts of the page, and relative links for its own.
var clean = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "del", "table", "thead", "tbody", "tr", "th", "td")
	p.AllowAttrs("align").Matching(bluemonday.CellAlign).OnElements("th", "td")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto")
	p.AllowRelativeURLs(false)
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return p
})

// rendered returns the HTML of a text in Markdown.
func rendered(source string) template.HTML {
	var out bytes.Buffer
	if err := markdown().Convert([]byte(typed(source)), &out); err != nil {
		return template.HTML("<pre>" + template.HTMLEscapeString(typed(source)) + "</pre>") // escaped
	}
	// References of characters may have brought hidden ones.
	return template.HTML(visible.Text(string(clean().SanitizeBytes(out.Bytes())))) // cleaned
}
