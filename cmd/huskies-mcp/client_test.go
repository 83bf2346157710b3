package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/schemas"
)

// TestToolsList: the real client sees exactly these tools, each with title, description, all four hints, and the
// schemas as they are on disk.
func TestToolsList(t *testing.T) {
	db := filepath.Join(t.TempDir(), "x.db")
	s := startSession(t, db, client.WithProtocolVersion(mcp.ProtocolVersion20251125))
	tools, err := s.ListTools(s.ctx, mcp.ListToolsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	type hints struct{ readOnly, destructive, idempotent, openWorld bool }
	want := map[string]hints{
		"write_item":      {}, // it may create
		"read_item":       {readOnly: true, idempotent: true},
		"list_items":      {readOnly: true, idempotent: true},
		"set_blocked":     {idempotent: true},
		"bump_retry":      {},
		"claim_item":      {},
		"advance_item":    {},
		"release_item":    {},
		"wait_for_change": {readOnly: true},
		"delete_item":     {destructive: true, idempotent: true},
	}
	got := map[string]hints{}
	for _, tool := range tools.Tools {
		a := tool.Annotations
		if a.ReadOnlyHint == nil || a.DestructiveHint == nil || a.IdempotentHint == nil || a.OpenWorldHint == nil {
			t.Errorf("%s lacks a hint: %+v", tool.Name, a)
			continue
		}
		got[tool.Name] = hints{*a.ReadOnlyHint, *a.DestructiveHint, *a.IdempotentHint, *a.OpenWorldHint}
		if tool.Title == "" || tool.Description == "" {
			t.Errorf("%s: title %q, description %q", tool.Name, tool.Title, tool.Description)
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(hints{})); diff != "" || len(tools.Tools) != len(want) {
		t.Errorf("%d tools (-want +got):\n%s", len(tools.Tools), diff)
	}
	checkServedSchemas(t, s)
	if _, err := os.Stat(db); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("shaking hands and listing tools touched the database: %v", err)
	}
}

// checkServedSchemas reads tools/list past the client's own types.
func checkServedSchemas(t *testing.T, s *session) {
	t.Helper()
	res, err := s.GetTransport().SendRequest(s.ctx, transport.JSONRPCRequest{
		JSONRPC: mcp.JSONRPC_VERSION, ID: mcp.NewRequestId("raw"), Method: string(mcp.MethodToolsList),
	})
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Tools []struct {
			Name                      string
			InputSchema, OutputSchema json.RawMessage
		}
	}
	if err := json.Unmarshal(res.Result, &list); err != nil {
		t.Fatal(err)
	}
	for _, tool := range list.Tools {
		in, err1 := schemas.Input(tool.Name)
		out, err2 := schemas.Output(tool.Name)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if !sameJSON(t, in, tool.InputSchema) {
			t.Errorf("%s serves the input schema %s", tool.Name, tool.InputSchema)
		}
		if !sameJSON(t, out, tool.OutputSchema) {
			t.Errorf("%s serves the output schema %s", tool.Name, tool.OutputSchema)
		}
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var va, vb any
	if err := errors.Join(json.Unmarshal(a, &va), json.Unmarshal(b, &vb)); err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(va, vb)
}

// TestBothProtocolEras drives a story through its life by all five tools, in both protocol eras.
func TestBothProtocolEras(t *testing.T) {
	db := filepath.Join(t.TempDir(), "x.db")
	var shown []string
	for i, version := range []string{mcp.ProtocolVersion20251125, mcp.ProtocolVersion20260728} {
		t.Run(version, func(t *testing.T) {
			s := startSession(t, db, client.WithProtocolVersion(version))
			if got := s.ProtocolVersion(); got != version {
				t.Errorf("speaks %s, want %s", got, version)
			}
			storyLife(t, s, fmt.Sprintf("%d_story_life", i+1))
		})
	}
	for _, version := range []string{mcp.ProtocolVersion20251125, mcp.ProtocolVersion20260728} {
		shown = append(shown, startSession(t, db, client.WithProtocolVersion(version)).pipelineText(t))
	}
	if shown[0] != shown[1] || !strings.Contains(shown[0], `"total":2`) {
		t.Errorf("the eras show different pipelines:\n%s\n%s", shown[0], shown[1])
	}
}

func storyLife(t *testing.T, s *session, id string) {
	opts := cmp.Options{cmpopts.IgnoreFields(shownItem{}, "UpdatedAt", "Rev"), cmpopts.EquateEmpty()}
	check := func(a answer, want shownItem, changed ...string) {
		t.Helper()
		want.StoryID = id
		if diff := cmp.Diff(want, a.Item, opts); diff != "" {
			t.Errorf("item (-want +got):\n%s", diff)
		}
		if !slices.Equal(a.Changed, changed) {
			t.Errorf("changed is %q, want %q", a.Changed, changed)
		}
		if got := s.must(t, "read_item", arguments{"story_id": id}).Item; !cmp.Equal(a.Item, got) {
			t.Errorf("read_item shows %+v after an answer of %+v", got, a.Item)
		}
	}
	a := s.must(t, "write_item", arguments{"story_id": id, "stage": "1_backlog", "name": "Größe <1> & \u2028"})
	check(a, shownItem{Stage: "1_backlog", Name: "Größe <1> & \u2028", Ready: true}, "stage", "name")
	if !a.Created {
		t.Error("created is false")
	}
	a = s.must(t, "write_item", arguments{"story_id": id, "stage": "2_current", "agent": "coder-1", "if_rev": a.Item.Rev})
	check(a, shownItem{Stage: "2_current", Name: "Größe <1> & \u2028", Agent: "coder-1"}, "stage", "agent")
	a = s.must(t, "write_item", arguments{"story_id": id, "clear": []string{"name", "depends_on"}})
	check(a, shownItem{Stage: "2_current", Agent: "coder-1"}, "name")
	a = s.must(t, "set_blocked", arguments{"story_id": id, "blocked": true, "reason": "no key"})
	check(a, shownItem{Stage: "2_current", Agent: "coder-1", Blocked: true, BlockedReason: "no key"}, "blocked", "blocked_reason")
	a = s.must(t, "set_blocked", arguments{"story_id": id, "blocked": false})
	check(a, shownItem{Stage: "2_current", Agent: "coder-1"}, "blocked", "blocked_reason")
	for n := 1; n <= 3; n++ {
		a = s.must(t, "bump_retry", arguments{"story_id": id})
		want := shownItem{Stage: "2_current", Agent: "coder-1", RetryCount: n}
		if want.Blocked = n == 3; want.Blocked {
			want.BlockedReason = "retry limit reached (3 of 3)"
		}
		check(a, want)
		if a.Limit != 3 || a.BlockedByLimit != want.Blocked {
			t.Errorf("bump %d: limit %d, blocked_by_limit %t", n, a.Limit, a.BlockedByLimit)
		}
	}
	a = s.must(t, "write_item", arguments{"story_id": id, "blocked": false, "stage": "5_done"})
	check(a, shownItem{Stage: "5_done", Agent: "coder-1"}, "stage", "blocked", "blocked_reason", "retry_count")

	_, err := s.call("write_item", arguments{"story_id": id, "stage": "6_done"})
	var said toolError
	if !errors.As(err, &said) || !strings.Contains(string(said), `did you mean "5_done"?`) {
		t.Errorf("bad stage: %v", err)
	}
}

// TestListPages: pages of any size, one after the other, are the whole pipeline in order, each story once, and none is
// larger than hosts take.
func TestListPages(t *testing.T) {
	s := startSession(t, filepath.Join(t.TempDir(), "x.db"))
	stages := pipeline.Listed()
	const stories = 230
	places := make([][]string, len(stages))
	for n := range stories { // in an order that is neither the numbers' nor the stages', and every fifth to the front
		n = n*37%stories + 1
		id, at := fmt.Sprintf("%d_story", n), n%len(stages)
		args := arguments{"story_id": id, "stage": stages[at], "name": strings.Repeat("x", 256)}
		if n%5 == 0 {
			args["after"] = "first"
			places[at] = append([]string{id}, places[at]...)
		} else {
			places[at] = append(places[at], id)
		}
		s.must(t, "write_item", args)
	}
	want := slices.Concat(places...)
	for _, args := range []arguments{{}, {"limit": 7}, {"limit": 23}, {"limit": 200}} {
		var got []string
		for i, page := range s.pages(t, args) {
			if page.Total != stories || i == 0 && len(page.Stages) != len(stages) || page.Stages[0].Count < stories/len(stages) {
				t.Errorf("limit %v, page %d: total %d, %d stages", args["limit"], i, page.Total, len(page.Stages))
			}
			if len(page.text) > 64<<10 {
				t.Errorf("limit %v, page %d has %d bytes", args["limit"], i, len(page.text))
			}
			for _, stage := range page.Stages {
				for _, it := range stage.Items {
					got = append(got, it.StoryID)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("limit %v (-want +got):\n%s", args["limit"], diff)
		}
	}
}

// TestMendedDatabase: a process that started on a broken file goes on as soon as the file is mended, and one whose file is
// taken away and brought back notices.
func TestMendedDatabase(t *testing.T) {
	dir := t.TempDir()
	db, good := filepath.Join(dir, "x.db"), filepath.Join(dir, "good.db")
	call := exec.Command("huskies-mcp", "call", "--db", good, "write_item", `{"story_id":"1_good","stage":"1_backlog"}`)
	if out, err := call.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(db, bytes.Repeat([]byte("no database "), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startSession(t, db)
	if _, err := s.ListTools(s.ctx, mcp.ListToolsRequest{}); err != nil {
		t.Error(err)
	}
	broken := func() {
		t.Helper()
		for _, tool := range []string{"read_item", "write_item", "bump_retry"} {
			_, err := s.call(tool, arguments{"story_id": "1_good"})
			var said toolError
			if !errors.As(err, &said) || !strings.Contains(string(said), "What to do: ") {
				t.Errorf("%s on a broken file: %v", tool, err)
			}
		}
	}
	shows := func(want ...string) {
		t.Helper()
		var got []string
		for _, stage := range s.must(t, "list_items", nil).Stages {
			for _, it := range stage.Items {
				got = append(got, it.StoryID)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("shows %q, want %q", got, want)
		}
	}
	broken()
	if err := os.Rename(good, db); err != nil {
		t.Fatal(err)
	}
	s.must(t, "bump_retry", arguments{"story_id": "1_good"}) // the very next call
	shows("1_good")

	// A backup whose key is damaged comes back in the place of the file, and then a good one.
	for _, statement := range []string{"VACUUM INTO '" + good + "'", "VACUUM INTO '" + good + "2'"} {
		if err := runSQL(db, statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := runSQL(good, "UPDATE crdt_node_identity SET seed = x'00'"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(db + suffix); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // until there is a file again
		var said toolError
		if _, err := s.call("list_items", nil); !errors.As(err, &said) || !strings.Contains(string(said), "was removed") {
			t.Errorf("a call after the file was removed: %v", err)
		}
	}
	if err := os.Rename(good, db); err != nil {
		t.Fatal(err)
	}
	broken()
	if err := os.Rename(good+"2", db); err != nil {
		t.Fatal(err)
	}
	shows("1_good")
	s.must(t, "write_item", arguments{"story_id": "2_new", "stage": "1_backlog"})
	shows("1_good", "2_new")
}
