package stdio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/huskies/huskies-mcp/tools/stdio"
)

// These tests run in synctest bubbles: a test fails when a goroutine is left
// behind or everything is blocked, and drainTime passes at once.

func TestEveryRequestBeforeTheEndOfInputIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, newTools().srv)
		want := []string{"0: ok"}
		c.send(initialize)
		for i := 1; i <= 200; i++ {
			c.send(call(fmt.Sprint(i), "note", fmt.Sprint("n", i)))
			want = append(want, fmt.Sprintf("%d: n%d", i, i))
		}
		io.WriteString(c.in, call("201", "note", "no newline"))
		want = append(want, "201: no newline")
		if diff := cmp.Diff(want, c.finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestCallsRunInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, newTools().srv)
		batch := []string{call("1", "note", "a"), call("2", "note", "b"), call("3", "notes", "")}
		io.WriteString(c.in, strings.Join(batch, "\n"))
		if diff := cmp.Diff([]string{"1: a", "2: b", "3: a b"}, c.finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

// TestHandedOverCallsRunSideBySide: they start in order, each when the one before
// has handed over, up to as many as may run at once; a call that does not hand
// over keeps those behind it waiting.
func TestHandedOverCallsRunSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTools()
		c := serve(t, ts.srv)
		for i := range 100 {
			c.send(call(fmt.Sprint(i), "share", fmt.Sprint("s", i)))
		}
		synctest.Wait()
		if n := len(ts.started); n != 64 {
			t.Errorf("%d calls run, want 64", n)
		}
		c.send(call("100", "wait", "alone"), call("101", "share", "last"))
		for range 100 {
			ts.release <- struct{}{}
		}
		synctest.Wait()
		if n := len(ts.started); n != 101 {
			t.Errorf("%d calls have started, want all but the last", n)
		}
		close(ts.release)
		if got := len(c.finish()); got != 102 {
			t.Errorf("%d answers, want 102", got)
		}
		for i := range 100 {
			if got, want := <-ts.started, fmt.Sprint("s", i); got != want {
				t.Fatalf("call %d to start: %s", i, got)
			}
		}
	})
}

func TestPingDoesNotWaitForCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTools()
		c := serve(t, ts.srv)
		for i := range 130 {
			c.send(call(fmt.Sprint(i), "wait", "slow"))
		}
		c.send(ping(`"p"`), `{"jsonrpc":"2.0","id":"l","method":"tools/list"}`)
		got := []string{c.next(), c.next()}
		if diff := cmp.Diff([]string{`"p": ok`, `"l": ok`}, got); diff != "" {
			t.Errorf("first answers (-want +got):\n%s", diff)
		}
		close(ts.release)
		if rest := c.finish(); len(rest) != 130 {
			t.Errorf("got %d answers to calls, want 130", len(rest))
		}
	})
}

func TestInitializeIsAnsweredBeforeTheCallsAfterIt(t *testing.T) {
	for range 50 { // the order would be a matter of luck
		synctest.Test(t, func(t *testing.T) {
			c := serve(t, newTools().srv)
			io.WriteString(c.in, initialize+"\n"+call("1", "note", "a")+"\n")
			if diff := cmp.Diff([]string{"0: ok", "1: a"}, c.finish()); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCancelledCallIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTools()
		c := serve(t, ts.srv)
		c.send(call("1", "wait", "under way"), call("2", "note", "queued"), call("3", "note", "kept"))
		<-ts.started
		c.send(cancel("2"), cancel("1"))
		if err := <-ts.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("context of the cancelled call: got %v, want %v", err, context.Canceled)
		}
		if diff := cmp.Diff([]string{"3: kept"}, c.finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"kept"}, ts.notes); diff != "" {
			t.Errorf("calls that ran (-want +got):\n%s", diff)
		}
	})
}

