package stdio_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/tools/calls/callstest"
	"github.com/huskies/huskies-mcp/tools/stdio"
)

// serve is a transport over pipes inside the process, which simulated time knows.
func serve(t *testing.T, srv *server.MCPServer) *callstest.Client {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	return callstest.NewClient(t, inW, func(ctx context.Context, c *callstest.Client, log *slog.Logger) error {
		go collect(outR, c)
		defer outW.Close()
		return stdio.Serve(ctx, srv, inR, outW, log)
	})
}

// collect collects what the session writes.
func collect(out io.Reader, c *callstest.Client) {
	defer close(c.Lines)
	s := bufio.NewScanner(out)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		c.Lines <- s.Text()
	}
}

func TestReaderStopsAfterServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, callstest.NewTools().Srv)
		c.Send(callstest.Ping("1"))
		if got := c.Next(); got != "1: ok" {
			t.Errorf("got %s, want the answer to ping", got)
		}
		c.Stop()
		if rest := c.Rest(nil); len(rest) > 0 {
			t.Errorf("got %q, want no more output", rest)
		}
		c.Send(`{"half`) // taken by the Read that was blocked
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			io.WriteString(c.In, " a message") // taken by nobody
		}()
		synctest.Wait()
		select {
		case <-sent:
			t.Error("input was read after Serve had returned")
		default:
		}
		c.In.Close()
		<-sent
	})
}

// pieces records each Write by itself.
type pieces struct{ writes []string }

func (p *pieces) Write(b []byte) (int, error) {
	p.writes = append(p.writes, string(b))
	return len(b), nil
}

func TestOneWriteForEachMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := strings.NewReader(callstest.Initialize + "\n" + callstest.Call("1", "progress", "line\nbreak") + "\n" +
			callstest.Call(`"<&>"`, "missing", "<") + "\n" + "junk")
		var out pieces
		if err := stdio.Serve(t.Context(), callstest.NewTools().Srv, in, &out, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if len(out.writes) != 7 {
			t.Errorf("got %d writes, want 7: %q", len(out.writes), out.writes)
		}
		for _, w := range out.writes {
			if strings.IndexByte(w, '\n') != len(w)-1 || !json.Valid([]byte(w)) {
				t.Errorf("got write %q, want one JSON line", w)
			}
		}
	})
}

func TestHTMLIsNotEscaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out pieces
		in := strings.NewReader(callstest.Call("1", "<b>&", ""))
		if err := stdio.Serve(t.Context(), callstest.NewTools().Srv, in, &out, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(out.writes, ""); !strings.Contains(got, "<b>&") {
			t.Errorf("got %s, want <b>& as it is", got)
		}
	})
}

func TestFailedWriteEndsServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		inR, inW := io.Pipe()
		defer inW.Close()
		outR, outW := io.Pipe()
		gone := errors.New("client is gone")
		outR.CloseWithError(gone)
		done := make(chan error)
		go func() { done <- stdio.Serve(t.Context(), ts.Srv, inR, outW, slog.New(slog.DiscardHandler)) }()
		// The call under way and the one queued must not hold Serve up.
		io.WriteString(inW, callstest.Call("1", "wait", "")+"\n"+callstest.Call("2", "wait", "")+"\n")
		<-ts.Started
		io.WriteString(inW, callstest.Ping("3")+"\n")
		if err := <-done; !errors.Is(err, gone) {
			t.Errorf("Serve: got %v, want %v", err, gone)
		}
		if err := <-ts.Ended; !errors.Is(err, context.Canceled) {
			t.Errorf("context of the call: got %v, want %v", err, context.Canceled)
		}
	})
}

func TestFailedReadEndsServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, callstest.NewTools().Srv)
		broken := errors.New("broken pipe")
		c.Send(callstest.Call("1", "note", "a"))
		io.WriteString(c.In, `{"half`)
		c.In.(*io.PipeWriter).CloseWithError(broken)
		if diff := cmp.Diff([]string{"1: a"}, c.Rest(broken)); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}
