package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/relay"
	"github.com/huskies/huskies-mcp/replica"
)

// deleteMessages deletes messages of the hub's stream: of each subject all but the last ones, so that there are holes in it. It
// returns how many messages there were, and are.
func (h *testHub) deleteMessages(leave int64) (had, has uint64) {
	h.t.Helper()
	return h.deleteBy(func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = leave })
}

// deleteBy deletes messages of the hub's stream by a bound of the stream, since the hub forbids its owner, too, to delete messages
// by number. It returns how many messages there were, and are.
func (h *testHub) deleteBy(bound func(*jetstream.StreamConfig)) (had, has uint64) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangGuard)
	defer cancel()
	config, err := h.dir.open()
	if err != nil {
		h.t.Fatal(err)
	}
	conn, err := h.dir.connect()
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		h.t.Fatal(err)
	}
	stream, err := js.Stream(ctx, relay.StreamName(config.Pipeline))
	if err != nil {
		h.t.Fatal(err)
	}
	had = stream.CachedInfo().State.Msgs
	bounded := config.opStream()
	bound(&bounded)
	if stream, err = js.UpdateStream(ctx, bounded); err != nil {
		h.t.Fatal(err)
	}
	if bounded.MaxAge > 0 {
		time.Sleep(2 * bounded.MaxAge)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err = js.UpdateStream(ctx, config.opStream()); err != nil {
		h.t.Fatal(err)
	}
	return had, info.State.Msgs
}

// TestLastMessageIsLost: the hub has lost its messages, the last one too. A machine that joins does not wait for what never comes,
// but sends what it writes.
func TestLastMessageIsLost(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := h.joined()
	a.write("1_story_one")
	converge(t, 1, a)
	a.pause()
	b := newMachine(t)
	if err := b.join(h.invite()); err != nil {
		t.Fatal(err)
	}
	if _, has := h.deleteBy(func(c *jetstream.StreamConfig) { c.MaxAge, c.Duplicates = time.Second, time.Second }); has > 0 {
		t.Fatalf("the hub has %d messages", has)
	}
	b.write("2_story_two")
	b.relay()
	await(t, "the hub has what was written", func() bool {
		_, state, err := b.replica.Hub(t.Context())
		return err == nil && state.Outbox == 0
	})
}

// TestGap: a machine that lacks a long row of ops, each of which builds on the one before, asks for them when the hub has
// lost them. It gets all of them for one question.
func TestGap(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := h.joined()
	b := newMachine(t)
	b.gapAge = time.Second
	if err := b.join(h.invite()); err != nil {
		t.Fatal(err)
	}
	const ops = 100
	for i := range ops {
		a.write(fmt.Sprintf("%d_story_x", i+1))
	}
	converge(t, ops, a)
	if had, has := h.deleteMessages(2); has >= had {
		t.Fatalf("the hub has %d messages, and had %d", has, had)
	}
	b.relay()
	converge(t, ops, a, b)
	if answered := strings.Count(a.log.String(), "sending them again"); answered != 1 {
		t.Errorf("it was answered %d times", answered)
	}
}

// TestBothPutBack: a machine is put back to what it was before, and meets a hub that has lost messages. It reads what it had sent
// itself since.
func TestBothPutBack(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a, b := h.putBackOne()
	h.deleteMessages(1)
	a.open()
	a.relay()
	converge(t, 2, a, b)
}

// newerOp returns an op of version 9.
func newerOp(i int) crdt.SignedOp { return crdt.SignedOp{Payload: []byte{0xa2, 1, 9, 2, byte(i)}} }

// skipped returns how many messages the machine passed over.
func (m *machine) skipped() int64 {
	m.t.Helper()
	_, state, err := m.replica.Hub(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return state.Skipped
}

// TestSkippedMessageIsLost: a machine passed over a message of a newer build, and the hub has lost it since. The machine connects
// all the same, and goes on.
func TestSkippedMessageIsLost(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a, b := h.joined(), h.joined()
	for i := range 2 {
		publish(t, h, b, newerOp(i))
	}
	a.write("1_story_one")
	converge(t, 1, a, b)
	await(t, "both are passed over", func() bool { return a.skipped() == 2 })
	a.pause()
	h.deleteMessages(1)
	a.relay()
	b.write("2_story_two")
	converge(t, 2, a, b)
	await(t, "what is lost is not looked for again", func() bool { return a.skipped() == 1 })
}

// TestManySkippedMessages: a machine passed over more than a thousand messages, none of which it must pass over any more. One connection is
// enough to be done with all of them.
func TestManySkippedMessages(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := h.joined()
	a.write("1_story_one")
	converge(t, 1, a)
	a.pause()
	hub, state, err := a.replica.Hub(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ops := make([]replica.HubOp, 1100)
	for i := range ops {
		ops[i] = replica.HubOp{Seq: uint64(1000 + i), Signed: newerOp(i)}
	}
	if _, err := a.replica.AdmitFromHub(t.Context(), hub.Replica, ops, state.Read); err != nil {
		t.Fatal(err)
	}
	if n := a.skipped(); n != int64(len(ops)) {
		t.Fatalf("%d messages are passed over", n)
	}
	a.relay()
	await(t, "none is passed over", func() bool { return a.skipped() == 0 })
}
