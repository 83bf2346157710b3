package calls_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/huskies/huskies-mcp/tools/calls/callstest"
)

// These tests run in synctest bubbles: a test fails when a goroutine is left
// behind or everything is blocked, and drainTime passes at once.

func TestEveryRequestBeforeTheEndOfInputIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := callstest.InProcess(t, callstest.NewTools().Srv)
		want := []string{"0: ok"}
		c.Send(callstest.Initialize)
		for i := 1; i <= 200; i++ {
			c.Send(callstest.Call(fmt.Sprint(i), "note", fmt.Sprint("n", i)))
			want = append(want, fmt.Sprintf("%d: n%d", i, i))
		}
		io.WriteString(c.In, callstest.Call("201", "note", "no newline"))
		want = append(want, "201: no newline")
		if diff := cmp.Diff(want, c.Finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestCallsRunInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := callstest.InProcess(t, callstest.NewTools().Srv)
		batch := []string{callstest.Call("1", "note", "a"), callstest.Call("2", "note", "b"), callstest.Call("3", "notes", "")}
		io.WriteString(c.In, strings.Join(batch, "\n"))
		if diff := cmp.Diff([]string{"1: a", "2: b", "3: a b"}, c.Finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

// TestHandedOverCallsRunSideBySide: they start in order, each when the one before
// has handed over, up to as many as may run at once; a call that does not hand
// over keeps those behind it waiting.
func TestHandedOverCallsRunSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		for i := range 100 {
			c.Send(callstest.Call(fmt.Sprint(i), "share", fmt.Sprint("s", i)))
		}
		synctest.Wait()
		if n := len(ts.Started); n != 64 {
			t.Errorf("%d calls run, want 64", n)
		}
		for range 100 {
			ts.Release <- struct{}{}
		}
		synctest.Wait() // all have taken what is theirs
		c.Send(callstest.Call("100", "wait", "alone"), callstest.Call("101", "share", "last"))
		synctest.Wait()
		if n := len(ts.Started); n != 101 {
			t.Errorf("%d calls have started, want all but the last", n)
		}
		close(ts.Release)
		if got := len(c.Finish()); got != 102 {
			t.Errorf("%d answers, want 102", got)
		}
		for i := range 100 {
			if got, want := <-ts.Started, fmt.Sprint("s", i); got != want {
				t.Fatalf("call %d to start: %s", i, got)
			}
		}
	})
}

func TestPingDoesNotWaitForCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		for i := range 130 {
			c.Send(callstest.Call(fmt.Sprint(i), "wait", "slow"))
		}
		c.Send(callstest.Ping(`"p"`), `{"jsonrpc":"2.0","id":"l","method":"tools/list"}`)
		got := []string{c.Next(), c.Next()}
		if diff := cmp.Diff([]string{`"p": ok`, `"l": ok`}, got); diff != "" {
			t.Errorf("first answers (-want +got):\n%s", diff)
		}
		close(ts.Release)
		if rest := c.Finish(); len(rest) != 130 {
			t.Errorf("got %d answers to calls, want 130", len(rest))
		}
	})
}

func TestInitializeIsAnsweredBeforeTheCallsAfterIt(t *testing.T) {
	for range 50 { // the order would be a matter of luck
		synctest.Test(t, func(t *testing.T) {
			c := callstest.InProcess(t, callstest.NewTools().Srv)
			io.WriteString(c.In, callstest.Initialize+"\n"+callstest.Call("1", "note", "a")+"\n")
			if diff := cmp.Diff([]string{"0: ok", "1: a"}, c.Finish()); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCancelledCallIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		c.Send(callstest.Call("1", "wait", "under way"), callstest.Call("2", "note", "queued"), callstest.Call("3", "note", "kept"))
		<-ts.Started
		c.Send(callstest.Cancel("2"), callstest.Cancel("1"))
		if err := <-ts.Ended; !errors.Is(err, context.Canceled) {
			t.Errorf("context of the cancelled call: got %v, want %v", err, context.Canceled)
		}
		if diff := cmp.Diff([]string{"3: kept"}, c.Finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"kept"}, ts.Notes()); diff != "" {
			t.Errorf("calls that ran (-want +got):\n%s", diff)
		}
	})
}

