package stdio

import (
	"context"
	"io"
	"log/slog"

	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/tools/calls"
)

// Serve serves srv over in and out until the input ends, ctx is done or writing fails. Serve returns
// nil at the end of input and when ctx is done, and otherwise the error of the failed read or write.
func Serve(ctx context.Context, srv *server.MCPServer, in io.Reader, out io.Writer, log *slog.Logger) error {
	messages, done := make(chan calls.Message), make(chan struct{})
	defer close(done)
	// Serve does not wait for the reader, see readLines.
	go readLines(in, messages, done)
	return calls.Serve(ctx, srv, messages, lineWriter(out), log)
}

// lineWriter returns a function that writes a message as one line with one Write.
func lineWriter(out io.Writer) func(message []byte) error {
	return func(message []byte) error {
		_, err := out.Write(append(message, '\n'))
		return err
	}
}
