package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/relay"
)

// connectAs connects as a machine that is a member, past what a relay does.
func connectAs(t *testing.T, h *testHub, m *machine) *nats.Conn {
	t.Helper()
	pair, public := m.nkey()
	conn, err := nats.Connect("tls://"+h.address, nats.Secure(&tls.Config{InsecureSkipVerify: true}), nats.TLSHandshakeFirst(),
		nats.Nkey(public, pair.Sign), nats.CustomInboxPrefix(relay.InboxPrefix(public)), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// publish sends what a member likes, under its own subject.
func publish(t *testing.T, h *testHub, m *machine, op crdt.SignedOp) {
	t.Helper()
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	data := append(append([]byte(nil), op.Signature[:]...), op.Payload...)
	conn := connectAs(t, h, m)
	if _, err := conn.Request(relay.OpSubject(config.Pipeline, m.author().String(), "forger"), data, 5*time.Second); err != nil {
		t.Fatal(err)
	}
}

// TestMembersStayInTheirRoom: what a member may not do the hub refuses.
func TestMembersStayInTheirRoom(t *testing.T) {
	h := newHub(t)
	a, b := h.joined(), h.joined()
	a.write("1_story_one")
	converge(t, 1, a, b)
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	stream := relay.StreamName(config.Pipeline)
	conn := connectAs(t, h, b)
	for _, subject := range []string{
		relay.OpSubject(config.Pipeline, a.author().String(), "x"),
		relay.JoinSubject(config.Pipeline),
		"$JS.API.STREAM.PURGE." + stream, "$JS.API.STREAM.DELETE." + stream, "$JS.API.STREAM.MSG.DELETE." + stream,
		"$JS.API.STREAM.UPDATE." + stream, "$JS.API.STREAM.CREATE.OTHER", "$JS.API.STREAM.SNAPSHOT." + stream,
	} {
		if reply, err := conn.Request(subject, []byte("{}"), 300*time.Millisecond); err == nil {
			t.Errorf("a member publishes to %s and is answered %s", subject, reply.Data)
		}
	}
	converge(t, 1, a, b)
}

// TestForgedLists: a member lets the hub deliver messages of its own where nodes tell each other who was invited. No node takes
// them for those of another.
func TestForgedLists(t *testing.T) {
	t.Parallel()
	h := newFolder(t, "")
	command(t, "init", string(h.dir))
	e := h.serveUnmet()
	if err := e.gate.shareLists(t.Context(), e.conn, 1); err != nil {
		t.Fatal(err)
	}
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	mallory := h.joined()
	conn := connectAs(t, h, mallory)
	forged, err := json.Marshal(told{From: 2, Invites: []invite{{Token: "forged", Secret: secretSum("x"), ExpiresAt: time.Now().Add(time.Hour)}}})
	if err != nil {
		t.Fatal(err)
	}
	subject := relay.OpSubject(config.Pipeline, mallory.author().String(), "forger")
	if _, err := conn.Request(subject, forged, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	delivered := make(chan *nats.Msg, 10)
	if _, err := e.conn.ChanSubscribe(listsSubject(config.Pipeline), delivered); err != nil {
		t.Fatal(err)
	}
	if err := e.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	stream := relay.StreamName(config.Pipeline)
	create := fmt.Sprintf(`{"stream_name":%q,"config":{"name":"forged","deliver_policy":"all","ack_policy":"none","filter_subject":%q,"deliver_subject":%q}}`,
		stream, subject, listsSubject(config.Pipeline))
	if _, err := conn.Request("$JS.API.CONSUMER.CREATE."+stream+".forged."+subject, []byte(create), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	for msg := range delivered {
		if bytes.Equal(msg.Data, forged) {
			break
		}
	}
	time.Sleep(time.Second) // the hub has heard it, too
	if l, err := h.dir.lists(); err != nil || slices.ContainsFunc(l.invites, func(in invite) bool { return in.Token == "forged" }) {
		t.Errorf("a member has invited somebody: %+v, error %v", l.invites, err)
	}
}

// TestForgedMessageID: a member that sends something under the ID of another's op does not make the hub drop the op.
func TestForgedMessageID(t *testing.T) {
	h := newHub(t)
	a, b := h.joined(), h.joined()
	a.pause()
	a.write("1_story_one")
	ops, _, err := a.replica.OpsAfter(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	junk := nats.NewMsg(relay.OpSubject(config.Pipeline, b.author().String(), "forger"))
	junk.Data = []byte("junk")
	junk.Header.Set(nats.MsgIdHdr, ops[0].ID.String())
	if _, err := connectAs(t, h, b).RequestMsg(junk, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	a.relay()
	converge(t, 1, a, b, h.joined())
}

// expire makes the reservation of a machine one that ended long ago.
func (h *testHub) expire(t *testing.T, m *machine, story string) {
	t.Helper()
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"author":%q,"agent":"ann","at":1,"until":2}`, m.author())
	if _, err := connectAs(t, h, m).Request(relay.ClaimSubject(config.Pipeline, story), []byte(text), 5*time.Second); err != nil {
		t.Fatal(err)
	}
}
