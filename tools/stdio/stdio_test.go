package stdio_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/tools/stdio"
)

// tools is a server with one tool for each way a handler can behave.
type tools struct {
	srv     *server.MCPServer
	started chan string   // wait, share, stubborn: the call's name, when it begins
	ended   chan error    // wait, stubborn: ctx.Err(), when it returns
	release chan struct{} // wait, stubborn: one receive lets one call return

	mu    sync.Mutex
	notes []string // guarded by mu: what note calls wrote, in order
}

func newTools() *tools {
	ts := &tools{
		srv:     server.NewMCPServer("test", "1", server.WithToolCapabilities(true)),
		started: make(chan string, 4096),
		ended:   make(chan error, 4096),
		release: make(chan struct{}, 4096),
	}
	ts.add("note", func(_ context.Context, name string) (*mcp.CallToolResult, error) {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		ts.notes = append(ts.notes, name)
		return mcp.NewToolResultText(name), nil
	})
	ts.add("notes", func(context.Context, string) (*mcp.CallToolResult, error) {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		return mcp.NewToolResultText(strings.Join(ts.notes, " ")), nil
	})
	ts.add("wait", func(ctx context.Context, name string) (*mcp.CallToolResult, error) {
		ts.started <- name
		select {
		case <-ts.release:
		case <-ctx.Done():
		}
		ts.ended <- ctx.Err()
		return mcp.NewToolResultText(name), nil
	})
	ts.add("share", func(ctx context.Context, name string) (*mcp.CallToolResult, error) {
		ts.started <- name
		stdio.HandOver(ctx)
		<-ts.release
		ts.ended <- ctx.Err()
		return mcp.NewToolResultText(name), nil
	})
	ts.add("stubborn", func(ctx context.Context, name string) (*mcp.CallToolResult, error) {
		ts.started <- name
		<-ts.release
		ts.ended <- ctx.Err()
		return mcp.NewToolResultText(name), nil
	})
	ts.add("panic", func(context.Context, string) (*mcp.CallToolResult, error) {
		panic("secret of the handler")
	})
	ts.add("unencodable", func(context.Context, string) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{StructuredContent: make(chan int)}, nil
	})
	ts.add("progress", func(ctx context.Context, name string) (*mcp.CallToolResult, error) {
		for i := range 3 {
			if err := ts.srv.SendNotificationToClient(ctx, "notifications/progress", map[string]any{"progress": i}); err != nil {
				return nil, err
			}
		}
		return mcp.NewToolResultText(name), nil
	})
	ts.add("client", func(ctx context.Context, _ string) (*mcp.CallToolResult, error) {
		s := server.ClientSessionFromContext(ctx)
		return mcp.NewToolResultText(fmt.Sprintf("%s %s",
			s.(server.SessionWithClientInfo).GetClientInfo().Name, server.RequestProtocolVersion(ctx))), nil
	})
	return ts
}

func (ts *tools) add(name string, do func(ctx context.Context, name string) (*mcp.CallToolResult, error)) {
	tool := mcp.Tool{Name: name, RawInputSchema: json.RawMessage(`{"type":"object"}`)}
	ts.srv.AddTool(tool, func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return do(ctx, req.GetString("name", ""))
	})
}

// client is the other end of a Serve: it writes lines and collects those that
// come back, so that the server never waits for it.
type client struct {
	t     *testing.T
	in    io.WriteCloser
	stop  context.CancelFunc
	lines chan string
	done  chan error // what Serve returned
	log   *strings.Builder
}

func serve(t *testing.T, srv *server.MCPServer) *client {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	c := &client{
		t: t, in: inW, stop: stop,
		lines: make(chan string, 8192),
		done:  make(chan error, 1),
		log:   new(strings.Builder),
	}
	go func() {
		defer close(c.lines)
		for s := bufio.NewScanner(outR); s.Scan(); {
			c.lines <- s.Text()
		}
	}()
	go func() {
		err := stdio.Serve(ctx, srv, inR, outW, slog.New(slog.NewTextHandler(c.log, nil)))
		outW.Close()
		c.done <- err
	}()
	// Lets the reader that a test left blocked go, whose end synctest checks.
	t.Cleanup(func() { inW.Close(); stop() })
	return c
}

func (c *client) send(lines ...string) {
	c.t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(c.in, l+"\n"); err != nil {
			c.t.Fatalf("send: %v", err)
		}
	}
}

// next returns the next line in short form, see brief.
func (c *client) next() string {
	c.t.Helper()
	l, ok := <-c.lines
	if !ok {
		c.t.Fatal("got end of output, want a message")
	}
	return brief(c.t, l)
}

// finish ends the input and returns what is still to come.
func (c *client) finish() []string {
	c.t.Helper()
	c.in.Close()
	return c.rest(nil)
}

// rest waits for Serve to return want and returns what it still wrote.
func (c *client) rest(want error) []string {
	c.t.Helper()
	if err := <-c.done; !errors.Is(err, want) {
		c.t.Errorf("Serve: got %v, want %v", err, want)
	}
	var rest []string
	for l := range c.lines {
		rest = append(rest, brief(c.t, l))
	}
	return rest
}

// brief is a message in one short line: "1: text" for the result of a tool,
// "1: ok" for any other result, "1: -32600 words" for an error and the method
// with its parameters for a notification.
func brief(t testing.TB, l string) string {
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

// call is a tools/call request; id is JSON.
func call(id, tool, name string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":%q,"arguments":{"name":%q}}}`, id, tool, name)
}

func ping(id string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"ping"}`, id)
}

func cancel(id string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s}}`, id)
}

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{` +
	`"protocolVersion":"2025-11-25","clientInfo":{"name":"tester","version":"1"},"capabilities":{}}}`

// modern is a request of the 2026-07-28 era; params is JSON without braces.
func modern(id, method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":{%s"_meta":{`+
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28",`+
		`"io.modelcontextprotocol/clientInfo":{"name":"newcomer","version":"1"},`+
		`"io.modelcontextprotocol/clientCapabilities":{}}}}`, id, method, params)
}
