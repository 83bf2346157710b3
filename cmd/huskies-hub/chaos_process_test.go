package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/huskies/huskies-mcp/relay"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/tools"
	"github.com/huskies/huskies-mcp/tools/stdio"
)

const (
	// chaosLease is how long reservations are good under chaos, so that machines that were cut off lose some.
	chaosLease = 12 * time.Second
	// chaosGapAge is when machines ask for ops that they miss.
	chaosGapAge = time.Second
	// chaosGrace is how long a claim outlives the process that made it.
	chaosGrace = 2 * time.Second
)

func init() { testCommands["chaos-process"] = chaosProcess }

// chaosProcess is what huskies-mcp is as a server, on the database of its argument, but with short leases.
func chaosProcess() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	r := replica.New(replica.Config{Path: os.Args[1], Now: time.Now, Rand: rand.Reader, LeaseGrace: chaosGrace, Logger: logger})
	defer r.Close()
	cfg := relay.Config{Replica: r, Now: time.Now, Rand: rand.Reader, Logger: logger, Lease: chaosLease, GapAge: chaosGapAge}
	srv, err := tools.NewServer(tools.Config{
		Replica: r, Session: r.OpenSession(rand.Text()), Agent: "nobody", Version: "test", Logger: logger, Hub: relay.NewClaims(cfg),
	})
	if err != nil {
		logger.Error("no server", "error", err)
		os.Exit(1)
	}
	go relay.New(cfg).Run(ctx)
	if err := stdio.Serve(ctx, srv, os.Stdin, os.Stdout, logger); err != nil {
		logger.Error("served", "error", err)
	}
}

// process is a server of a machine, and its client.
type process struct {
	*client.Client
	cmd  *exec.Cmd
	gone chan struct{} // closed when the killed process has been waited for
	// killed is when it was to end, reaped when it had ended. They are to be read after gone.
	killed, reaped time.Time
}

// errGone: the process was killed before it answered, so the call may have had its effect or not.
var errGone = errors.New("the process was killed")

// refusal is what a tool says that does not do what it was asked.
type refusal string

func (r refusal) Error() string { return string(r) }

// startProcess starts a server on the machine's database.
func (c *chaosMachine) startProcess() *process {
	c.t.Helper()
	p := &process{gone: make(chan struct{})}
	spawn := func(_ context.Context, command string, _, args []string) (*exec.Cmd, error) {
		p.cmd = c.link.command(command, args...)
		p.cmd.Stderr = c.log
		return p.cmd, nil
	}
	p.Client = client.NewClient(transport.NewStdioWithOptions("chaos-process", nil, []string{c.path}, transport.WithCommandFunc(spawn)))
	err := p.Start(context.Background())
	if err == nil {
		var hello mcp.InitializeRequest
		hello.Params.ClientInfo = mcp.Implementation{Name: "test", Version: "1"}
		_, err = p.Initialize(context.Background(), hello)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// kill ends the process with SIGKILL.
func (p *process) kill() {
	p.killed = time.Now()
	_ = p.cmd.Process.Kill()
	_ = p.Close() // waits for it
	p.reaped = time.Now()
	close(p.gone)
}

// call calls a tool. The error is errGone, or a refusal.
func (p *process) call(tool string, arguments map[string]any) (a answer, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), hangGuard)
	defer cancel()
	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = tool, arguments
	res, err := p.CallTool(ctx, req)
	if err != nil {
		select {
		case <-p.gone:
			return a, errGone
		case <-ctx.Done():
			return a, fmt.Errorf("%s %v hangs, or fails though nobody killed the process: %w", tool, arguments, err)
		}
	}
	if res.IsError {
		var text string
		for _, c := range res.Content {
			if c, ok := c.(mcp.TextContent); ok {
				text += c.Text
			}
		}
		return a, refusal(text)
	}
	return a, json.Unmarshal(res.RawStructuredContent, &a)
}

// tail returns the end of a log.
func tail(log *lockedBuffer, most int) string {
	text := log.String()
	return text[max(0, len(text)-most):]
}
