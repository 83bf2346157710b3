package callstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/tools/calls"
)

// runs is how often each guarantee is tried, because most faults of order show by luck.
const runs = 30

// want compares what came with what should have.
func (c *Client) want(got, want []string) {
	c.T.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		c.T.Errorf("output (-want +got):\n%s", diff)
	}
}

// guarantees are the guarantees of the comment of package calls that a client can see.
var guarantees = []struct {
	name string
	try  func(t *testing.T, ts *Tools, c *Client)
}{
	{"every request before the end of input is answered, a last line without newline too", func(t *testing.T, ts *Tools, c *Client) {
		var in strings.Builder
		want := []string{"0: ok"}
		fmt.Fprintln(&in, Initialize)
		for i := 1; i <= 100; i++ {
			fmt.Fprintln(&in, Call(fmt.Sprint(i), "note", fmt.Sprint("n", i)))
			want = append(want, fmt.Sprintf("%d: n%d", i, i))
		}
		in.WriteString(Call("101", "note", "no newline"))
		want = append(want, "101: no newline")
		io.WriteString(c.In, in.String())
		c.want(c.Finish(), want)
	}},
	{"initialize is answered before what follows it in the same write", func(t *testing.T, ts *Tools, c *Client) {
		io.WriteString(c.In, Initialize+"\n"+Call("1", "share", "a")+"\n"+Ping("2")+"\n")
		close(ts.Release)
		if got := c.Next(); got != "0: ok" {
			t.Errorf("the first answer is %s", got)
		}
		c.Finish()
	}},
	{"calls take effect in the order sent, and see those before them", func(t *testing.T, ts *Tools, c *Client) {
		var in strings.Builder
		var notes, want []string
		for i := range 20 {
			note := fmt.Sprint("n", i)
			notes = append(notes, note)
			fmt.Fprintln(&in, Call(fmt.Sprint(2*i), "note", note))
			fmt.Fprintln(&in, Call(fmt.Sprint(2*i+1), "notes", ""))
			want = append(want, fmt.Sprintf("%d: %s", 2*i, note), fmt.Sprintf("%d: %s", 2*i+1, strings.Join(notes, " ")))
		}
		io.WriteString(c.In, in.String())
		c.want(c.Finish(), want)
	}},
	{"calls that have handed over run side by side", func(t *testing.T, ts *Tools, c *Client) {
		for i := range 10 {
			c.Send(Call(fmt.Sprint(i), "share", "s"))
		}
		for range 10 { // all have started, none has ended
			<-ts.Started
		}
		close(ts.Release)
		if got := c.Finish(); len(got) != 10 {
			t.Errorf("got %d answers", len(got))
		}
	}},
	{"a cancelled call never starts, or has its context cancelled, and is not answered", func(t *testing.T, ts *Tools, c *Client) {
		c.Send(Call("1", "wait", "under way"), Call("2", "note", "queued"), Call("3", "note", "kept"))
		<-ts.Started
		c.Send(Cancel("2"), Cancel("1"))
		if err := <-ts.Ended; !errors.Is(err, context.Canceled) {
			t.Errorf("context of the cancelled call: got %v", err)
		}
		c.want(c.Finish(), []string{"3: kept"})
		c.want(ts.Notes(), []string{"kept"})
	}},
	{"a ping is answered while 130 slow calls wait or run", func(t *testing.T, ts *Tools, c *Client) {
		for i := range 130 {
			c.Send(Call(fmt.Sprint(i), "share", "slow"))
		}
		c.Send(Ping(`"p"`))
		if got := c.Next(); got != `"p": ok` {
			t.Errorf("the first answer is %s", got)
		}
		close(ts.Release)
		if got := c.Finish(); len(got) != 130 {
			t.Errorf("got %d answers to calls", len(got))
		}
	}},
	{"progress never comes after its result", func(t *testing.T, ts *Tools, c *Client) {
		c.Send(Initialize)
		want := []string{"0: ok"}
		for i := range 10 {
			c.Send(Call(fmt.Sprint(i+1), "progress", "done"))
			for p := range 3 {
				want = append(want, fmt.Sprintf(`notifications/progress {"progress":%d}`, p))
			}
			want = append(want, fmt.Sprintf("%d: done", i+1))
		}
		c.want(c.Finish(), want)
	}},
	{"the end of the context answers what was accepted", func(t *testing.T, ts *Tools, c *Client) {
		c.Send(Call("1", "wait", "a"), Call("2", "note", "b"), Ping("3"))
		<-ts.Started
		if got := c.Next(); got != "3: ok" {
			t.Errorf("the first answer is %s", got)
		}
		c.Stop()
		close(ts.Release)
		c.want(c.Rest(nil), []string{"1: a", "2: b"})
	}},
	{"a panic costs its own answer and leaves a line in the log", func(t *testing.T, ts *Tools, c *Client) {
		c.Send(Call("1", "panic", ""), Call("2", "note", "after"))
		c.want(c.Finish(), []string{"1: -32603 internal error; the server's log has the details", "2: after"})
		if !strings.Contains(c.Log.String(), "handler panicked") {
			t.Errorf("the log says\n%s", c.Log)
		}
	}},
	{"256 calls may wait and take no other call's place, and end with the session", func(t *testing.T, ts *Tools, c *Client) {
		for i := range 256 {
			c.Send(Call(fmt.Sprint(i), "sleep", "s"))
			<-ts.Started
		}
		c.Send(Call("256", "sleep", "one more"))
		c.want([]string{c.Next()}, []string{"256: 256 calls wait already"})
		for i := range 100 { // more than may go on side by side
			c.Send(Call("300", "note", fmt.Sprint("n", i)))
			c.want([]string{c.Next()}, []string{fmt.Sprint("300: n", i)})
		}
		ts.Wake <- struct{}{}
		if got := c.Next(); !strings.HasSuffix(got, " woken") {
			t.Errorf("got %s, want a call that was woken", got)
		}
		for _, got := range c.Finish() {
			if !strings.Contains(got, calls.ErrEnding.Error()) {
				t.Errorf("at the end: %s", got)
			}
		}
	}},
	{"at most 64 calls go on side by side", func(t *testing.T, ts *Tools, c *Client) {
		for i := range 65 {
			c.Send(Call(fmt.Sprint(i), "share", "s"))
		}
		for range 64 {
			<-ts.Started
		}
		c.Send(Ping(`"p"`)) // the 65th call is taken by the time of the answer
		c.want([]string{c.Next()}, []string{`"p": ok`})
		if len(ts.Started) > 0 {
			t.Error("the 65th call has started")
		}
		close(ts.Release)
		if got := c.Finish(); len(got) != 65 {
			t.Errorf("got %d answers", len(got))
		}
	}},
	{"a handler's own code and text reach the client", func(t *testing.T, ts *Tools, c *Client) {
		c.Send(Call("1", "refuse", "b\u202eed"))
		c.want(c.Finish(), []string{"1: -32055 there is no bed"})
	}},
	{"each client is a session of its own, of either era", func(t *testing.T, ts *Tools, c *Client) {
		c.Send(Initialize, Call("1", "client", ""))
		c.want([]string{c.Next(), c.Next()}, []string{"0: ok", "1: tester 2025-11-25"})
		c.Send(Modern("2", "tools/call", `"name":"client",`))
		c.want(c.Finish(), []string{"2: newcomer 2026-07-28"})
	}},
	{"malformed lines get their errors and the next ones are served", func(t *testing.T, ts *Tools, c *Client) {
		c.Send(`{"jsonrpc":`, "["+Ping("1")+"]", Ping("null"), `{"jsonrpc":"2.0","id":2,"method":"nope"}`, Ping("9007199254740993"), Ping(`"\u0041"`))
		c.want(c.Finish(), []string{
			"null: -32700 the message is not valid JSON, or nested too deeply; send one whole message at a time, over stdio one a line",
			"1: -32600 batches are not part of MCP; send one message at a time",
			"null: -32600 id must be a string or an integer of at most 64 bits",
			"2: -32601 Method nope not found",
			"9007199254740993: ok",
			`"A": ok`,
		})
	}},
}

// Guarantees tries each of the guarantees of package calls over a transport.
func Guarantees(t *testing.T, start Transport) {
	for _, g := range guarantees {
		t.Run(g.name, func(t *testing.T) {
			for range runs {
				ts := NewTools()
				g.try(t, ts, start(t, ts.Srv))
				if t.Failed() {
					return
				}
			}
		})
	}
}
