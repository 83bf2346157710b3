package stdio

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/mark3labs/mcp-go/mcp"
)

// encode returns v as one line, its newline included. JSON holds no raw newline
// once it is compact, and the encoder compacts.
func encode(v any) ([]byte, error) {
	if answer, ok := v.(mcp.JSONRPCResponse); ok {
		if result, ok := answer.Result.(*mcp.CallToolResult); ok && isText(result) {
			return encodeText(answer.ID, result)
		}
	}
	var b bytes.Buffer
	err := encodeInto(&b, v)
	b.WriteByte('\n')
	return b.Bytes(), err
}

// isText reports whether all that a tool answers is one text and, should it have any,
// JSON that is ready to be sent.
func isText(r *mcp.CallToolResult) bool {
	if len(r.Content) != 1 || r.Meta != nil || r.StructuredContent != nil && r.RawStructuredContent == nil ||
		len(r.InputRequests) > 0 || r.RequestState != "" {
		return false
	}
	text, ok := r.Content[0].(mcp.TextContent)
	return ok && text.Annotations == nil && text.Meta == nil
}

// encodeText is encode for the answer of a tool that isText, as nearly all are.
// mcp-go makes a map of it, and JSON with "<" escaped, of which the encoder makes
// JSON once more: that takes a quarter of what a tool does that reads a story. The
// structured content is written as it is: it is the handler's to make it JSON.
func encodeText(id mcp.RequestId, r *mcp.CallToolResult) ([]byte, error) {
	text := r.Content[0].(mcp.TextContent).Text
	var b bytes.Buffer
	b.Grow(256 + len(text) + len(text)/4 + len(r.RawStructuredContent)) // a quarter for what is escaped
	b.WriteString(`{"jsonrpc":"2.0","id":`)
	err := encodeID(&b, id)
	b.WriteString(`,"result":{`)
	if r.ResultType != "" {
		b.WriteString(`"resultType":`)
		err = errors.Join(err, encodeString(&b, string(r.ResultType)))
		b.WriteByte(',')
	}
	b.WriteString(`"content":[{"type":"text","text":`)
	err = errors.Join(err, encodeString(&b, text))
	b.WriteString(`}]`)
	if len(r.RawStructuredContent) > 0 {
		b.WriteString(`,"structuredContent":`)
		if bytes.IndexByte(r.RawStructuredContent, '\n') < 0 {
			b.Write(r.RawStructuredContent)
		} else {
			err = errors.Join(err, json.Compact(&b, r.RawStructuredContent))
		}
	}
	if r.IsError {
		b.WriteString(`,"isError":true`)
	}
	b.WriteString("}}\n")
	return b.Bytes(), err
}

func encodeID(b *bytes.Buffer, id mcp.RequestId) error {
	if n, ok := id.Value().(int64); ok {
		b.Write(strconv.AppendInt(b.AvailableBuffer(), n, 10))
		return nil
	}
	return encodeInto(b, id)
}

// encodeString is encodeInto for a string: nearly all have nothing to be escaped but
// quotes and backslashes.
func encodeString(b *bytes.Buffer, s string) error {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= utf8.RuneSelf {
			return encodeInto(b, s)
		}
	}
	quoted := append(b.AvailableBuffer(), '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			quoted = append(quoted, '\\')
		}
		quoted = append(quoted, s[i])
	}
	b.Write(append(quoted, '"'))
	return nil
}

// encodeInto appends v to b, without a newline.
func encodeInto(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1)
	return nil
}

// mustEncode encodes an error of this package: an id and words, which always do.
func mustEncode(e *mcp.JSONRPCError) []byte {
	b, err := encode(e)
	if err != nil {
		panic(err)
	}
	return b
}
