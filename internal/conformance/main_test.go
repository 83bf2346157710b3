package main

import (
	"context"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/huskies/huskies-mcp/tools"
)

// TestServesBoth: the binary has the product's tools and the suite's, and both answer.
func TestServesBoth(t *testing.T) {
	ctx := t.Context()
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{filepath.Join(t.TempDir(), "x.db")}, in, out, io.Discard)
		out.Close()
	}()
	c := client.NewClient(transport.NewIO(fromServer, toServer, io.NopCloser(nil)))
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Initialize(ctx, mcp.InitializeRequest{}); err != nil {
		t.Fatal(err)
	}
	list, err := c.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, tool := range list.Tools {
		got[tool.Name] = true
	}
	for _, name := range append(tools.Names(), "test_simple_text", "json_schema_2020_12_tool", "test_input_required_result_multi_round") {
		if !got[name] {
			t.Errorf("no tool %s among %q", name, slices.Sorted(maps.Keys(got)))
		}
	}
	for _, call := range []struct {
		tool string
		args map[string]any
	}{
		{"test_simple_text", nil},
		{"test_multiple_content_types", nil},
		{"write_item", map[string]any{"story_id": "1_story", "stage": "1_backlog"}},
		{"read_item", map[string]any{"story_id": "1_story"}},
	} {
		var req mcp.CallToolRequest
		req.Params.Name, req.Params.Arguments = call.tool, call.args
		res, err := c.CallTool(ctx, req)
		if err != nil || res.IsError || len(res.Content) == 0 {
			t.Errorf("%s: %+v, %v", call.tool, res, err)
		}
	}
	toServer.Close()
	if err := <-ended; err != nil {
		t.Errorf("server ended with %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestSealer: a state comes back as it was sealed, and no other does.
func TestSealer(t *testing.T) {
	s := newSealer()
	sealed := s.seal("round 1")
	if state, err := s.open(sealed); err != nil || state != "round 1" {
		t.Errorf("got %q, %v", state, err)
	}
	for _, bad := range []string{"", "round 1", sealed + "-TAMPERED", "round 2" + sealed[len("round 1"):], newSealer().seal("round 1")} {
		if state, err := s.open(bad); err == nil {
			t.Errorf("%q is taken for %q", bad, state)
		}
	}
}
