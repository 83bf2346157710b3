package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
)

// serveUnmet serves the hub in this process, as a node does that has not read yet what the other nodes have stored.
func (h *testHub) serveUnmet() *engine {
	h.t.Helper()
	config, err := h.dir.open()
	if err != nil {
		h.t.Fatal(err)
	}
	options, err := h.dir.options(config, h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	e, err := h.dir.startWith(options, config, slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { e.stop(stopTimeout) })
	if err := errors.Join(makeStreams(h.t.Context(), e.conn, config), e.gate.serveJoins(e.conn)); err != nil {
		h.t.Fatal(err)
	}
	close(e.gate.ready)
	return e
}

// TestRemovalBeforeMeeting: a node lets members in by what it has kept before it has read what the other nodes stored. Who was
// removed meanwhile is cut when it reads that.
func TestRemovalBeforeMeeting(t *testing.T) {
	t.Parallel()
	h := newFolder(t, "")
	command(t, "init", string(h.dir))
	e := h.serveUnmet()
	a := h.joined()
	await(t, "the member is connected", a.isConnected)
	config, err := h.dir.open()
	if err == nil {
		_, err = h.dir.removeBy(t.Context(), config, e.conn, a.author().String()) // by a roster of its own
	}
	if err != nil {
		t.Fatal(err)
	}
	if !a.isConnected() {
		t.Fatal("the member was cut before the removal was read")
	}
	if err := e.gate.meetMembers(t.Context(), e.srv); err != nil {
		t.Fatal(err)
	}
	await(t, "the member is cut", a.isCut)
}

// TestAdmissionBeforeMeeting: who joins at a node that knows of no member yet is no admin if the stream has one, and who was
// removed is not admitted again.
func TestAdmissionBeforeMeeting(t *testing.T) {
	t.Parallel()
	h := newFolder(t, "")
	command(t, "init", string(h.dir))
	before := h.serveUnmet()
	a, gone := h.joined(), h.joined()
	a.say(members.Change{Author: gone.author(), Remove: true})
	a.write("1_story_x")
	converge(t, 1, a, gone)
	a.pause()
	before.stop(stopTimeout)
	if err := os.Remove(h.dir.path(rosterFile)); err != nil {
		t.Fatal(err)
	}
	e := h.serveUnmet()
	await(t, "who stands on the list is let in, and looked up", func() bool { return len(e.gate.roster.kept()) > 0 })
	b := h.joined()
	await(t, "b has what there is", func() bool { return len(b.stories()) == 1 })
	if err := e.gate.meetMembers(t.Context(), e.srv); err != nil {
		t.Fatal(err)
	}
	is := e.gate.roster.members()
	if s := is.Of(a.author()); s == nil || !s.Admin {
		t.Errorf("the first machine is %+v, want an admin", s)
	}
	if s := is.Of(b.author()); s == nil || !s.Member || s.Admin {
		t.Errorf("the second machine is %+v, want a member that is no admin", s)
	}
	if s := is.Of(gone.author()); s == nil || s.Member {
		t.Errorf("the machine that was removed is %+v, want no member", s)
	}
	await(t, "who was removed is cut", gone.isCut)
}

// TestFloodOfMemberOps: a hub that is told of members by very many ops, one by one, does not decide anew at each.
func TestFloodOfMemberOps(t *testing.T) {
	t.Parallel()
	h := newFolder(t, "")
	command(t, "init", string(h.dir))
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	change := members.Change{Author: crdt.AuthorOf(key)}
	var ops []crdt.SignedOp
	for i := range 50 {
		signed, err := crdt.Sign(&crdt.Op{Story: members.Story, Seq: 1, At: int64(i), Edits: []crdt.Edit{change.Edit()}}, key)
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, signed)
	}
	r, err := h.dir.roster()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range ops {
		if err := r.take(op); err != nil {
			t.Fatal(err)
		}
		if r.is != nil {
			t.Fatal("it is decided at an op")
		}
	}
	if is := r.members(); is.Count() != 0 {
		t.Errorf("a stranger made %d members", is.Count())
	}
}

// TestOneFirstMember: of two machines that join at two nodes at once, before there is a member, one is an admin.
func TestOneFirstMember(t *testing.T) {
	t.Parallel()
	h := newFolder(t, "")
	command(t, "init", string(h.dir))
	e := h.serveUnmet()
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	other, err := newGate(h.dir, config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	other.js = e.gate.js
	gates := []*gate{e.gate, other}
	for _, g := range gates {
		if err := g.meetOthers(); err != nil {
			t.Fatal(err)
		}
	}
	for i, g := range gates {
		m := newMachine(t)
		_, public := m.nkey()
		asked := member{Author: m.author(), Transport: public}
		if err := g.admitMember(asked); err != nil != (i == 1) {
			t.Errorf("node %d: error %v", i+1, err)
		}
		if err := errors.Join(g.meetOthers(), g.admitMember(asked)); err != nil { // it asks again
			t.Errorf("node %d: error %v", i+1, err)
		}
	}
	for _, g := range gates {
		if err := g.meetOthers(); err != nil {
			t.Fatal(err)
		}
		admins := 0
		for _, s := range g.roster.members().All() {
			if s.Admin {
				admins++
			}
		}
		if is := g.roster.members(); is.Count() != 2 || admins != 1 {
			t.Errorf("there are %d members, %d of them admins, want 2 and 1", is.Count(), admins)
		}
	}
}
