package tools

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/server"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/schemas"
)

// host calls tools as a host does: by JSON-RPC messages.
type host struct {
	t   testing.TB
	srv *server.MCPServer
}

func newHost(t testing.TB, path string) *host { return newHostOf(t, path, "tester") }

// newHostOf returns the host of an agent.
func newHostOf(t testing.TB, path, agent string) *host {
	t.Helper()
	r := newReplica(t, path)
	srv, err := NewServer(Config{
		Replica: r, Session: r.OpenSession(rand.Text()), Agent: agent, Version: "test",
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &host{t, srv}
}

func newReplica(t testing.TB, path string) *replica.Replica {
	t.Helper()
	r := replica.New(replica.Config{Path: path, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func newTempHost(t testing.TB) *host { return newHost(t, filepath.Join(t.TempDir(), "p.db")) }

// result is a tool's result as it is on the wire.
type result struct {
	Content           []struct{ Type, Text string }
	StructuredContent json.RawMessage
	IsError           bool
}

func (h *host) request(method string, params any) json.RawMessage {
	h.t.Helper()
	msg, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		h.t.Fatal(err)
	}
	b, err := json.Marshal(h.srv.HandleMessage(context.Background(), msg))
	if err != nil {
		h.t.Fatal(err)
	}
	var answer struct{ Result, Error json.RawMessage }
	if err := json.Unmarshal(b, &answer); err != nil || answer.Error != nil {
		h.t.Fatalf("%s: %s (%v)", method, answer.Error, err)
	}
	return answer.Result
}

// call makes a call and checks what must hold of every answer: structured
// content that fits the output schema and the same as text, or an error as text.
func (h *host) call(tool, args string) result {
	h.t.Helper()
	var r result
	if err := json.Unmarshal(h.request("tools/call", map[string]any{"name": tool, "arguments": json.RawMessage(args)}), &r); err != nil {
		h.t.Fatal(err)
	}
	if len(r.Content) != 1 || r.Content[0].Type != "text" || r.Content[0].Text == "" {
		h.t.Fatalf("%s %s: content %+v, want one text", tool, args, r.Content)
	}
	if r.IsError {
		if r.StructuredContent != nil {
			h.t.Errorf("%s %s: an error with structured content, which clients check against the schema", tool, args)
		}
		return r
	}
	var text, structured any
	if err := json.Unmarshal([]byte(r.Content[0].Text), &text); err != nil {
		h.t.Fatal(err)
	}
	structured, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.StructuredContent))
	if err != nil {
		h.t.Fatal(err)
	}
	if err := outputSchema(h.t, tool).Validate(structured); err != nil {
		h.t.Errorf("%s %s: %v in %s", tool, args, err, r.StructuredContent)
	}
	var plain any
	_ = json.Unmarshal(r.StructuredContent, &plain)
	if diff := cmp.Diff(plain, text); diff != "" {
		h.t.Errorf("%s: text differs from structured content: %s", tool, diff)
	}
	return r
}

// ok makes a call that must succeed and returns its answer as text.
func (h *host) ok(tool, args string) string {
	h.t.Helper()
	r := h.call(tool, args)
	if r.IsError {
		h.t.Fatalf("%s %s: %s", tool, args, r.Content[0].Text)
	}
	return r.Content[0].Text
}

// fails makes a call that must fail and returns what it says.
func (h *host) fails(tool, args string) string {
	h.t.Helper()
	r := h.call(tool, args)
	if !r.IsError {
		h.t.Fatalf("%s %s: got %s, want an error", tool, args, r.Content[0].Text)
	}
	return r.Content[0].Text
}

func outputSchema(t testing.TB, tool string) *jsonschema.Schema {
	t.Helper()
	b, err := schemas.Output(tool)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newChecker(tool, b)
	if err != nil {
		t.Fatal(err)
	}
	return c.schema
}
