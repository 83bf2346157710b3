package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
)

var update = flag.Bool("update", false, "write docs/agents.md anew")

var (
	docBlock = regexp.MustCompile("(?s)(\n```\n)(.*?)(```\n)")
	docCall  = regexp.MustCompile(`^([a-z]+-?\d*): ([a-z_]+) (\{.*\})$`)

	shownOp     = regexp.MustCompile(`\b[0-9a-f]{12}\b`)
	shownTime   = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	shownCursor = regexp.MustCompile(`"cursor":"[^"]*"`)
	shownLease  = regexp.MustCompile(`("expires_in_seconds":|lease ends? in )(\d+)`)
)

// TestAgentsDoc makes the calls of docs/agents.md, one after the other, and keeps the answers there as they are.
func TestAgentsDoc(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "agents.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := &agentsDoc{db: filepath.Join(t.TempDir(), "x.db"), sessions: map[string]*session{}, ops: map[string]string{}}
	got := docBlock.ReplaceAllStringFunc(string(b), func(block string) string {
		parts := docBlock.FindStringSubmatch(block)
		return parts[1] + d.play(t, parts[2]) + parts[3]
	})
	if len(d.ops) == 0 {
		t.Fatalf("%s has no calls", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(b), got); diff != "" {
		t.Errorf("%s is out of date, run make generate (-is +should be):\n%s", path, diff)
	}
}

// agentsDoc is a document that is being played.
type agentsDoc struct {
	db       string
	sessions map[string]*session // by agent
	ops      map[string]string   // op IDs as answered, to what is shown, and back
	cursor   string              // the last one answered
	before   string              // the one before
}

// play makes the calls of a block and returns it with the answers.
func (d *agentsDoc) play(t *testing.T, block string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue // an answer of before
		}
		out.WriteString(line + "\n")
		if line == "(two seconds later)" {
			time.Sleep(2 * time.Second)
			continue
		}
		call := docCall.FindStringSubmatch(line)
		if call == nil {
			t.Fatalf("docs/agents.md: %q is no call, want AGENT: TOOL {...}", line)
		}
		out.WriteString("  " + d.call(t, call[1], call[2], call[3]) + "\n")
	}
	return out.String()
}

// call makes a call as the document shows it, and returns the answer as it is to be shown.
func (d *agentsDoc) call(t *testing.T, agent, tool, shown string) string {
	t.Helper()
	s := d.sessions[agent]
	if s == nil {
		t.Setenv("HUSKIES_AGENT", agent)
		s = startSession(t, d.db)
		d.sessions[agent] = s
	}
	shown = shownOp.ReplaceAllStringFunc(shown, func(op string) string {
		if d.ops[op] == "" {
			t.Fatalf("docs/agents.md: %s %s names an op that no answer showed", tool, shown)
		}
		return d.ops[op]
	})
	shown = strings.ReplaceAll(shown, `"CURSOR"`, fmt.Sprintf("%q", d.cursor))
	shown = strings.ReplaceAll(shown, `"CURSOR BEFORE"`, fmt.Sprintf("%q", d.before))
	var args arguments
	if err := json.Unmarshal([]byte(shown), &args); err != nil {
		t.Fatalf("%s: %v", shown, err)
	}
	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = tool, args
	res, err := s.CallTool(s.ctx, req)
	if err != nil || len(res.Content) != 1 {
		t.Fatalf("%s %s: %+v, %v", tool, shown, res, err)
	}
	text := res.Content[0].(mcp.TextContent).Text
	if res.IsError {
		return d.show("error: " + strings.ReplaceAll(text, "\n", "\n  "))
	}
	var at struct {
		Cursor string `json:"cursor"`
	}
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		t.Fatal(err)
	}
	if at.Cursor != "" { // the answers of writes have none
		d.before, d.cursor = d.cursor, at.Cursor
	}
	return d.show(text)
}

// show replaces what is different each time: op IDs by numbers in the order in which they come up, times by one, what is left of a
// lease by the next ten seconds.
func (d *agentsDoc) show(text string) string {
	text = shownOp.ReplaceAllStringFunc(text, func(op string) string {
		if d.ops[op] == "" {
			n := fmt.Sprintf("%012d", 1+len(d.ops)/2)
			d.ops[op], d.ops[n] = n, op
		}
		return d.ops[op]
	})
	text = shownTime.ReplaceAllString(text, "2026-01-02T15:04:05Z")
	text = shownCursor.ReplaceAllString(text, `"cursor":"CURSOR"`)
	return shownLease.ReplaceAllStringFunc(text, func(s string) string {
		parts, left := shownLease.FindStringSubmatch(s), 0
		if _, err := fmt.Sscan(parts[2], &left); err != nil || left <= 1 {
			return parts[1] + "1"
		}
		return fmt.Sprint(parts[1], (left+9)/10*10)
	})
}
