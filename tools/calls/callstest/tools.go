package callstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/tools/calls"
)

// Tools is a server with one tool for each way in which a handler can behave. Each tool takes the
// argument name and answers with it, unless the comment in NewTools says otherwise.
type Tools struct {
	Srv     *server.MCPServer
	Started chan string   // The tools wait, share and stubborn send their name when they begin.
	Ended   chan error    // The same tools send ctx.Err() when they return.
	Release chan struct{} // One receive lets one of the same tools return.
	Wake    chan struct{} // One receive wakes one call of the tool sleep.

	mu    sync.Mutex
	notes []string // guarded by mu: what note was called with, in order
}

// NewTools returns a server of its own for each test.
func NewTools() *Tools {
	ts := &Tools{
		Srv:     server.NewMCPServer("test", "1", server.WithToolCapabilities(true)),
		Started: make(chan string, 4096),
		Ended:   make(chan error, 4096),
		Release: make(chan struct{}, 4096),
		Wake:    make(chan struct{}),
	}
	ts.addNotes()
	ts.addSlow()
	ts.addSleep()
	ts.addFailing()
	ts.addSession()
	return ts
}

// Notes returns what the tool note was called with, in order.
func (ts *Tools) Notes() []string {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return slices.Clone(ts.notes)
}

// addNotes adds the tools note, which remembers, and notes, which answers with all that note remembers.
func (ts *Tools) addNotes() {
	ts.Add("note", func(_ context.Context, name string) (*mcp.CallToolResult, error) {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		ts.notes = append(ts.notes, name)
		return mcp.NewToolResultText(name), nil
	})
	ts.Add("notes", func(context.Context, string) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText(strings.Join(ts.Notes(), " ")), nil
	})
}

// addSlow adds tools that last: wait returns when it is released or cancelled, share hands over and
// returns when it is released, and stubborn returns when it is released.
func (ts *Tools) addSlow() {
	last := func(ctx context.Context, name string, cancelled <-chan struct{}) (*mcp.CallToolResult, error) {
		select {
		case <-ts.Release:
		case <-cancelled:
		}
		ts.Ended <- ctx.Err()
		return mcp.NewToolResultText(name), nil
	}
	ts.Add("wait", func(ctx context.Context, name string) (*mcp.CallToolResult, error) {
		ts.Started <- name
		return last(ctx, name, ctx.Done())
	})
	ts.Add("share", func(ctx context.Context, name string) (*mcp.CallToolResult, error) {
		ts.Started <- name
		calls.HandOver(ctx)
		return last(ctx, name, nil)
	})
	ts.Add("stubborn", func(ctx context.Context, name string) (*mcp.CallToolResult, error) {
		ts.Started <- name
		return last(ctx, name, nil)
	})
}

// addSleep adds the tool sleep, which waits until it is woken or its context ends.
func (ts *Tools) addSleep() {
	ts.Add("sleep", func(ctx context.Context, name string) (*mcp.CallToolResult, error) {
		waiting, done, err := calls.Wait(ctx)
		if err != nil {
			return mcp.NewToolResultText(err.Error()), nil
		}
		defer done()
		ts.Started <- name
		select {
		case <-ts.Wake:
			return mcp.NewToolResultText(name + " woken"), nil
		case <-waiting.Done():
			return mcp.NewToolResultText(fmt.Sprintf("%s: %v; notes: %s", name, context.Cause(waiting), strings.Join(ts.Notes(), " "))), nil
		}
	})
}

// addFailing adds the tools panic, unencodable, whose answer cannot be JSON, and refuse, whose error is
// its own.
func (ts *Tools) addFailing() {
	ts.Add("panic", func(context.Context, string) (*mcp.CallToolResult, error) {
		panic("secret of the handler")
	})
	ts.Add("unencodable", func(context.Context, string) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{StructuredContent: make(chan int)}, nil
	})
	ts.Add("refuse", func(ctx context.Context, name string) (*mcp.CallToolResult, error) {
		calls.FailWith(ctx, -32055)
		calls.FailSaying(ctx, "there is no "+name)
		return nil, errors.New("words of the code")
	})
}

// addSession adds tools that need the session: progress notifies three times, and client says who calls.
func (ts *Tools) addSession() {
	ts.Add("progress", func(ctx context.Context, name string) (*mcp.CallToolResult, error) {
		for i := range 3 {
			if err := ts.Srv.SendNotificationToClient(ctx, "notifications/progress", map[string]any{"progress": i}); err != nil {
				return nil, err
			}
		}
		return mcp.NewToolResultText(name), nil
	})
	ts.Add("client", func(ctx context.Context, _ string) (*mcp.CallToolResult, error) {
		s := server.ClientSessionFromContext(ctx)
		return mcp.NewToolResultText(fmt.Sprintf("%s %s",
			s.(server.SessionWithClientInfo).GetClientInfo().Name, server.RequestProtocolVersion(ctx))), nil
	})
}

// Add adds one more tool.
func (ts *Tools) Add(name string, do func(ctx context.Context, name string) (*mcp.CallToolResult, error)) {
	tool := mcp.Tool{Name: name, RawInputSchema: json.RawMessage(`{"type":"object"}`)}
	ts.Srv.AddTool(tool, func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return do(ctx, req.GetString("name", ""))
	})
}
