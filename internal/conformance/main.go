// Command conformance is the server with the fixtures of the public conformance
// suite (npm @modelcontextprotocol/conformance) added: the tools, resources and
// prompts with fixed names that most of its scenarios call. It is never shipped.
// It has the same constructor and the same transport as huskies-mcp, so what the
// suite says of it holds for huskies-mcp. docs/conformance.md has the results.
//
//	conformance DB    serves MCP on standard input and output
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/tools"
	"github.com/huskies/huskies-mcp/tools/stdio"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out, log io.Writer) error {
	if len(args) != 1 {
		return errors.New("give the path of a database file")
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	r := replica.New(replica.Config{Path: args[0], Now: time.Now, Rand: rand.Reader, Logger: logger})
	defer r.Close()
	srv, err := tools.NewServer(tools.Config{Replica: r, Session: r.OpenSession(rand.Text()), Version: "test", Logger: logger})
	if err != nil {
		return err
	}
	addFixtures(srv)
	return stdio.Serve(ctx, srv, in, out, logger)
}

// addFixtures adds what the suite calls. What a capability says of the product's
// own lists does not change by it: they grow only.
func addFixtures(srv *server.MCPServer) {
	for _, option := range []server.ServerOption{
		server.WithToolCapabilities(true),
		server.WithPromptCapabilities(true),
		server.WithResourceCapabilities(true, true),
		server.WithCompletions(),
	} {
		option(srv)
	}
	srv.AddTools(contentTools()...)
	srv.AddTools(messageTools(srv)...)
	srv.AddTools(inputTools(newSealer())...)
	srv.AddResources(resources()...)
	srv.AddResourceTemplate(template())
	srv.AddPrompts(prompts()...)
}
