package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/relay"
)

// passWants passes on to all machines what one of them misses, until ctx ends, so that a member that asks without end
// floods the hub alone. It has a connection of its own: one that is flooded may be cut.
func (e *engine) passWants(ctx context.Context, pipeline string) error {
	owner, _, err := e.gate.folder.ownerNkey()
	if err != nil {
		return err
	}
	conn, err := nats.Connect("", nats.InProcessServer(e.srv), owner, nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("connect to the hub in this process: %w", err)
	}
	context.AfterFunc(ctx, conn.Close)
	asked := relay.WantSubject(pipeline, "")
	wants := relay.Wants{Conn: conn, Subjects: asked + "*", Queue: "hubs", Now: time.Now}
	return wants.Hear(ctx, func(msg *nats.Msg, _ []crdt.OpID) {
		author := strings.TrimPrefix(msg.Subject, asked)
		if err := conn.Publish(relay.PassedWantSubject(pipeline, author), msg.Data); err != nil {
			e.gate.logger.Warn("what a machine misses was not passed on", "error", err)
		}
	})
}
