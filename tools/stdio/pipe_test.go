package stdio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/tools/calls"
	"github.com/huskies/huskies-mcp/tools/calls/callstest"
	"github.com/huskies/huskies-mcp/tools/stdio"
)

// servePipes is a transport over the system's own pipes, with the scheduler and the buffers of real life
// in between.
func servePipes(t *testing.T, srv *server.MCPServer) *callstest.Client {
	inR, inW := mustPipe(t)
	outR, outW := mustPipe(t)
	return callstest.NewClient(t, inW, func(ctx context.Context, c *callstest.Client, log *slog.Logger) error {
		go collect(outR, c)
		defer outW.Close()
		return stdio.Serve(ctx, srv, inR, outW, log)
	})
}

func mustPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func TestGuaranteesOverPipes(t *testing.T) { callstest.Guarantees(t, servePipes) }

// TestLongLineOverPipes: a line over the bound is refused, whatever it is cut into,
// and the next one is served.
func TestLongLineOverPipes(t *testing.T) {
	long := strings.Repeat("x", calls.MaxMessageBytes+1)
	for range 3 { // 16 MiB each
		c := servePipes(t, callstest.NewTools().Srv)
		c.Send(long, callstest.Ping("1"), long+"y", callstest.Ping("2"))
		got := c.Finish()
		if len(got) != 4 || !strings.HasPrefix(got[0], "null: -32600 the message is longer than 16777216 bytes") ||
			!slices.Equal([]string{got[1], got[3]}, []string{"1: ok", "2: ok"}) {
			t.Errorf("got %q", got)
		}
	}
}

// TestClientGoesAway: a client that closes its end ends Serve with an error, and
// calls that are under way have their contexts cancelled.
func TestClientGoesAway(t *testing.T) {
	for range 30 {
		ts := callstest.NewTools()
		inR, inW := mustPipe(t)
		outR, outW := mustPipe(t)
		done := make(chan error, 1)
		go func() { done <- stdio.Serve(t.Context(), ts.Srv, inR, outW, slog.New(slog.DiscardHandler)) }()
		fmt.Fprintln(inW, callstest.Call("1", "wait", "a"))
		<-ts.Started
		outR.Close()
		fmt.Fprintln(inW, callstest.Ping("2"))
		if err := <-ts.Ended; !errors.Is(err, context.Canceled) {
			t.Errorf("context of the call: got %v", err)
		}
		if err := <-done; !errors.Is(err, os.ErrClosed) && !strings.Contains(fmt.Sprint(err), "broken pipe") {
			t.Errorf("Serve: got %v, want a broken pipe", err)
		}
		inW.Close()
	}
}
