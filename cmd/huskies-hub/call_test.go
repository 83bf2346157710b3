package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/relay"
	"github.com/huskies/huskies-mcp/tools"
	"github.com/huskies/huskies-mcp/tools/calls"
)

// huskiesMCP builds the other command once, and returns its path.
var huskiesMCP = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "huskies-hub-test")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "huskies-mcp")
	out, err := exec.Command("go", "build", "-o", path, "github.com/huskies/huskies-mcp/cmd/huskies-mcp").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, err
})

// answer is what a tool answers.
type answer struct {
	Claimed bool
	Reason  string
	Item    struct {
		StoryID string `json:"story_id"`
		Rev     string
	}
	Claim string
}

// call calls a tool on the machine, as a script does. The error has what the command says.
func (m *machine) call(agent, tool, arguments string, flags ...string) (a answer, err error) {
	m.t.Helper()
	path, err := huskiesMCP()
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"--db", m.path, "--agent", agent, "--no-auto-backup", "call", tool, arguments}, flags...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return a, fmt.Errorf("%w: %s", err, errs.String())
	}
	return a, json.Unmarshal(out, &a)
}

// toolsFor returns a server for an agent on the machine, which asks the hub.
func (m *machine) toolsFor(agent string) *server.MCPServer {
	m.t.Helper()
	claims := relay.NewClaims(m.config())
	m.t.Cleanup(claims.Close)
	srv, err := tools.NewServer(tools.Config{
		Replica: m.replica, Session: m.replica.OpenSession(rand.Text()), Agent: agent, Version: "test", Logger: m.logger(), Hub: claims,
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return srv
}

// toolCall is a tool, and the arguments as JSON.
type toolCall struct{ tool, arguments string }

// send sends calls one right behind the other, and returns the answers in the order of the calls.
func (m *machine) send(srv *server.MCPServer, all ...toolCall) (answers []string) {
	m.t.Helper()
	in := make(chan calls.Message, len(all))
	for id, c := range all {
		in <- calls.Message{Text: fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, id, c.tool, c.arguments)}
	}
	close(in)
	answers = make([]string, len(all))
	var mu sync.Mutex
	err := calls.Serve(m.t.Context(), srv, in, func(text []byte) error {
		var answer struct{ ID int }
		if err := json.Unmarshal(text, &answer); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		answers[answer.ID] = string(text)
		return nil
	}, m.logger())
	if err != nil {
		m.t.Fatal(err)
	}
	return answers
}
