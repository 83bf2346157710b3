// Command bare is what the benchmarks of huskies-mcp compare it with: an MCP server that does nothing. Without an argument it
// is mcp-go's own ServeStdio without tools; with "trivial" it is one tool that answers at once, on the transport of
// huskies-mcp.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/tools/stdio"
)

func main() {
	srv := server.NewMCPServer("bare", "1")
	var err error
	if len(os.Args) > 1 && os.Args[1] == "trivial" {
		srv.AddTool(mcp.Tool{Name: "trivial", RawInputSchema: json.RawMessage(`{"type":"object"}`)},
			func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return mcp.NewToolResultText("ok"), nil
			})
		err = stdio.Serve(context.Background(), srv, os.Stdin, os.Stdout, slog.New(slog.DiscardHandler))
	} else {
		err = server.ServeStdio(srv)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
