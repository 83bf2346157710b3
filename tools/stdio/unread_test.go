package stdio_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/huskies/huskies-mcp/tools/calls/callstest"
	"github.com/huskies/huskies-mcp/tools/stdio"
)

// unread is a client that sends and reads nothing by itself.
type unread struct {
	in   *io.PipeWriter
	out  *io.PipeReader
	stop context.CancelFunc
	done chan error
}

func serveUnread(t *testing.T, ts *callstest.Tools) *unread {
	ctx, stop := context.WithCancel(t.Context())
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	c := &unread{in: inW, out: outR, stop: stop, done: make(chan error, 1)}
	go func() {
		err := stdio.Serve(ctx, ts.Srv, inR, outW, slog.New(slog.DiscardHandler))
		outW.Close()
		c.done <- err
	}()
	t.Cleanup(func() { inW.Close(); outR.Close(); stop() })
	return c
}

// sendMany sends calls, and requests that are answered at once, more than the session may run or queue
// in a pipe.
func (c *unread) sendMany(n int) {
	fmt.Fprintln(c.in, callstest.Initialize)
	for i := range n {
		fmt.Fprintln(c.in, callstest.Call(fmt.Sprint(2*i+1), "note", "n"))
		fmt.Fprintln(c.in, callstest.Ping(fmt.Sprint(2*i+2)))
	}
}

// TestClientThatNeverReads: the session of a client that never reads ends soon after the end of its
// input, and soon after it is told to stop.
func TestClientThatNeverReads(t *testing.T) {
	for name, end := range map[string]func(*unread){
		"end of input": func(c *unread) { c.in.Close() },
		"told to stop": func(c *unread) { c.stop() },
		"both":         func(c *unread) { c.in.Close(); c.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serveUnread(t, callstest.NewTools())
				c.sendMany(2000)
				time.Sleep(time.Hour) // a client may pause
				select {
				case err := <-c.done:
					t.Fatalf("before the end: Serve returned %v", err)
				default:
				}
				begin := time.Now()
				end(c)
				err := <-c.done
				if err == nil || !strings.Contains(err.Error(), "does not read") {
					t.Errorf("Serve: got %v, want that the client does not read", err)
				}
				if took := time.Since(begin); took > 3*time.Second {
					t.Errorf("the session ended after %v, want at most 3 s", took)
				}
			})
		})
	}
}

// TestStuckHandlerAndClientThatNeverReads: a handler that lasts until its context ends does not add its
// time to that of an answer that nobody reads.
func TestStuckHandlerAndClientThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := serveUnread(t, ts)
		fmt.Fprintln(c.in, callstest.Call("1", "wait", "w"))
		<-ts.Started
		begin := time.Now()
		c.stop()
		if err := <-c.done; err == nil {
			t.Error("Serve: got nil, want that the client does not read")
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("the session ended after %v, want at most 3 s", took)
		}
	})
}

// TestClientThatReadsSlowly: a client that takes a second for each answer gets all of them, also after
// the end of its input.
func TestClientThatReadsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serveUnread(t, callstest.NewTools())
		c.sendMany(50)
		c.in.Close()
		for range 101 {
			time.Sleep(time.Second)
			if _, err := c.out.Read(make([]byte, 1<<20)); err != nil { // one Write of the session
				t.Fatal(err)
			}
		}
		if err := <-c.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// longCalls is an input of calls with a long argument each, which counts what is read of it.
type longCalls struct {
	rest  string // of the call that is being read
	calls int    // still to come after rest
	read  atomic.Int64
}

func (l *longCalls) Read(p []byte) (int, error) {
	if l.rest == "" {
		if l.calls == 0 {
			return 0, io.EOF
		}
		l.rest = strings.Replace(callstest.Call(fmt.Sprint(l.calls), "share", "s"), `"params":{`,
			`"params":{"_meta":{"x":"`+strings.Repeat("x", 15<<20)+`"},`, 1) + "\n"
		l.calls--
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	l.read.Add(int64(n))
	return n, nil
}

// TestBytesInFlightAreBounded: however long the calls are that run, the session holds at most 64 MiB of
// them, and reads on when they are answered.
func TestBytesInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		in := &longCalls{calls: 5}
		out := new(pieces)
		done := make(chan error)
		go func() { done <- stdio.Serve(t.Context(), ts.Srv, in, out, slog.New(slog.DiscardHandler)) }()
		synctest.Wait()
		if read := in.read.Load(); read > 64<<20 {
			t.Errorf("%d MiB are read and not answered, want at most 64", read>>20)
		}
		close(ts.Release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(out.writes) != 5 {
			t.Errorf("%d answers, want 5", len(out.writes))
		}
	})
}
