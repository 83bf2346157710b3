package callstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/tools/calls"
)

// Transport starts a session of its own on srv and returns its client. A transport must collect what
// the session writes in Client.Lines without making the session wait.
type Transport func(t *testing.T, srv *server.MCPServer) *Client

// Client is the other end of a session.
type Client struct {
	T     *testing.T
	In    io.WriteCloser     // takes messages, one a line
	Stop  context.CancelFunc // ends the context of the session
	Lines chan string        // what the session wrote, closed at its end
	Done  chan error         // what Serve returned
	Log   *strings.Builder   // to be read when the session has ended
}

// NewClient runs serve as a session and returns the client. Serve must close Lines before it returns, or
// leave that to a goroutine that collects them. The cleanup of the test closes in, so that a reader that
// the test left blocked can go.
func NewClient(t *testing.T, in io.WriteCloser, serve func(ctx context.Context, c *Client, log *slog.Logger) error) *Client {
	ctx, stop := context.WithCancel(t.Context())
	c := &Client{T: t, In: in, Stop: stop, Lines: make(chan string, 8192), Done: make(chan error, 1), Log: new(strings.Builder)}
	go func() { c.Done <- serve(ctx, c, slog.New(slog.NewTextHandler(c.Log, nil))) }()
	t.Cleanup(func() { in.Close(); stop() })
	return c
}

// InProcess is a transport of channels.
func InProcess(t *testing.T, srv *server.MCPServer) *Client {
	in := &messageWriter{messages: make(chan calls.Message), over: make(chan struct{})}
	return NewClient(t, in, func(ctx context.Context, c *Client, log *slog.Logger) error {
		defer close(c.Lines)
		defer close(in.over)
		return calls.Serve(ctx, srv, in.messages, func(message []byte) error {
			c.Lines <- string(message)
			return nil
		}, log)
	})
}

// messageWriter sends each line written to it as a message, and a last line without newline when it is
// closed.
type messageWriter struct {
	messages chan calls.Message
	over     chan struct{} // closed when nobody receives any more

	mu     sync.Mutex
	rest   []byte // guarded by mu: a line without its end
	closed bool   // guarded by mu
}

func (w *messageWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		if !w.send(bytes.Clone(line)) {
			return 0, io.ErrClosedPipe
		}
		w.rest = rest
	}
}

func (w *messageWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	if len(w.rest) > 0 {
		w.send(w.rest)
	}
	close(w.messages)
	return nil
}

func (w *messageWriter) send(text []byte) bool {
	select {
	case w.messages <- calls.Message{Text: text}:
		return true
	case <-w.over:
		return false
	}
}

// Send sends messages.
func (c *Client) Send(messages ...string) {
	c.T.Helper()
	for _, m := range messages {
		if _, err := io.WriteString(c.In, m+"\n"); err != nil {
			c.T.Fatalf("send: %v", err)
		}
	}
}

// Next returns the next message in short form, see Brief.
func (c *Client) Next() string {
	c.T.Helper()
	l, ok := <-c.Lines
	if !ok {
		c.T.Fatal("got end of output, want a message")
	}
	return Brief(c.T, l)
}

// Finish ends the input and returns what is still to come.
func (c *Client) Finish() []string {
	c.T.Helper()
	c.In.Close()
	return c.Rest(nil)
}

// Rest waits for Serve to return want and returns what Serve still wrote.
func (c *Client) Rest(want error) []string {
	c.T.Helper()
	if err := <-c.Done; !errors.Is(err, want) {
		c.T.Errorf("Serve: got %v, want %v", err, want)
	}
	var rest []string
	for l := range c.Lines {
		rest = append(rest, Brief(c.T, l))
	}
	return rest
}

// Brief returns a message in one short line: "1: text" for the result of a tool, "1: ok" for any other
// result, "1: -32600 words" for an error, and the method with its parameters for a notification.
func Brief(t testing.TB, l string) string {
	t.Helper()
	var m struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  string          `json:"method"`
		Params  json.RawMessage `json:"params"`
		Result  *struct {
			Content []struct {
				Text string `json:"text"`
			} `json:"content"`
		} `json:"result"`
		Error *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(l), &m); err != nil || m.JSONRPC != "2.0" {
		t.Fatalf("got %q (%v), want a JSON-RPC message", l, err)
	}
	switch {
	case m.Error != nil:
		return fmt.Sprintf("%s: %d %s", m.ID, m.Error.Code, m.Error.Message)
	case m.Result != nil && len(m.Result.Content) > 0:
		return fmt.Sprintf("%s: %s", m.ID, m.Result.Content[0].Text)
	case m.Result != nil:
		return fmt.Sprintf("%s: ok", m.ID)
	default:
		return strings.TrimSpace(m.Method + " " + string(m.Params))
	}
}

// Call returns a tools/call request. The id is JSON.
func Call(id, tool, name string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":%q,"arguments":{"name":%q}}}`, id, tool, name)
}

// Ping returns a ping request. The id is JSON.
func Ping(id string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"ping"}`, id)
}

// Cancel returns a notification that cancels a request. The id is JSON.
func Cancel(id string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s}}`, id)
}

// Initialize is the handshake of 2025-11-25.
const Initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{` +
	`"protocolVersion":"2025-11-25","clientInfo":{"name":"tester","version":"1"},"capabilities":{}}}`

// ToolsChanged asks a stream for changes of the list of tools, as part of Modern's params.
const ToolsChanged = `"notifications":{"toolsListChanged":true},`

// Modern returns a request of the 2026-07-28 era. The params are JSON without braces, and end with a
// comma unless they are empty.
func Modern(id, method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":{%s"_meta":{`+
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28",`+
		`"io.modelcontextprotocol/clientInfo":{"name":"newcomer","version":"1"},`+
		`"io.modelcontextprotocol/clientCapabilities":{}}}}`, id, method, params)
}
