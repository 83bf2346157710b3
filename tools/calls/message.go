package calls

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/mark3labs/mcp-go/mcp"
)

// Codes of errors, in the range that JSON-RPC leaves to servers.
const (
	// codeShuttingDown is the answer to a call that was read but never ran.
	codeShuttingDown = -32000
	// codeTooManyStreams is the answer to a stream over maxStreams.
	codeTooManyStreams = -32001
)

// message is one JSON-RPC message from the client.
type message struct {
	id     mcp.RequestId // holds a string or an int64; nil in a notification
	method string
	raw    json.RawMessage

	// response is set when the client answers a request. The server sends no requests, so there is
	// nothing to match the response with.
	response bool
}

// parse reads one message. The refusal is what to answer when the text is not a valid message. mcp-go
// would check less, and reads ids as float64, which changes integers above 2^53 and takes "1" and 1 for
// one id.
func parse(text []byte) (m message, refusal *mcp.JSONRPCError) {
	text = bytes.TrimSpace(text)
	var noID mcp.RequestId
	if !utf8.Valid(text) {
		return m, refuse(noID, mcp.PARSE_ERROR, "the message is not valid UTF-8")
	}
	if !json.Valid(text) {
		return m, refuse(noID, mcp.PARSE_ERROR, "the message is not valid JSON, or nested too deeply; send one whole message at a time, over stdio one a line")
	}
	switch text[0] {
	case '{':
	case '[':
		return m, refuse(noID, mcp.INVALID_REQUEST, "batches are not part of MCP; send one message at a time")
	default:
		return m, refuse(noID, mcp.INVALID_REQUEST, "a message must be a JSON object")
	}

	var fields struct {
		ID     json.RawMessage `json:"id"`
		Method json.RawMessage `json:"method"`
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(text, &fields); err != nil {
		return m, refuse(noID, mcp.INVALID_REQUEST, "a message must be a JSON-RPC 2.0 request or notification")
	}
	answer := fields.Result != nil || fields.Error != nil
	if fields.Method == nil && answer {
		return message{response: true}, nil
	}
	id, ok := noID, true
	if fields.ID != nil {
		id, ok = parseID(fields.ID)
	}
	if !ok {
		return m, refuse(noID, mcp.INVALID_REQUEST, "id must be a string or an integer of at most 64 bits")
	}
	if fields.Method == nil || fields.Method[0] != '"' {
		return m, refuse(id, mcp.INVALID_REQUEST, "method must be a string")
	}
	if answer {
		return m, refuse(id, mcp.INVALID_REQUEST, "a message must not have a method and also a result or an error")
	}
	if n := countValues(text); n > MaxMessageValues {
		return m, refuse(id, mcp.INVALID_REQUEST, fmt.Sprintf("the message has %d values and was not read; send at most %d in one message, in lists and objects together", n, MaxMessageValues))
	}
	m = message{id: id, raw: text}
	if err := json.Unmarshal(fields.Method, &m.method); err != nil {
		return m, refuse(id, mcp.INVALID_REQUEST, "method must be a string")
	}
	return m, nil
}

// countValues returns how many values valid JSON holds in lists and objects, from above: an empty list
// counts for its first element. Nothing is decoded.
func countValues(text []byte) (n int) {
	inString := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++ // the escaped character may be a quotation mark
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == '[' || c == '{'):
			n++
		}
	}
	return n
}

// parseID accepts the ids that MCP allows: strings and integers. A number with a fraction or an exponent
// is not an integer, whatever its value.
func parseID(raw json.RawMessage) (id mcp.RequestId, ok bool) {
	var s string
	if raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return mcp.NewRequestId(s), true
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return mcp.NewRequestId(n), true
	}
	return id, false
}

// cancelledID returns the id that a notifications/cancelled message names.
func cancelledID(m message) (id mcp.RequestId, ok bool) {
	var fields struct {
		Params struct {
			RequestID json.RawMessage `json:"requestId"`
		} `json:"params"`
	}
	if err := json.Unmarshal(m.raw, &fields); err != nil || fields.Params.RequestID == nil {
		return id, false
	}
	return parseID(fields.Params.RequestID)
}

// withID puts the request's own id in the place of the id that mcp-go has read.
func withID(answer mcp.JSONRPCMessage, id mcp.RequestId) mcp.JSONRPCMessage {
	switch a := answer.(type) {
	case mcp.JSONRPCResponse:
		a.ID = id
		return a
	case mcp.JSONRPCError:
		a.ID = id
		return a
	default:
		// The answer is nil when mcp-go found nothing to answer, but every request is owed an answer.
		return *refuse(id, mcp.INTERNAL_ERROR, "the server has no answer to this request")
	}
}

func refuse(id mcp.RequestId, code int, text string) *mcp.JSONRPCError {
	return &mcp.JSONRPCError{
		JSONRPC: mcp.JSONRPC_VERSION,
		ID:      id,
		Error:   mcp.NewJSONRPCErrorDetails(code, text, nil),
	}
}
