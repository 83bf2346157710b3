package stdio_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/tools/stdio"
)

// servePipes is serve over the system's own pipes, with the scheduler and the
// buffers of real life in between.
func servePipes(t *testing.T, ts *tools) *client {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	inR, inW := mustPipe(t)
	outR, outW := mustPipe(t)
	c := &client{t: t, in: inW, stop: stop, lines: make(chan string, 8192), done: make(chan error, 1), log: new(strings.Builder)}
	go func() {
		defer close(c.lines)
		s := bufio.NewScanner(outR)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			c.lines <- s.Text()
		}
	}()
	go func() {
		err := stdio.Serve(ctx, ts.srv, inR, outW, slog.New(slog.NewTextHandler(c.log, nil)))
		outW.Close()
		c.done <- err
	}()
	t.Cleanup(func() { inW.Close(); stop() })
	return c
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

// runs is how often each guarantee is tried: most faults of order need luck.
const runs = 30

// want compares what came with what should have.
func (c *client) want(got, want []string) {
	c.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("output (-want +got):\n%s", diff)
	}
}

// guarantees are those of the package comment that a client can see. Each is tried
// over real pipes.
var guarantees = []struct {
	name string
	try  func(t *testing.T, ts *tools, c *client)
}{
	{"every request before the end of input is answered, a last line without newline too", func(t *testing.T, ts *tools, c *client) {
		var in strings.Builder
		want := []string{"0: ok"}
		fmt.Fprintln(&in, initialize)
		for i := 1; i <= 100; i++ {
			fmt.Fprintln(&in, call(fmt.Sprint(i), "note", fmt.Sprint("n", i)))
			want = append(want, fmt.Sprintf("%d: n%d", i, i))
		}
		in.WriteString(call("101", "note", "no newline"))
		want = append(want, "101: no newline")
		io.WriteString(c.in, in.String())
		c.want(c.finish(), want)
	}},
	{"initialize is answered before what follows it in the same write", func(t *testing.T, ts *tools, c *client) {
		io.WriteString(c.in, initialize+"\n"+call("1", "share", "a")+"\n"+ping("2")+"\n")
		close(ts.release)
		if got := c.next(); got != "0: ok" {
			t.Errorf("the first answer is %s", got)
		}
		c.finish()
	}},
	{"calls take effect in the order sent, and see those before them", func(t *testing.T, ts *tools, c *client) {
		var in strings.Builder
		var notes, want []string
		for i := range 20 {
			note := fmt.Sprint("n", i)
			notes = append(notes, note)
			fmt.Fprintln(&in, call(fmt.Sprint(2*i), "note", note))
			fmt.Fprintln(&in, call(fmt.Sprint(2*i+1), "notes", ""))
			want = append(want, fmt.Sprintf("%d: %s", 2*i, note), fmt.Sprintf("%d: %s", 2*i+1, strings.Join(notes, " ")))
		}
		io.WriteString(c.in, in.String())
		c.want(c.finish(), want)
	}},
	{"calls that have handed over run side by side", func(t *testing.T, ts *tools, c *client) {
		for i := range 10 {
			c.send(call(fmt.Sprint(i), "share", "s"))
		}
		for range 10 { // all have started, none has ended
			<-ts.started
		}
		close(ts.release)
		if got := c.finish(); len(got) != 10 {
			t.Errorf("got %d answers", len(got))
		}
	}},
	{"a cancelled call never starts, or has its context cancelled, and is not answered", func(t *testing.T, ts *tools, c *client) {
		c.send(call("1", "wait", "under way"), call("2", "note", "queued"), call("3", "note", "kept"))
		<-ts.started
		c.send(cancel("2"), cancel("1"))
		if err := <-ts.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("context of the cancelled call: got %v", err)
		}
		c.want(c.finish(), []string{"3: kept"})
		c.want(ts.notes, []string{"kept"})
	}},
	{"a ping is answered while 130 slow calls wait or run", func(t *testing.T, ts *tools, c *client) {
		for i := range 130 {
			c.send(call(fmt.Sprint(i), "share", "slow"))
		}
		c.send(ping(`"p"`))
		if got := c.next(); got != `"p": ok` {
			t.Errorf("the first answer is %s", got)
		}
		close(ts.release)
		if got := c.finish(); len(got) != 130 {
			t.Errorf("got %d answers to calls", len(got))
		}
	}},
	{"progress never comes after its result", func(t *testing.T, ts *tools, c *client) {
		c.send(initialize)
		want := []string{"0: ok"}
		for i := range 10 {
			c.send(call(fmt.Sprint(i+1), "progress", "done"))
			for p := range 3 {
				want = append(want, fmt.Sprintf(`notifications/progress {"progress":%d}`, p))
			}
			want = append(want, fmt.Sprintf("%d: done", i+1))
		}
		c.want(c.finish(), want)
	}},
	{"the end of the context answers what was accepted", func(t *testing.T, ts *tools, c *client) {
		c.send(call("1", "wait", "a"), call("2", "note", "b"), ping("3"))
		<-ts.started
		if got := c.next(); got != "3: ok" {
			t.Errorf("the first answer is %s", got)
		}
		c.stop()
		close(ts.release)
		c.want(c.rest(nil), []string{"1: a", "2: b"})
	}},
	{"a panic costs its own answer and leaves a line in the log", func(t *testing.T, ts *tools, c *client) {
		c.send(call("1", "panic", ""), call("2", "note", "after"))
		c.want(c.finish(), []string{"1: -32603 internal error; the server's log has the details", "2: after"})
		if !strings.Contains(c.log.String(), "handler panicked") {
			t.Errorf("the log says\n%s", c.log)
		}
	}},
	{"malformed lines get their errors and the next ones are served", func(t *testing.T, ts *tools, c *client) {
		c.send(`{"jsonrpc":`, "["+ping("1")+"]", ping("null"), `{"jsonrpc":"2.0","id":2,"method":"nope"}`, ping("9007199254740993"), ping(`"\u0041"`))
		c.want(c.finish(), []string{
			"null: -32700 the line is not valid JSON, or nested too deeply; send one whole message a line",
			"null: -32600 batches are not part of MCP; send one message a line",
			"null: -32600 id must be a string or an integer of at most 64 bits",
			"2: -32601 Method nope not found",
			"9007199254740993: ok",
			`"A": ok`,
		})
	}},
}

