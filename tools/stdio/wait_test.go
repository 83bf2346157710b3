package stdio_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/huskies/huskies-mcp/tools/stdio"
)

// newWaiters is newTools with a tool that waits until one is woken, or the session
// ends.
func newWaiters() (ts *tools, wake chan struct{}) {
	ts, wake = newTools(), make(chan struct{})
	ts.add("sleep", func(ctx context.Context, name string) (*mcp.CallToolResult, error) {
		waiting, done, err := stdio.Wait(ctx)
		if err != nil {
			return mcp.NewToolResultText(err.Error()), nil
		}
		defer done()
		ts.started <- name
		select {
		case <-wake:
			return mcp.NewToolResultText(name + " woken"), nil
		case <-waiting.Done():
			ts.mu.Lock()
			defer ts.mu.Unlock()
			return mcp.NewToolResultText(fmt.Sprintf("%s: %v; notes: %s", name, context.Cause(waiting), strings.Join(ts.notes, " "))), nil
		}
	})
	return ts, wake
}

// TestWaitingTakesNoPlace: as many calls may wait as the bound says, one more is
// told so, and all others go on meanwhile; when one that waits is done or cancelled
// there is room again.
func TestWaitingTakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts, wake := newWaiters()
		c := serve(t, ts.srv)
		for i := range 256 {
			c.send(call(fmt.Sprint(i), "sleep", "s"))
			<-ts.started
		}
		c.send(call("300", "sleep", "one more"))
		if got, want := c.next(), "300: 256 calls wait already"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		var got, want []string
		for i := range 100 { // more than may go on side by side
			c.send(call(fmt.Sprint(1000+i), "note", fmt.Sprint("n", i)), ping(fmt.Sprint(2000+i)))
			want = append(want, fmt.Sprintf("%d: n%d", 1000+i, i), fmt.Sprintf("%d: ok", 2000+i))
			got = append(got, c.next(), c.next())
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error("answers beside 256 that wait (-want +got):", diff)
		}
		c.send(cancel("7"))
		synctest.Wait()
		wake <- struct{}{}
		woken, _, _ := strings.Cut(c.next(), ":")
		// A call's place is free just after its answer.
		synctest.Wait()
		c.send(call("301", "sleep", "s"), call("302", "sleep", "s")) // in both their places
		rest := c.finish()
		if len(rest) != 256 {
			t.Errorf("%d answers at the end, want 256", len(rest))
		}
		for _, l := range rest {
			if strings.HasPrefix(l, "7: ") || strings.HasPrefix(l, woken+": ") || !strings.Contains(l, stdio.ErrEnding.Error()) {
				t.Errorf("at the end: %s", l)
			}
		}
	})
}

// TestWaitEndsWithTheSession: at the end of input, and when the server is told to
// stop, a call that waits is answered as soon as all others are, also those that
// came after it, and sees what they did.
func TestWaitEndsWithTheSession(t *testing.T) {
	for name, end := range map[string]func(c *client){
		"end of input": func(c *client) { c.in.Close() },
		"told to stop": func(c *client) { c.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ts, _ := newWaiters()
				c := serve(t, ts.srv)
				c.send(call("1", "sleep", "s"), call("2", "share", "busy"), call("3", "note", "a"), ping("4"), call("5", "note", "b"))
				synctest.Wait()
				end(c)
				synctest.Wait()
				var got []string
				for range len(c.lines) {
					got = append(got, c.next())
				}
				slices.Sort(got)
				if diff := cmp.Diff([]string{"3: a", "4: ok", "5: b"}, got); diff != "" {
					t.Errorf("while a call is busy (-want +got):\n%s", diff)
				}
				ts.release <- struct{}{}
				if diff := cmp.Diff([]string{"2: busy", "1: s: the session is ending; notes: a b"}, c.rest(nil)); diff != "" {
					t.Errorf("then (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestWaitOutsideASession: a handler that is called without this transport waits
// with the context it has.
func TestWaitOutsideASession(t *testing.T) {
	ctx, done, err := stdio.Wait(t.Context())
	if err != nil || ctx != t.Context() {
		t.Errorf("got %v, %v", ctx, err)
	}
	done()
}