func TestCancelTellsStringsFromIntegers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTools()
		c := serve(t, ts.srv)
		c.send(call("0", "wait", "first"))
		<-ts.started
		c.send(
			call("1", "note", "integer"), call(`"1"`, "note", "string"),
			// Equal as float64.
			call("9007199254740993", "note", "odd"), call("9007199254740992", "note", "even"),
			cancel(`"1"`), cancel("9007199254740992"),
			// Nothing to cancel.
			cancel("77"), cancel("null"), cancel("1.0"),
			`{"jsonrpc":"2.0","method":"notifications/cancelled"}`,
			`{"jsonrpc":"2.0","method":"notifications/cancelled","params":[]}`,
		)
		ts.release <- struct{}{}
		want := []string{"0: first", "1: integer", "9007199254740993: odd"}
		if diff := cmp.Diff(want, c.finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestInitializeCannotBeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, newTools().srv)
		io.WriteString(c.in, initialize+"\n"+cancel("0")+"\n")
		if diff := cmp.Diff([]string{"0: ok"}, c.finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestEndOfContextFinishesWhatWasAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTools()
		c := serve(t, ts.srv)
		c.send(call("1", "wait", "under way"), call("2", "wait", "queued"))
		<-ts.started
		synctest.Wait() // the loop has both
		c.stop()
		synctest.Wait()
		close(ts.release)
		if diff := cmp.Diff([]string{"1: under way", "2: queued"}, c.rest(nil)); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		for range 2 {
			if err := <-ts.ended; err != nil {
				t.Errorf("context of a call while draining: got %v, want nil", err)
			}
		}
	})
}

func TestReaderStopsAfterServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, newTools().srv)
		c.send(ping("1"))
		if got := c.next(); got != "1: ok" {
			t.Errorf("got %s, want the answer to ping", got)
		}
		c.stop()
		if rest := c.rest(nil); len(rest) > 0 {
			t.Errorf("got %q, want no more output", rest)
		}
		c.send(`{"half`) // taken by the Read that was blocked
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			io.WriteString(c.in, " a message") // taken by nobody
		}()
		synctest.Wait()
		select {
		case <-sent:
			t.Error("input was read after Serve had returned")
		default:
		}
		c.in.Close()
		<-sent
	})
}

func TestDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTools()
		c := serve(t, ts.srv)
		c.send(call("1", "wait", "endless"), call("2", "note", "queued"))
		<-ts.started
		synctest.Wait() // the loop has both
		c.stop()
		want := []string{"1: endless", "2: -32000 the server is shutting down and did not run this call"}
		if diff := cmp.Diff(want, c.rest(nil)); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		if len(ts.notes) > 0 {
			t.Errorf("got calls %q after the drain, want none", ts.notes)
		}
	})
}

func TestEndOfInputThenEndOfContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTools()
		c := serve(t, ts.srv)
		c.send(call("1", "wait", "endless"))
		c.in.Close()
		<-ts.started
		synctest.Wait()
		c.stop()
		if diff := cmp.Diff([]string{"1: endless"}, c.rest(nil)); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestFullQueueStopsReading(t *testing.T) {
	const queued = 1024 // maxQueuedCalls
	fill := func(t *testing.T) (*tools, *client) {
		ts := newTools()
		c := serve(t, ts.srv)
		c.send(call("0", "wait", "first"))
		<-ts.started
		for i := range queued {
			c.send(call(fmt.Sprint(i+1), "note", "n"))
		}
		// The reader takes one more line, nobody takes it from there.
		c.send(ping(`"held"`))
		synctest.Wait()
		if len(c.lines) > 0 {
			t.Fatalf("got %s, want no answer while the queue is full", c.next())
		}
		return ts, c
	}
	t.Run("until a call ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ts, c := fill(t)
			ts.release <- struct{}{}
			got := c.finish()
			slices.Sort(got)
			if len(got) != queued+2 || !slices.Contains(got, `"held": ok`) {
				t.Errorf("got %d answers, want %d and one to the ping", len(got), queued+2)
			}
		})
	})
	t.Run("until the context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ts, c := fill(t)
			c.stop()
			synctest.Wait()
			ts.release <- struct{}{}
			if got := c.rest(nil); len(got) != queued+1 {
				t.Errorf("got %d answers, want the %d calls accepted", len(got), queued+1)
			}
		})
	})
}

func TestCancellingQueuedCallsMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTools()
		c := serve(t, ts.srv)
		c.send(call("0", "wait", "first"))
		<-ts.started
		for i := range 3000 { // never more than two in the queue
			id := fmt.Sprint(i + 1)
			c.send(call(id, "note", "n"), cancel(id))
		}
		c.send(ping("9999"))
		if got := c.next(); got != "9999: ok" {
			t.Errorf("got %s, want the answer to ping", got)
		}
		close(ts.release)
		if diff := cmp.Diff([]string{"0: first"}, c.finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestPanicCostsOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTools()
		ts.srv.AddNotificationHandler("notifications/bad", func(context.Context, mcp.JSONRPCNotification) { panic("secret") })
		c := serve(t, ts.srv)
		c.send(call("1", "panic", ""), `{"jsonrpc":"2.0","method":"notifications/bad"}`, call("2", "note", "alive"))
		want := []string{"1: -32603 internal error; the server's log has the details", "2: alive"}
		if diff := cmp.Diff(want, c.finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		if got := c.log.String(); !strings.Contains(got, "handler panicked") || !strings.Contains(got, "stdio_test.go") {
			t.Errorf("got log %q, want the panic and its stack", got)
		}
	})
}

// TestErrorsArePrintable: what a client sent comes back cut, and without what cannot
// be seen.
func TestErrorsArePrintable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, newTools().srv)
		c.send(call("1", "no\u202e\b\nsuch", ""), call("2", strings.Repeat("é", 1<<20), ""))
		answers := c.finish()
		if want := "1: -32602 tool 'no such' not found: tool not found"; answers[0] != want {
			t.Errorf("got %q, want %q", answers[0], want)
		}
		if n := len(answers[1]); n > 3<<10 || !strings.HasPrefix(answers[1], "2: -32602 tool 'éé") || !strings.HasSuffix(answers[1], "not found") {
			t.Errorf("got %d bytes: %.50s", n, answers[1])
		}
	})
}

func TestAnswerThatCannotBeEncoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, newTools().srv)
		c.send(call("1", "unencodable", ""), call("2", "note", "alive"))
		want := []string{"1: -32603 internal error; the server's log has the details", "2: alive"}
		if diff := cmp.Diff(want, c.finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestLogHoldsNoBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, newTools().srv)
		c.send(call("1", "note", "private words"), `{"private words":1}`, `private words`)
		c.finish()
		if strings.Contains(c.log.String(), "private words") {
			t.Errorf("got log %q, want no message bodies", c.log)
		}
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
		in := strings.NewReader(initialize + "\n" + call("1", "progress", "line\nbreak") + "\n" +
			call(`"<&>"`, "missing", "<") + "\n" + "junk")
		var out pieces
		if err := stdio.Serve(t.Context(), newTools().srv, in, &out, slog.New(slog.DiscardHandler)); err != nil {
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
		in := strings.NewReader(call("1", "<b>&", ""))
		if err := stdio.Serve(t.Context(), newTools().srv, in, &out, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(out.writes, ""); !strings.Contains(got, "<b>&") {
			t.Errorf("got %s, want <b>& as it is", got)
		}
	})
}

func TestFailedWriteEndsServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTools()
		inR, inW := io.Pipe()
		defer inW.Close()
		outR, outW := io.Pipe()
		gone := errors.New("client is gone")
		outR.CloseWithError(gone)
		done := make(chan error)
		go func() { done <- stdio.Serve(t.Context(), ts.srv, inR, outW, slog.New(slog.DiscardHandler)) }()
		// The call under way and the one queued must not hold Serve up.
		io.WriteString(inW, call("1", "wait", "")+"\n"+call("2", "wait", "")+"\n")
		<-ts.started
		io.WriteString(inW, ping("3")+"\n")
		if err := <-done; !errors.Is(err, gone) {
			t.Errorf("Serve: got %v, want %v", err, gone)
		}
		if err := <-ts.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("context of the call: got %v, want %v", err, context.Canceled)
		}
	})
}

func TestFailedReadEndsServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, newTools().srv)
		broken := errors.New("broken pipe")
		c.send(call("1", "note", "a"))
		io.WriteString(c.in, `{"half`)
		c.in.(*io.PipeWriter).CloseWithError(broken)
		if diff := cmp.Diff([]string{"1: a"}, c.rest(broken)); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

const toolsChanged = `"notifications":{"toolsListChanged":true},`
