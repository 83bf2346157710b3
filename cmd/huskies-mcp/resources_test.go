package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
)

// lineClient sends and receives lines as they are, to and from a process of its
// own.
type lineClient struct {
	t     *testing.T
	in    io.WriteCloser
	lines *bufio.Scanner
}

func startLines(t *testing.T, db string, args ...string) *lineClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangGuard)
	cmd := exec.CommandContext(ctx, "huskies-mcp", append([]string{"--db", db, "--log-level", "error"}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("server ended with %v", err)
		}
		cancel()
	})
	return newLines(t, in, out)
}

func newLines(t *testing.T, in io.WriteCloser, out io.Reader) *lineClient {
	c := &lineClient{t: t, in: in, lines: bufio.NewScanner(out)}
	c.lines.Buffer(nil, 1<<20)
	return c
}

func (c *lineClient) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next message.
func (c *lineClient) next() (m lineMessage) {
	c.t.Helper()
	if !c.lines.Scan() {
		c.t.Fatalf("no more lines: %v", c.lines.Err())
	}
	m.raw = c.lines.Text()
	if err := json.Unmarshal(c.lines.Bytes(), &m); err != nil {
		c.t.Fatal(err)
	}
	return m
}

// ask sends a request and returns its answer, which is the next message.
func (c *lineClient) ask(id int, method, params string) lineMessage {
	c.t.Helper()
	c.send(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, id, method, params)
	m := c.next()
	if string(m.ID) != fmt.Sprint(id) {
		c.t.Fatalf("%s: got %s, want its answer", method, m.raw)
	}
	return m
}

// writeByAnother writes a story by another process.
func writeByAnother(t *testing.T, db, arguments string) {
	t.Helper()
	if out, err := exec.Command("huskies-mcp", "--db", db, "call", "write_item", arguments).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// lineMessage is what these tests look at in a message.
type lineMessage struct {
	raw    string
	ID     json.RawMessage
	Method string
	Params struct {
		URI  string
		Meta map[string]any `json:"_meta"`
	}
	Result json.RawMessage
	Error  struct {
		Code    int
		Message string
	}
}

const eraOfMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`

// TestSubscribeToResources: a client of the older era hears of what other
// processes do to the resources it subscribed to, and of nothing else.
func TestSubscribeToResources(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	c := startLines(t, db)
	c.ask(1, "initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}`)
	c.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	c.ask(2, "resources/subscribe", `{"uri":"huskies://story/1_s"}`)
	c.ask(3, "resources/subscribe", `{"uri":"huskies://story/1_s"}`)
	for n := range 3 { // it comes, it changes, it changes
		writeByAnother(t, db, `{"story_id":"2_s","stage":"1_backlog"}`)
		writeByAnother(t, db, fmt.Sprintf(`{"story_id":"1_s","stage":"1_backlog","note":"change %d"}`, n))
		if m := c.next(); m.Method != "notifications/resources/updated" || m.Params.URI != "huskies://story/1_s" || len(m.Params.Meta) > 0 {
			t.Errorf("got %s", m.raw)
		}
	}
	c.ask(4, "resources/unsubscribe", `{"uri":"huskies://story/1_s"}`)
	c.ask(5, "resources/subscribe", `{"uri":"huskies://pipeline"}`)
	writeByAnother(t, db, `{"story_id":"1_s","name":"One"}`)
	if m := c.next(); m.Params.URI != "huskies://pipeline" {
		t.Errorf("after unsubscribing: got %s", m.raw)
	}
	// its own writes count, too
	c.send(`{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"write_item","arguments":{"story_id":"3_s","stage":"1_backlog"}}}`)
	updated := false
	for range 2 {
		m := c.next()
		updated = updated || m.Params.URI == "huskies://pipeline"
	}
	if !updated {
		t.Error("its own write was not told")
	}
}

// TestListenToResources: a client of the 2026-07-28 era hears of the resources
// that each stream asked for, marked with the stream.
func TestListenToResources(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	c := startLines(t, db)
	for i, uri := range []string{"huskies://story/1_s", "huskies://story/2_s"} {
		c.send(`{"jsonrpc":"2.0","id":"stream %d","method":"subscriptions/listen","params":{%s,"notifications":{"resourceSubscriptions":[%q]}}}`, i+1, eraOfMeta, uri)
		m := c.next()
		if m.Method != "notifications/subscriptions/acknowledged" || m.Params.Meta["io.modelcontextprotocol/subscriptionId"] != fmt.Sprintf("stream %d", i+1) {
			t.Fatalf("got %s", m.raw)
		}
	}
	for round := range 2 {
		for _, n := range []int{2, 1} {
			writeByAnother(t, db, `{"story_id":"3_s","stage":"1_backlog"}`)
			writeByAnother(t, db, fmt.Sprintf(`{"story_id":"%d_s","stage":"1_backlog","note":"change %d"}`, n, round))
			m := c.next()
			got := []any{m.Method, m.Params.URI, m.Params.Meta["io.modelcontextprotocol/subscriptionId"]}
			want := []any{"notifications/resources/updated", fmt.Sprintf("huskies://story/%d_s", n), fmt.Sprintf("stream %d", n)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	}
	// a stream that has ended is told nothing
	c.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"stream 1"}}`)
	c.ask(9, "ping", `{`+eraOfMeta+`}`)
	writeByAnother(t, db, `{"story_id":"1_s","note":"unheard"}`)
	writeByAnother(t, db, `{"story_id":"2_s","note":"heard"}`)
	if m := c.next(); m.Params.URI != "huskies://story/2_s" {
		t.Errorf("after the end of a stream: got %s", m.raw)
	}
}

// TestResourceErrors: what is not there has the protocol's code of each era.
func TestResourceErrors(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	older, modern := startLines(t, db), startLines(t, db)
	older.ask(1, "initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}`)
	for i, uri := range []string{"huskies://story/1_none", "huskies://story/no%20id", "huskies://stories", "file:///etc/passwd"} {
		if m := older.ask(i+2, "resources/read", fmt.Sprintf(`{"uri":%q}`, uri)); m.Error.Code != mcp.RESOURCE_NOT_FOUND {
			t.Errorf("2025-11-25, %s: got %s", uri, m.raw)
		}
		if m := modern.ask(i+2, "resources/read", fmt.Sprintf(`{%s,"uri":%q}`, eraOfMeta, uri)); m.Error.Code != mcp.INVALID_PARAMS {
			t.Errorf("2026-07-28, %s: got %s", uri, m.raw)
		}
	}
	if m := older.ask(9, "prompts/get", `{"name":"hand_off"}`); m.Error.Code != mcp.INVALID_PARAMS || !strings.Contains(m.Error.Message, "needs the argument story_id") {
		t.Errorf("prompt: got %s", m.raw)
	}
}

