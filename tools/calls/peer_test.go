package calls_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/tools/calls/callstest"
)

func TestBothErasOnOneServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := callstest.NewTools().Srv
		old, young := callstest.InProcess(t, srv), callstest.InProcess(t, srv)
		old.Send(callstest.Initialize, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, callstest.Call("1", "client", ""))
		young.Send(callstest.Modern("1", "server/discover", ""), callstest.Modern("2", "tools/call", `"name":"client",`), callstest.Modern("3", "ping", ""))
		if diff := cmp.Diff([]string{"0: ok", "1: tester 2025-11-25"}, old.Finish()); diff != "" {
			t.Errorf("2025-11-25 (-want +got):\n%s", diff)
		}
		want := []string{
			"1: ok",
			`3: -32601 "ping" was removed in protocol version 2026-07-28`,
			"2: newcomer 2026-07-28",
		}
		got := young.Finish()
		slices.Sort(got) // a call may be answered before or after what follows it
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("2026-07-28 (-want +got):\n%s", diff)
		}
	})
}

func TestSessionsAreUnregistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var registered, unregistered []string
		hooks := &server.Hooks{}
		hooks.AddOnRegisterSession(func(_ context.Context, s server.ClientSession) {
			registered = append(registered, s.SessionID())
		})
		hooks.AddOnUnregisterSession(func(_ context.Context, s server.ClientSession) {
			unregistered = append(unregistered, s.SessionID())
		})
		srv := server.NewMCPServer("test", "1", server.WithHooks(hooks))
		for range 2 {
			if got := callstest.InProcess(t, srv).Finish(); len(got) > 0 {
				t.Errorf("got %q, want nothing for an empty input", got)
			}
		}
		if diff := cmp.Diff(registered, unregistered); diff != "" || len(registered) != 2 || registered[0] == registered[1] {
			t.Errorf("registered %q, unregistered %q, want the same two", registered, unregistered)
		}
	})
}

func TestNotificationsPrecedeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := callstest.InProcess(t, callstest.NewTools().Srv)
		c.Send(callstest.Initialize, callstest.Call("1", "progress", "done"))
		want := []string{
			"0: ok",
			`notifications/progress {"progress":0}`,
			`notifications/progress {"progress":1}`,
			`notifications/progress {"progress":2}`,
			"1: done",
		}
		if diff := cmp.Diff(want, c.Finish()); diff != "" {
			t.Errorf("output (-want +got):\n%s", diff)
		}
	})
}

func TestNotificationsQueuedAtTheEndAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var srv *server.MCPServer
		hooks := &server.Hooks{}
		hooks.AddOnUnregisterSession(func(_ context.Context, s server.ClientSession) {
			var n mcp.JSONRPCNotification
			n.JSONRPC, n.Method = "2.0", "notifications/last"
			s.NotificationChannel() <- n
		})
		srv = server.NewMCPServer("test", "1", server.WithHooks(hooks))
		c := callstest.InProcess(t, srv)
		c.Send(callstest.Initialize)
		if diff := cmp.Diff([]string{"0: ok", "notifications/last"}, c.Finish()); diff != "" {
			t.Errorf("output (-want +got):\n%s", diff)
		}
	})
}

func TestStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		ack := func(id string) string {
			return fmt.Sprintf(`notifications/subscriptions/acknowledged {"_meta":{"io.modelcontextprotocol/subscriptionId":%s},`+
				`"notifications":{"toolsListChanged":true}}`, id)
		}
		changed := func(id string) string {
			return fmt.Sprintf(`notifications/tools/list_changed {"_meta":{"io.modelcontextprotocol/subscriptionId":%s}}`, id)
		}
		expect := func(want ...string) {
			t.Helper()
			var got []string
			for range want {
				got = append(got, c.Next())
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			synctest.Wait()
			if len(c.Lines) > 0 {
				t.Errorf("got %s as well", c.Next())
			}
		}

		c.Send(callstest.Modern("1", "server/discover", ""))
		expect("1: ok")
		ts.Srv.SendNotificationToAllClients("notifications/tools/list_changed", nil) // not asked for
		c.Send(callstest.Modern("2", "subscriptions/listen", callstest.ToolsChanged))
		expect(ack("2"))
		c.Send(callstest.Modern(`"b"`, "subscriptions/listen", callstest.ToolsChanged))
		expect(ack(`"b"`))
		ts.Srv.SendNotificationToAllClients("notifications/tools/list_changed", nil)
		ts.Srv.SendNotificationToAllClients("notifications/prompts/list_changed", nil) // not asked for
		expect(changed("2"), changed(`"b"`))
		c.Send(callstest.Cancel("2"), callstest.Ping("3"))
		expect("3: ok")
		ts.Srv.SendNotificationToAllClients("notifications/tools/list_changed", nil)
		expect(changed(`"b"`))
		// At the end of input the open stream ends and is answered.
		if diff := cmp.Diff([]string{`"b": ok`}, c.Finish()); diff != "" {
			t.Errorf("output (-want +got):\n%s", diff)
		}
	})
}

func TestHandshakeClientGetsEveryBroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := callstest.NewTools()
		c := callstest.InProcess(t, ts.Srv)
		c.Send(callstest.Initialize)
		c.Next()
		ts.Srv.SendNotificationToAllClients("notifications/tools/list_changed", nil)
		if got := c.Next(); got != "notifications/tools/list_changed" {
			t.Errorf("got %s, want the notification as it was sent", got)
		}
		c.Finish()
	})
}

func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := callstest.InProcess(t, callstest.NewTools().Srv)
		for i := range 16 { // maxStreams
			c.Send(callstest.Modern(fmt.Sprint(i), "subscriptions/listen", callstest.ToolsChanged))
			c.Next()
		}
		c.Send(callstest.Modern("16", "subscriptions/listen", callstest.ToolsChanged))
		if got, want := c.Next(), "16: -32001 16 subscriptions are open already; cancel one first"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		c.Send(callstest.Cancel("3"))
		synctest.Wait()
		c.Send(callstest.Modern("17", "subscriptions/listen", callstest.ToolsChanged))
		if got := c.Next(); !strings.HasPrefix(got, "notifications/subscriptions/acknowledged") {
			t.Errorf("got %s, want an acknowledgement", got)
		}
		if got := c.Finish(); len(got) != 16 {
			t.Errorf("got %d answers to open streams, want 16", len(got))
		}
	})
}
