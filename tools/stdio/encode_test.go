package stdio

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
)

// TestEncodeSaysWhatTheResultDoes: whatever a tool's result holds, the line says what mcp-go's own JSON of it does, as one
// line, and each field of a result that mcp-go knows is tried.
func TestEncodeSaysWhatTheResultDoes(t *testing.T) {
	text := func(s string) []mcp.Content { return []mcp.Content{mcp.NewTextContent(s)} }
	with := func(change func(*mcp.CallToolResult)) *mcp.CallToolResult {
		r := &mcp.CallToolResult{Content: text("x"), RawStructuredContent: json.RawMessage(`{"a":1}`)}
		change(r)
		return r
	}
	annotated := mcp.NewTextContent("x")
	annotated.Annotations = &mcp.Annotations{Priority: new(float64)}
	meta := mcp.NewTextContent("x")
	meta.Meta = &mcp.Meta{AdditionalFields: map[string]any{"k": "v"}}
	cases := map[string]*mcp.CallToolResult{
		"text":               {Content: text("ok")},
		"nothing":            {Content: text("")},
		"no content":         {Content: []mcp.Content{}},
		"two texts":          {Content: append(text("a"), text("b")...)},
		"an image":           {Content: []mcp.Content{mcp.NewImageContent("AAAA", "image/png")}},
		"annotated":          {Content: []mcp.Content{annotated}},
		"a text's meta":      {Content: []mcp.Content{meta}},
		"error":              mcp.NewToolResultError(`bad "x" \ y`),
		"structured":         mcp.NewToolResultStructured(map[string]any{"a": "<b>&"}, "t"),
		"raw over several":   with(func(r *mcp.CallToolResult) { r.RawStructuredContent = json.RawMessage("{\n \"a\": \"\\n\"\n}") }),
		"Meta":               with(func(r *mcp.CallToolResult) { r.Meta = &mcp.Meta{AdditionalFields: map[string]any{"k": 1}} }),
		"ResultType":         with(func(r *mcp.CallToolResult) { r.ResultType = mcp.ResultTypeComplete }),
		"InputRequests":      with(func(r *mcp.CallToolResult) { r.InputRequests = mcp.InputRequests{"q": mcp.NewRootsInputRequest()} }),
		"RequestState":       with(func(r *mcp.CallToolResult) { r.RequestState = "s" }),
		"StructuredContent":  with(func(r *mcp.CallToolResult) { r.RawStructuredContent, r.StructuredContent = nil, map[string]any{"a": 1} }),
		"IsError":            with(func(r *mcp.CallToolResult) { r.IsError = true }),
		"Content":            with(func(*mcp.CallToolResult) {}),
		"both kinds":         with(func(r *mcp.CallToolResult) { r.StructuredContent = "not this" }),
		"text of every kind": {Content: text("\x00\x1f \"quoted\" \\ / <a>&b \u2028 \u007f Grüße 中文 \U0001f468 \xff")},
	}
	tried := map[string]bool{"RawStructuredContent": true}
	for name := range cases {
		tried[name] = true
	}
	for _, of := range []any{mcp.CallToolResult{}, mcp.Result{}, mcp.MultiRoundTripResult{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(of)) {
			if !f.Anonymous && !tried[f.Name] {
				t.Errorf("mcp-go's results have a field %s: say in isText what becomes of it, and try it here", f.Name)
			}
		}
	}
	for name, result := range cases {
		for _, id := range []mcp.RequestId{mcp.NewRequestId(int64(1<<53 + 1)), mcp.NewRequestId(`a"\ü`)} {
			line, err := encode(mcp.JSONRPCResponse{JSONRPC: mcp.JSONRPC_VERSION, ID: id, Result: result})
			if err != nil || strings.Count(string(line), "\n") != 1 || !strings.HasSuffix(string(line), "\n") {
				t.Errorf("%s: got %q, %v", name, line, err)
				continue
			}
			want, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "result": result})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decoded(t, want), decoded(t, line)); diff != "" {
				t.Errorf("%s (-mcp-go +ours):\n%s", name, diff)
			}
		}
	}
}

func decoded(t *testing.T, line []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(line)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return v
}