// TestResourcesSeeWritesBeforeThem: a resource that is read in the same breath as
// a write shows it.
func TestResourcesSeeWritesBeforeThem(t *testing.T) {
	c := startLines(t, filepath.Join(t.TempDir(), "p.db"))
	c.ask(1, "initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}`)
	for i := range 30 {
		c.send(`{"jsonrpc":"2.0","id":"w","method":"tools/call","params":{"name":"write_item","arguments":{"story_id":"%d_s","stage":"1_backlog"}}}
{"jsonrpc":"2.0","id":"r","method":"resources/read","params":{"uri":"huskies://story/%d_s"}}`, i, i)
		for range 2 {
			if m := c.next(); m.Error.Code != 0 {
				t.Fatalf("got %s", m.raw)
			}
		}
	}
}

// TestResourcesAndPrompts: a client finds its way from the lists.
func TestResourcesAndPrompts(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	s := startSession(t, db, client.WithProtocolVersion(mcp.ProtocolVersion20251125))
	writeByAnother(t, db, `{"name":"Add login","description":"As *OAuth*.","note":"Ask Ann first"}`)
	writeByAnother(t, db, `{"name":"Add logout","depends_on":[1]}`)
	writeByAnother(t, db, `{"story_id":"3_done","stage":"5_done"}`)

	list, err := s.ListResources(s.ctx, mcp.ListResourcesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var uris []string
	for _, r := range list.Resources {
		uris = append(uris, r.URI)
	}
	if diff := cmp.Diff([]string{"huskies://pipeline", "huskies://story/1_story_add_login", "huskies://story/2_story_add_logout"}, uris); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	for uri, want := range map[string][]string{
		uris[0]: {"# Pipeline", "## 1_backlog (2)\n\n- `1_story_add_login` Add login (ready)\n- `2_story_add_logout` Add logout (waiting on 1)\n", "## 5_done (1)"},
		uris[1]: {"# 1_story_add_login\n\n- Name: Add login\n- Stage: 1_backlog\n", "- Depended on by: 2_story_add_logout\n", "## Description\n\n> As *OAuth*.\n", "## Notes (1)\n", "Ask Ann first"},
		uris[2]: {"- Depends on: 1\n- Waiting on: 1\n"},
	} {
		var req mcp.ReadResourceRequest
		req.Params.URI = uri
		got, err := s.ReadResource(s.ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		text := got.Contents[0].(mcp.TextResourceContents)
		for _, w := range want {
			if !strings.Contains(text.Text, w) || text.MIMEType != "text/markdown" || text.URI != uri {
				t.Errorf("%s: got\n%s\nwant it to have %q", uri, text.Text, w)
			}
		}
	}

	prompts, err := s.ListPrompts(s.ctx, mcp.ListPromptsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range prompts.Prompts {
		var req mcp.GetPromptRequest
		req.Params.Name = p.Name
		if p.Name == "hand_off" {
			req.Params.Arguments = map[string]string{"story_id": "1_story_add_login", "to": "3_qa"}
		}
		got, err := s.GetPrompt(s.ctx, req)
		if err != nil || len(got.Messages) != 1 {
			t.Errorf("%s: %+v, %v", p.Name, got, err)
		}
	}
	if len(prompts.Prompts) != 3 {
		t.Errorf("%d prompts", len(prompts.Prompts))
	}

	for typed, want := range map[string][]string{"": {"1_story_add_login", "2_story_add_logout", "3_done"}, "LOGOUT": {"2_story_add_logout"}, "2": {"2_story_add_logout"}} {
		var req mcp.CompleteRequest
		req.Params.Ref = mcp.ResourceReference{Type: "ref/resource", URI: "huskies://story/{story_id}"}
		req.Params.Argument = mcp.CompleteArgument{Name: "story_id", Value: typed}
		got, err := s.Complete(s.ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Completion.Values); diff != "" || got.Completion.Total != len(want) || got.Completion.HasMore {
			t.Errorf("completing %q: %+v (-want +got):\n%s", typed, got.Completion, diff)
		}
	}
}
