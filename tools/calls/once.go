package calls

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/mark3labs/mcp-go/server"
)

// Once serves one request, in a session of its own, and returns the answer. When ctx is done the request
// is treated as Serve treats the calls that it has taken. The error is that of ctx if ctx was done before
// the request was taken.
func Once(ctx context.Context, srv *server.MCPServer, request []byte, log *slog.Logger) (answer []byte, err error) {
	in := make(chan Message, 1)
	in <- Message{Text: request}
	err = Serve(ctx, srv, in, func(message []byte) error {
		var of struct {
			Method string `json:"method"`
		}
		if err := json.Unmarshal(message, &of); err != nil || of.Method != "" {
			return err // a notification, which nobody waits for
		}
		// The input ends with the answer and not before, since a call that waits ends with the input.
		answer = message
		close(in)
		return nil
	}, log)
	if answer == nil && err == nil {
		err = ctx.Err()
	}
	return answer, err
}
