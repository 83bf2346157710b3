package main

import (
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/huskies/huskies-mcp/relay"
)

// TestLogIsBounded: neither a member that tries what it may not do, again and again, nor a stranger fills the disk with what the
// hub logs of it. That lines are left out is said.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	const times = 10 * logBurst
	h := newHub(t)
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	conn := connectAs(t, h, h.joined())
	conn.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	try := func() {
		if err := conn.Publish(relay.StartSubject(config.Pipeline), nil); err != nil { // as the hub alone may
			t.Fatal(err)
		}
	}
	for range times {
		try()
	}
	if err := conn.FlushTimeout(hangGuard); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		stranger, err := net.Dial("tcp", h.address)
		if err != nil {
			t.Fatal(err)
		}
		stranger.Close()
	}
	await(t, "it is said that lines were left out", func() bool {
		try()
		return strings.Contains(h.log.String(), "lines are left out here")
	})
	if lines := strings.Count(h.log.String(), "\n"); lines > 2*logBurst {
		t.Errorf("the log has %d lines", lines)
	}
}