func TestGuaranteesOverPipes(t *testing.T) {
	for _, g := range guarantees {
		t.Run(g.name, func(t *testing.T) {
			for range runs {
				ts := newTools()
				g.try(t, ts, servePipes(t, ts))
				if t.Failed() {
					return
				}
			}
		})
	}
}

// TestLongLineOverPipes: a line over the bound is refused, whatever it is cut into,
// and the next one is served.
func TestLongLineOverPipes(t *testing.T) {
	long := strings.Repeat("x", stdio.MaxMessageBytes+1)
	for range 3 { // 16 MiB each
		c := servePipes(t, newTools())
		c.send(long, ping("1"), long+"y", ping("2"))
		got := c.finish()
		if len(got) != 4 || !strings.HasPrefix(got[0], "null: -32600 the message is longer than 16777216 bytes") ||
			!slices.Equal([]string{got[1], got[3]}, []string{"1: ok", "2: ok"}) {
			t.Errorf("got %q", got)
		}
	}
}

// TestClientGoesAway: a client that closes its end ends Serve with an error, and
// calls that are under way have their contexts cancelled.
func TestClientGoesAway(t *testing.T) {
	for range runs {
		ts := newTools()
		inR, inW := mustPipe(t)
		outR, outW := mustPipe(t)
		done := make(chan error, 1)
		go func() { done <- stdio.Serve(t.Context(), ts.srv, inR, outW, slog.New(slog.DiscardHandler)) }()
		fmt.Fprintln(inW, call("1", "wait", "a"))
		<-ts.started
		outR.Close()
		fmt.Fprintln(inW, ping("2"))
		if err := <-ts.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("context of the call: got %v", err)
		}
		if err := <-done; !errors.Is(err, os.ErrClosed) && !strings.Contains(fmt.Sprint(err), "broken pipe") {
			t.Errorf("Serve: got %v, want a broken pipe", err)
		}
		inW.Close()
	}
}
