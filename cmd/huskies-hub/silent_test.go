package main

import (
	"context"
	"crypto/tls"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/relay"
)

// TestSilentWhileReading, which runs with HUSKIES_CHAOS set: a hub falls silent while a machine reads of members. The machine gives up when
// the connection is lost.
func TestSilentWhileReading(t *testing.T) {
	needsTime(t)
	t.Parallel()
	h := newHub(t)
	a := h.joined()
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	pair, public := a.nkey()
	conn, err := nats.Connect("tls://"+h.address, nats.Secure(&tls.Config{InsecureSkipVerify: true}), nats.TLSHandshakeFirst(), nats.NoReconnect(),
		nats.Nkey(public, pair.Sign), nats.CustomInboxPrefix(relay.InboxPrefix(public)), nats.PingInterval(17*time.Second), nats.MaxPingsOutstanding(1))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 20_000 {
		if err := conn.Publish(relay.MembersSubject(config.Pipeline), []byte("no op")); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.FlushTimeout(hangGuard); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), relay.StreamName(config.Pipeline))
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	conn.SetClosedHandler(func(*nats.Conn) { end() })
	done := make(chan error, 1)
	go func() {
		_, err := relay.ReadMembers(ctx, stream, config.Pipeline, 0)
		done <- err
	}()
	time.Sleep(40 * time.Millisecond)
	if err := h.process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Logf("it ends with %v", err) // nil if it had read all before
	case <-time.After(hangGuard):
		t.Error("it waits for ever")
	}
}