func TestCancelTellsStringsFromIntegers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		c.Send(callstest.Call("0", "wait", "first"))
		<-ts.Started
		c.Send(
			callstest.Call("1", "note", "integer"), callstest.Call(`"1"`, "note", "string"),
			// Equal as float64.
			callstest.Call("9007199254740993", "note", "odd"), callstest.Call("9007199254740992", "note", "even"),
			callstest.Cancel(`"1"`), callstest.Cancel("9007199254740992"),
			// Nothing to cancel.
			callstest.Cancel("77"), callstest.Cancel("null"), callstest.Cancel("1.0"),
			`{"jsonrpc":"2.0","method":"notifications/cancelled"}`,
			`{"jsonrpc":"2.0","method":"notifications/cancelled","params":[]}`,
		)
		ts.Release <- struct{}{}
		want := []string{"0: first", "1: integer", "9007199254740993: odd"}
		if diff := cmp.Diff(want, c.Finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestInitializeCannotBeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := callstest.InProcess(t, callstest.NewTools().Srv)
		io.WriteString(c.In, callstest.Initialize+"\n"+callstest.Cancel("0")+"\n")
		if diff := cmp.Diff([]string{"0: ok"}, c.Finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestEndOfContextFinishesWhatWasAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		c.Send(callstest.Call("1", "wait", "under way"), callstest.Call("2", "wait", "queued"))
		<-ts.Started
		synctest.Wait() // the loop has both
		c.Stop()
		synctest.Wait()
		close(ts.Release)
		if diff := cmp.Diff([]string{"1: under way", "2: queued"}, c.Rest(nil)); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		for range 2 {
			if err := <-ts.Ended; err != nil {
				t.Errorf("context of a call while draining: got %v, want nil", err)
			}
		}
	})
}

func TestDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		c.Send(callstest.Call("1", "wait", "endless"), callstest.Call("2", "note", "queued"))
		<-ts.Started
		synctest.Wait() // the loop has both
		c.Stop()
		want := []string{"1: endless", "2: -32000 the server is shutting down and did not run this call"}
		if diff := cmp.Diff(want, c.Rest(nil)); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		if len(ts.Notes()) > 0 {
			t.Errorf("got calls %q after the drain, want none", ts.Notes())
		}
	})
}

func TestEndOfInputThenEndOfContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		c.Send(callstest.Call("1", "wait", "endless"))
		c.In.Close()
		<-ts.Started
		synctest.Wait()
		c.Stop()
		if diff := cmp.Diff([]string{"1: endless"}, c.Rest(nil)); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestBytesInFlightStopReading(t *testing.T) {
	const queued = 32 // calls of 1 MiB; with them a message of 16 MiB that comes and one that is read might pass 64 MiB
	long := strings.Repeat("x", 1<<20)
	fill := func(t *testing.T) (*callstest.Tools, *callstest.Client) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		c.Send(callstest.Call("0", "wait", "first"))
		<-ts.Started
		for i := range queued {
			c.Send(callstest.Call(fmt.Sprint(i+1), "client", long))
		}
		go io.WriteString(c.In, callstest.Ping(`"held"`)+"\n") // nobody takes the message
		synctest.Wait()
		if len(c.Lines) > 0 {
			t.Fatalf("got %.40s, want no answer while so much is in flight", c.Next())
		}
		return ts, c
	}
	t.Run("until a call ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ts, c := fill(t)
			ts.Release <- struct{}{}
			got := c.Finish()
			if len(got) != queued+2 || !slices.Contains(got, `"held": ok`) {
				t.Errorf("got %d answers, want %d and one to the ping", len(got), queued+2)
			}
		})
	})
	t.Run("until a call is cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ts := callstest.NewTools()
			c := callstest.InProcess(t, ts.Srv)
			c.Send(callstest.Call("0", "share", "first"), callstest.Call("1", "wait", strings.Repeat("x", 15<<20)), callstest.Cancel("1"))
			c.Send(callstest.Call("2", "wait", strings.Repeat("x", 15<<20)), callstest.Cancel("2"))
			c.Send(callstest.Call("3", "wait", strings.Repeat("x", 15<<20)), callstest.Cancel("3"), callstest.Ping("4"))
			if got := c.Next(); got != "4: ok" {
				t.Errorf("got %s, want the answer to ping", got)
			}
			close(ts.Release)
			if diff := cmp.Diff([]string{"0: first"}, c.Finish()); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("until the context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ts, c := fill(t)
			c.Stop()
			synctest.Wait()
			ts.Release <- struct{}{}
			if got := c.Rest(nil); len(got) != queued+1 {
				t.Errorf("got %d answers, want the %d calls accepted", len(got), queued+1)
			}
		})
	})
}

