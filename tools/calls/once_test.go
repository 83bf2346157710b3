package calls_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/huskies/huskies-mcp/tools/calls"
	"github.com/huskies/huskies-mcp/tools/calls/callstest"
)

func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		once := func(ctx context.Context, request string) string {
			t.Helper()
			answer, err := calls.Once(ctx, ts.Srv, []byte(request), slog.New(slog.DiscardHandler))
			if err != nil {
				return err.Error()
			}
			return callstest.Brief(t, string(answer))
		}
		check := func(got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		check(once(t.Context(), callstest.Call("1", "note", "a")), "1: a")
		check(once(t.Context(), callstest.Call("2", "panic", "")), "2: -32603 internal error; the server's log has the details")
		check(once(t.Context(), "no JSON")[:13], "null: -32700 ")

		go func() { time.Sleep(time.Minute); ts.Wake <- struct{}{} }()
		check(once(t.Context(), callstest.Call("3", "sleep", "s")), "3: s woken")

		ending, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		check(once(ending, callstest.Call("4", "sleep", "s")), "4: s: the session is ending; notes: a")

		gone, cancel := context.WithCancel(t.Context())
		cancel()
		answer, err := calls.Once(gone, ts.Srv, []byte(callstest.Call("5", "note", "b")), slog.New(slog.DiscardHandler))
		if err == nil && callstest.Brief(t, string(answer)) != "5: b" || err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("got %s, %v", answer, err)
		}
	})
}
