package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// hangGuard ends a test that hangs. No test measures time.
const hangGuard = 2 * time.Minute

// session is a real client that talks to a process of its own over pipes.
type session struct {
	*client.Client
	ctx    context.Context
	cmd    *exec.Cmd
	stderr string // file
	killed bool
}

// startSession starts a server process on the database and shakes hands. The test fails if the process does not
// end well when the test does, unless it was killed.
func startSession(t *testing.T, db string, options ...client.ClientOption) *session {
	t.Helper()
	s := &session{stderr: filepath.Join(t.TempDir(), "stderr")}
	stderr, err := os.Create(s.stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	spawn := func(_ context.Context, command string, _, args []string) (*exec.Cmd, error) {
		s.cmd = exec.Command(command, args...)
		s.cmd.Stderr = stderr
		return s.cmd, nil
	}
	pipes := transport.NewStdioWithOptions("huskies-mcp", nil, []string{"--db", db}, transport.WithCommandFunc(spawn))
	s.Client = client.NewClient(pipes, options...)
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithTimeout(context.Background(), hangGuard)
	if err := s.Start(s.ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.end(t)
		cancel()
	})
	var hello mcp.InitializeRequest
	hello.Params.ClientInfo = mcp.Implementation{Name: "test", Version: "1"}
	if _, err := s.Initialize(s.ctx, hello); err != nil {
		t.Fatal(err)
	}
	return s
}

// end ends the session and waits for the process.
func (s *session) end(t *testing.T) {
	t.Helper()
	err := s.Close() // the second time it does nothing
	if err != nil && !s.killed {
		t.Errorf("server ended with %v", err)
	}
	if text, err := os.ReadFile(s.stderr); t.Failed() && err == nil {
		t.Logf("standard error of process %d:\n%s", s.cmd.Process.Pid, text)
	}
}

// toolError is an answer with isError set.
type toolError string

func (e toolError) Error() string { return string(e) }

// shownItem is an item as answers show it.
type shownItem struct {
	StoryID       string   `json:"story_id"`
	Stage         string   `json:"stage"`
	Name          string   `json:"name"`
	Agent         string   `json:"agent"`
	RetryCount    int      `json:"retry_count"`
	Blocked       bool     `json:"blocked"`
	BlockedReason string   `json:"blocked_reason"`
	DependsOn     []int    `json:"depends_on"`
	Ready         bool     `json:"ready"`
	WaitingOn     []int    `json:"waiting_on"`
	Warnings      []string `json:"warnings"`
	UpdatedAt     string   `json:"updated_at"`
	Rev           string   `json:"rev"`
}

// answer is what any of the tools answers.
type answer struct {
	Item           shownItem `json:"item"`
	Created        bool      `json:"created"`
	Changed        []string  `json:"changed"`
	Limit          int       `json:"limit"`
	BlockedByLimit bool      `json:"blocked_by_limit"`
	Stages         []struct {
		Stage string      `json:"stage"`
		Count int         `json:"count"`
		Items []shownItem `json:"items"`
	} `json:"stages"`
	Total      int    `json:"total"`
	NextCursor string `json:"next_cursor"`
	Cursor     string `json:"cursor"`

	text string // the same as JSON
}

type arguments = map[string]any

// allFields makes list_items show all that items have.
var allFields = []string{"name", "agent", "retry_count", "blocked", "blocked_reason", "depends_on", "ready", "waiting_on", "warnings", "updated_at", "rev"}

// call makes one tool call. Its error is a toolError when the tool answered with one.
func (s *session) call(tool string, args arguments) (a answer, err error) {
	a.text, err = s.callFor(tool, args, &a)
	return a, err
}

// callFor is call for any kind of answer.
func (s *session) callFor(tool string, args arguments, to any) (text string, err error) {
	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = tool, args
	res, err := s.CallTool(s.ctx, req)
	if err != nil {
		return "", err
	}
	for _, c := range res.Content {
		if c, ok := c.(mcp.TextContent); ok {
			text += c.Text
		}
	}
	if res.IsError {
		return "", toolError(text)
	}
	if err := json.Unmarshal(res.RawStructuredContent, to); err != nil {
		return "", fmt.Errorf("structured content of %s: %w", tool, err)
	}
	return text, nil
}

// must makes a call that has to succeed.
func (s *session) must(t *testing.T, tool string, args arguments) answer {
	t.Helper()
	a, err := s.call(tool, args)
	if err != nil {
		t.Fatalf("%s %v: %v", tool, args, err)
	}
	return a
}

// pages walks list_items to its end and returns the answers.
func (s *session) pages(t *testing.T, args arguments) []answer {
	t.Helper()
	var pages []answer
	for {
		page := s.must(t, "list_items", args)
		pages = append(pages, page)
		if page.NextCursor == "" {
			return pages
		}
		if len(pages) > 10_000 {
			t.Fatal("the pages do not end")
		}
		next := arguments{"cursor": page.NextCursor}
		for name, v := range args {
			if name != "cursor" {
				next[name] = v
			}
		}
		args = next
	}
}

// pipelineText returns all pages as they came.
func (s *session) pipelineText(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, page := range s.pages(t, arguments{"limit": 200, "fields": allFields}) {
		b.WriteString(page.text + "\n")
	}
	return b.String()
}

// loggedOp is a line of log --json.
type loggedOp struct {
	OpID   string `json:"op_id"`
	Story  string `json:"story_id"`
	Author string `json:"author"`
	Seq    int    `json:"seq"`
	Edits  []struct {
		Set   string `json:"set"`
		Inc   string `json:"inc"`
		Dep   int    `json:"dep"`
		Value any    `json:"value"`
		By    int    `json:"by"`
	} `json:"edits"`
}

// readLog runs huskies-mcp log --json.
func readLog(t *testing.T, db string) []loggedOp {
	t.Helper()
	cmd := exec.Command("huskies-mcp", "log", "--json", "--db", db)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("log: %v\n%s", err, stderr.String())
	}
	var ops []loggedOp
	for line := range strings.Lines(string(out)) {
		var op loggedOp
		if err := json.Unmarshal([]byte(line), &op); err != nil || !strings.HasSuffix(line, "\n") {
			t.Fatalf("line of the log is broken (%v): %q", err, line)
		}
		ops = append(ops, op)
	}
	return ops
}