// TestLastingRequestsAreShort: a request that may last is refused when it is long, so that requests that
// last cannot use up the bytes in flight.
func TestLastingRequestsAreShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		long := strings.Repeat("x", 64<<10)
		c.Send(callstest.Call("1", "sleep", long))
		if got, want := c.Next(), "1: a call that waits may have at most 65536 bytes"; got != want {
			t.Errorf("got %.100s, want %s", got, want)
		}
		c.Send(callstest.Modern("2", "subscriptions/listen", `"x":"`+long+`",`+callstest.ToolsChanged))
		if got, want := c.Next(), "2: -32602 a subscription may have at most 65536 bytes; ask for less at a time"; got != want {
			t.Errorf("got %.100s, want %s", got, want)
		}
		c.Send(callstest.Call("3", "sleep", long[:1<<10]))
		ts.Wake <- struct{}{}
		if got := c.Next(); !strings.HasSuffix(got, " woken") {
			t.Errorf("got %.100s, want a call that waited", got)
		}
		c.Finish()
	})
}

func TestCancellingQueuedCallsMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		c.Send(callstest.Call("0", "wait", "first"))
		<-ts.Started
		for i := range 3000 { // never more than two in the queue
			id := fmt.Sprint(i + 1)
			c.Send(callstest.Call(id, "note", "n"), callstest.Cancel(id))
		}
		c.Send(callstest.Ping("9999"))
		if got := c.Next(); got != "9999: ok" {
			t.Errorf("got %s, want the answer to ping", got)
		}
		close(ts.Release)
		if diff := cmp.Diff([]string{"0: first"}, c.Finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestPanicCostsOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		ts.Srv.AddNotificationHandler("notifications/bad", func(context.Context, mcp.JSONRPCNotification) { panic("secret") })
		c := callstest.InProcess(t, ts.Srv)
		c.Send(callstest.Call("1", "panic", ""), `{"jsonrpc":"2.0","method":"notifications/bad"}`, callstest.Call("2", "note", "alive"))
		want := []string{"1: -32603 internal error; the server's log has the details", "2: alive"}
		if diff := cmp.Diff(want, c.Finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		if got := c.Log.String(); !strings.Contains(got, "handler panicked") || !strings.Contains(got, "callstest/tools.go") {
			t.Errorf("got log %q, want the panic and its stack", got)
		}
	})
}

// TestErrorsArePrintable: what a client sent comes back cut, and without what cannot
// be seen.
func TestErrorsArePrintable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := callstest.InProcess(t, callstest.NewTools().Srv)
		c.Send(callstest.Call("1", "no\u202e\b\nsuch", ""), callstest.Call("2", strings.Repeat("é", 1<<20), ""))
		answers := c.Finish()
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
		c := callstest.InProcess(t, callstest.NewTools().Srv)
		c.Send(callstest.Call("1", "unencodable", ""), callstest.Call("2", "note", "alive"))
		want := []string{"1: -32603 internal error; the server's log has the details", "2: alive"}
		if diff := cmp.Diff(want, c.Finish()); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestLogHoldsNoBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := callstest.InProcess(t, callstest.NewTools().Srv)
		c.Send(callstest.Call("1", "note", "private words"), `{"private words":1}`, `private words`)
		c.Finish()
		if strings.Contains(c.Log.String(), "private words") {
			t.Errorf("got log %q, want no message bodies", c.Log)
		}
	})
}
