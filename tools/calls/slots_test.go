package calls_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/tools/calls"
	"github.com/huskies/huskies-mcp/tools/calls/callstest"
)

// TestWaitingTakesNoPlace: as many calls may wait as the bound says, one more is
// told so, and all others go on meanwhile; when one that waits is done or cancelled
// there is room again.
func TestWaitingTakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		for i := range 256 {
			c.Send(callstest.Call(fmt.Sprint(i), "sleep", "s"))
			<-ts.Started
		}
		c.Send(callstest.Call("300", "sleep", "one more"))
		if got, want := c.Next(), "300: 256 calls wait already"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		var got, want []string
		for i := range 100 { // more than may go on side by side
			c.Send(callstest.Call(fmt.Sprint(1000+i), "note", fmt.Sprint("n", i)), callstest.Ping(fmt.Sprint(2000+i)))
			want = append(want, fmt.Sprintf("%d: n%d", 1000+i, i), fmt.Sprintf("%d: ok", 2000+i))
			got = append(got, c.Next(), c.Next())
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error("answers beside 256 that wait (-want +got):", diff)
		}
		c.Send(callstest.Cancel("7"))
		synctest.Wait()
		ts.Wake <- struct{}{}
		woken, _, _ := strings.Cut(c.Next(), ":")
		// A call's place is free just after its answer.
		synctest.Wait()
		c.Send(callstest.Call("301", "sleep", "s"), callstest.Call("302", "sleep", "s")) // in both their places
		rest := c.Finish()
		if len(rest) != 256 {
			t.Errorf("%d answers at the end, want 256", len(rest))
		}
		for _, l := range rest {
			if strings.HasPrefix(l, "7: ") || strings.HasPrefix(l, woken+": ") || !strings.Contains(l, calls.ErrEnding.Error()) {
				t.Errorf("at the end: %s", l)
			}
		}
	})
}

// TestWaitEndsWithTheSession: at the end of input, and when the server is told to
// stop, a call that waits is answered as soon as all others are, also those that
// came after it, and sees what they did.
func TestWaitEndsWithTheSession(t *testing.T) {
	for name, end := range map[string]func(c *callstest.Client){
		"end of input": func(c *callstest.Client) { c.In.Close() },
		"told to stop": func(c *callstest.Client) { c.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ts := callstest.NewTools()
				c := callstest.InProcess(t, ts.Srv)
				c.Send(callstest.Call("1", "sleep", "s"), callstest.Call("2", "share", "busy"), callstest.Call("3", "note", "a"), callstest.Ping("4"), callstest.Call("5", "note", "b"))
				synctest.Wait()
				end(c)
				synctest.Wait()
				var got []string
				for range len(c.Lines) {
					got = append(got, c.Next())
				}
				slices.Sort(got)
				if diff := cmp.Diff([]string{"3: a", "4: ok", "5: b"}, got); diff != "" {
					t.Errorf("while a call is busy (-want +got):\n%s", diff)
				}
				ts.Release <- struct{}{}
				if diff := cmp.Diff([]string{"2: busy", "1: s: the session is ending; notes: a b"}, c.Rest(nil)); diff != "" {
					t.Errorf("then (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestWaitOutsideASession: a handler that is called without this transport waits
// with the context it has.
func TestWaitOutsideASession(t *testing.T) {
	ctx, done, err := calls.Wait(t.Context())
	if err != nil || ctx != t.Context() {
		t.Errorf("got %v, %v", ctx, err)
	}
	done()
}
