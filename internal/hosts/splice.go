package hosts

import (
	"bytes"
	"cmp"
	"slices"
)

// insertion is text that is put into a file. Its place is an offset in the text
// before any insertion.
type insertion struct {
	at   int
	text string
}

// appendPart returns the insertion that puts a part at the end of a text, behind an empty line.
func appendPart(text []byte, part string) []insertion {
	nl := newline(text)
	switch {
	case len(text) == 0, bytes.HasSuffix(text, []byte("\n\n")), bytes.HasSuffix(text, []byte("\n\r\n")):
	case text[len(text)-1] == '\n':
		part = nl + part
	default:
		part = nl + nl + part
	}
	return []insertion{{len(text), part}}
}

// Span is a part of a text.
type Span struct {
	At  int `json:"at"`
	Len int `json:"len"`
}

// insertAll returns the text with all insertions, and where they are in it.
func insertAll(text []byte, insertions []insertion) ([]byte, []Span) {
	slices.SortStableFunc(insertions, func(a, b insertion) int { return cmp.Compare(a.at, b.at) })
	var out []byte
	var spans []Span
	done := 0
	for _, in := range insertions {
		out = append(out, text[done:in.at]...)
		done = in.at
		if n := len(spans); n > 0 && spans[n-1].At+spans[n-1].Len == len(out) {
			spans[n-1].Len += len(in.text)
		} else {
			spans = append(spans, Span{len(out), len(in.text)})
		}
		out = append(out, in.text...)
	}
	return append(out, text[done:]...), spans
}

// cutAll returns the text without the spans. It reports false if the spans are not
// in order or not within the text.
func cutAll(text []byte, spans []Span) ([]byte, bool) {
	var out []byte
	done := 0
	for _, s := range spans {
		if s.At < done || s.Len < 0 || s.Len > len(text) || s.At > len(text)-s.Len {
			return nil, false
		}
		out = append(out, text[done:s.At]...)
		done = s.At + s.Len
	}
	return append(out, text[done:]...), true
}

// newline returns the line ending that a text uses.
func newline(text []byte) string {
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// lineStart returns where the line begins that has the byte at an offset.
func lineStart(text []byte, at int) int {
	return bytes.LastIndexByte(text[:at], '\n') + 1
}

// lineEnd returns where the line after an offset begins.
func lineEnd(text []byte, at int) int {
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(text)
}

// indentation returns the blanks with which the line begins that has the byte at
// an offset.
func indentation(text []byte, at int) string {
	line := text[lineStart(text, at):at]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}
