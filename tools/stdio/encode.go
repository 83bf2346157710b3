package stdio

import (
	"bytes"
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"
)

// encode returns v as one line, its newline included. The encoder writes compact JSON, which holds
// no raw newline.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// mustEncode encodes an error of this package. An id and a text can always be encoded.
func mustEncode(e *mcp.JSONRPCError) []byte {
	b, err := encode(e)
	if err != nil {
		panic(err)
	}
	return b
}
