package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/relay"
	"github.com/huskies/huskies-mcp/replica"
)

// standing returns what a machine knows of another.
func (m *machine) standing(of *machine) members.Standing {
	m.t.Helper()
	is, _, err := m.replica.Members(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	if is == nil {
		return members.Standing{}
	}
	if s := is.Of(of.author()); s != nil {
		return *s
	}
	return members.Standing{}
}

// say changes the members, as a command does, and sends it.
func (m *machine) say(change members.Change) {
	m.t.Helper()
	err := m.replica.ChangeMembers(m.t.Context(), func(_ *members.Members, headsOf func(crdt.Author) ([]crdt.OpID, error)) ([]members.Change, error) {
		var err error
		if change.Remove {
			change.Heads, err = headsOf(change.Author)
		}
		return []members.Change{change}, err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	desk, err := relay.OpenDesk(m.t.Context(), m.config())
	if err != nil {
		m.t.Fatal(err)
	}
	defer desk.Close()
	if err := desk.SendMembers(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

// carry takes all ops of one machine to another, as a bundle does.
func carry(t testing.TB, from, to *machine) replica.ImportReport {
	t.Helper()
	ops, _, err := from.replica.OpsAfter(t.Context(), 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	report, err := to.replica.Admit(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestFirstMemberIsAdmin, others are not, and all machines know it.
func TestFirstMemberIsAdmin(t *testing.T) {
	h := newHub(t)
	a, b := h.joined(), h.joined()
	c := h.joined()
	for _, m := range []*machine{a, b, c} {
		await(t, "all know all", func() bool {
			return m.standing(a).Admin && m.standing(b).Member && !m.standing(b).Admin && m.standing(c).Member
		})
	}
	out := command(t, "members", string(h.dir))
	if strings.Count(out, "admin") != 1 || strings.Count(out, "member") != 2 {
		t.Errorf("the hub's list of members is %s", out)
	}
}

// TestRemovalByAdmin: an admin removes a lost laptop by one op. The hub cuts it, what it had written counts everywhere,
// what it writes on counts nowhere, though it comes in a bundle.
func TestRemovalByAdmin(t *testing.T) {
	h := newHub(t)
	a, laptop, c := h.joined(), h.joined(), h.joined()
	laptop.write("1_story_before")
	converge(t, 1, a, laptop, c)
	laptop.pause() // it is offline when it is removed
	a.say(members.Change{Author: laptop.author(), Remove: true})
	laptop.write("2_story_after")
	laptop.relay()
	await(t, "the laptop is cut", laptop.isCut)
	await(t, "c knows", func() bool { return !c.standing(laptop).Member })
	if report := carry(t, laptop, a); report.New != 1 || report.Held != 1 {
		t.Errorf("what the laptop wrote since: %+v, want 1 new op, which is held", report)
	}
	converge(t, 2, a, c)
	for _, m := range []*machine{a, c} {
		if got := m.stories(); len(got) != 1 || !strings.HasPrefix(got[0], "1_story_before") {
			t.Errorf("stories are %v, want what the laptop wrote before it was removed", got)
		}
	}
	if err := laptop.join(h.invite()); err != nil {
		t.Fatal(err)
	}
	await(t, "it counts again", func() bool { return len(c.stories()) == 2 && len(a.stories()) == 2 })
	converge(t, 2, a, laptop, c)
}

// TestRemovedMemberHasNoSay: a removed member, cut off, goes on to decide about members and carries that over by a bundle.
func TestRemovedMemberHasNoSay(t *testing.T) {
	h := newHub(t)
	a, b, c := h.joined(), h.joined(), h.joined()
	a.say(members.Change{Author: b.author(), Admin: true})
	await(t, "b is an admin", func() bool { return b.standing(b).Admin })
	b.pause()
	command(t, "members", "remove", string(h.dir), b.author().String())
	await(t, "a and c know", func() bool { return !a.standing(b).Member && !c.standing(b).Member })
	if err := b.replica.ChangeMembers(t.Context(), func(*members.Members, func(crdt.Author) ([]crdt.OpID, error)) ([]members.Change, error) {
		return []members.Change{{Author: a.author(), Remove: true}, {Author: c.author(), Remove: true}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	carry(t, b, c)
	a.write("1_story_one")
	converge(t, 1, a, c)
	if !c.standing(a).Member || !c.standing(c).Member {
		t.Error("a removed admin has removed others")
	}
}

// TestPlainMemberHasNoSay: an op of a plain member that claims to make it an admin reaches everybody, and changes nothing.
func TestPlainMemberHasNoSay(t *testing.T) {
	h := newHub(t)
	a, b := h.joined(), h.joined()
	b.say(members.Change{Author: b.author(), Admin: true})
	b.say(members.Change{Author: a.author(), Remove: true})
	b.write("1_story_one")
	converge(t, 1, a, b)
	for _, m := range []*machine{a, b} {
		if !m.standing(a).Admin || m.standing(b).Admin {
			t.Errorf("a is %+v, b is %+v, want an admin and a member", m.standing(a), m.standing(b))
		}
	}
}

// TestAskedMachineWaits: with --ask a machine is let in when an admin has accepted it.
func TestAskedMachineWaits(t *testing.T) {
	h := newHub(t)
	if code := run([]string{"invite", string(h.dir), "--ask", "--name", h.address}, io.Discard, io.Discard); code != 1 {
		t.Error("a machine may wait for an admin where there is none")
	}
	a := h.joined()
	in, err := relay.ParseInvitation(command(t, "invite", string(h.dir), "--ask", "--name", h.address))
	if err != nil {
		t.Fatal(err)
	}
	b := newMachine(t)
	for range 2 { // the first time it gives up waiting
		ctx, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		joining := relay.Joining{Replica: b.replica, Rand: rand.Reader, Now: time.Now, Name: "asker", Waits: func(crdt.Author) {}}
		if _, err = joining.Join(ctx, in); err == nil {
			t.Fatal("a machine joined that nobody has accepted")
		}
		stop()
	}
	if err := newMachine(t).join(in); err == nil {
		t.Error("a second machine joins with the same invitation")
	}
	desk, err := relay.OpenDesk(t.Context(), a.config())
	if err != nil {
		t.Fatal(err)
	}
	defer desk.Close()
	waiting, err := desk.Waiting(t.Context())
	if err != nil || len(waiting) != 1 || waiting[0].Name != "asker" || waiting[0].Author != b.author().String() {
		t.Fatalf("who waits: %+v, error %v", waiting, err)
	}
	done := make(chan error, 1)
	go func() { done <- b.join(in) }()
	a.say(members.Change{Author: b.author(), Transport: waiting[0].Transport, Name: waiting[0].Name})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.relay()
	b.write("1_story_one")
	converge(t, 1, a, b)
	if waiting, err := desk.Waiting(t.Context()); err != nil || len(waiting) != 0 {
		t.Errorf("who waits then: %+v, error %v", waiting, err)
	}
}

// TestKeyOfAnother: who was invited, and must wait for an admin, asks with the transport key of a member. It is not admitted, and
// takes nothing from the member.
func TestKeyOfAnother(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := h.joined()
	in, err := relay.ParseInvitation(command(t, "invite", string(h.dir), "--ask", "--name", h.address))
	if err != nil {
		t.Fatal(err)
	}
	_, public := a.nkey()
	mallory := newMachine(t)
	signature, err := mallory.replica.SignMembership(t.Context(), in.Pipeline, public)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := nats.Connect("tls://"+h.address, nats.Secure(&tls.Config{InsecureSkipVerify: true}), nats.TLSHandshakeFirst(),
		nats.UserInfo(in.Token, in.Secret), nats.CustomInboxPrefix(relay.InboxPrefix(in.Token)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, secret := range []string{"", in.Secret} {
		request, err := json.Marshal(relay.JoinRequest{
			Token: in.Token, Secret: secret, Author: mallory.author().String(), Transport: public, Signature: signature, Name: "mallory",
		})
		if err != nil {
			t.Fatal(err)
		}
		reply, err := conn.Request(relay.JoinSubject(in.Pipeline), request, 10*time.Second)
		if err != nil || !strings.Contains(string(reply.Data), "key of another machine") {
			t.Errorf("the hub answers %s, error %v", reply.Data, err)
		}
	}
	r, err := h.dir.roster()
	if err != nil || r.members().Of(mallory.author()) != nil {
		t.Errorf("the hub has admitted %+v, error %v", r.members().Of(mallory.author()), err)
	}
	if l, err := h.dir.lists(); err != nil || len(l.members) != 1 || l.members[0].Author != a.author() {
		t.Errorf("the list of members is %+v, error %v", l.members, err)
	}
}

// TestFirstMemberTakesAuthorsAlong: authors whose ops counted in the first member's database count on all machines, up to
// what was there. A later member's do not, until an admin accepts them.
func TestFirstMemberTakesAuthorsAlong(t *testing.T) {
	h := newHub(t)
	friend, a := newMachine(t), newMachine(t)
	friend.write("1_story_of_a_friend")
	carry(t, friend, a)
	a.write("2_story_two")
	if err := a.join(h.invite()); err != nil {
		t.Fatal(err)
	}
	a.relay()
	b := newMachine(t)
	stranger := newMachine(t)
	carry(t, a, b)
	carry(t, a, stranger)
	stranger.write("3_story_of_a_stranger")
	carry(t, stranger, b)
	said, err := b.huskies("join", h.invite().String())
	if err != nil {
		t.Fatal(err, said)
	}
	if want := "note: 1 op here is of author " + stranger.author().Short() + ", who is no member: none of it counts."; !strings.Contains(said, want) {
		t.Errorf("join says %s, want %s", said, want)
	}
	b.relay()
	converge(t, 3, a, b)
	for _, m := range []*machine{a, b} {
		if got := m.stories(); len(got) != 2 {
			t.Errorf("stories are %v, want those of a and of its friend", got)
		}
	}
	friend.write("4_story_later")
	if report := carry(t, friend, a); report.Held != 1 {
		t.Errorf("what the friend wrote later: %+v, want it held", report)
	}
	a.say(members.Change{Author: stranger.author(), Name: "stranger"})
	await(t, "the stranger counts on both", func() bool { return len(a.stories()) == 3 && len(b.stories()) == 3 })
}

// TestListOfAnOlderBuild: the members of a hub and the joined databases that a build made which signed nothing go on. The
// first in the list is an admin, and who was removed stays so.
func TestListOfAnOlderBuild(t *testing.T) {
	h := newFolder(t, "")
	command(t, "init", string(h.dir))
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	root, err := h.dir.root()
	if err != nil {
		t.Fatal(err)
	}
	sum, err := h.dir.caSum()
	if err != nil {
		t.Fatal(err)
	}
	a, b, gone := newMachine(t), newMachine(t), newMachine(t)
	gone.write("1_story_before")
	carry(t, gone, a)
	var list []member
	for _, m := range []*machine{gone, a, b} {
		if err := m.replica.JoinHub(t.Context(), replica.Hub{
			Address: h.address, Pipeline: config.Pipeline, CA: sum, Root: crdt.AuthorOf(root), Replica: "r", JoinedAt: 1,
		}); err != nil {
			t.Fatal(err)
		}
		_, public := m.nkey()
		list = append(list, member{Author: m.author(), Transport: public, Name: m.author().Short(), AdmittedAt: time.Now()})
	}
	now := time.Now()
	list[0].RemovedAt = &now
	if err := h.dir.writeJSON("members.json", list); err != nil {
		t.Fatal(err)
	}
	h.start()
	t.Cleanup(h.kill)
	for _, m := range []*machine{a, b, gone} {
		m.relay()
	}
	await(t, "gone is cut", gone.isCut)
	a.write("2_story_two")
	converge(t, 2, a, b)
	if !b.standing(a).Admin || !a.standing(b).Member || b.standing(gone).Member {
		t.Errorf("a is %+v, b is %+v, gone is %+v", b.standing(a), a.standing(b), b.standing(gone))
	}
	for _, m := range []*machine{a, b} {
		if got := m.stories(); len(got) != 2 {
			t.Errorf("stories are %v, want also what was written by who is removed", got)
		}
	}
	h.kill()
	h.start() // it signs nothing twice
	if r, err := h.dir.roster(); err != nil || len(r.all) > 5 {
		t.Errorf("the hub keeps %d ops about members, error %v", len(r.all), err)
	}
}

// TestMembersOutliveTheStore: the hub keeps what was said of members outside its store, and says it again.
func TestMembersOutliveTheStore(t *testing.T) {
	h := newHub(t)
	a, b := h.joined(), h.joined()
	a.write("1_story_one")
	converge(t, 1, a, b)
	a.say(members.Change{Author: b.author(), Remove: true})
	await(t, "b is cut", b.isCut)
	h.kill()
	h.put(t, "")
	h.start()
	a.write("2_story_two")
	converge(t, 2, a, h.joined())
	if !b.isCut() {
		t.Error("a removed machine is let in after the store was lost")
	}
	line, err := os.ReadFile(h.dir.path(rosterFile))
	if err != nil || strings.Count(string(line), "\"payload\"") < 4 {
		t.Errorf("the file of members is %s, error %v", line, err)
	}
}

// TestFalseRoot: what somebody signs with another root key is an op of a stranger.
func TestFalseRoot(t *testing.T) {
	h := newHub(t)
	a, b := h.joined(), h.joined()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	change := members.Change{Author: a.author(), Remove: true}
	op := &crdt.Op{Story: members.Story, Seq: 1, Edits: []crdt.Edit{change.Edit()}}
	signed, err := crdt.Sign(op, key)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := b.replica.Admit(t.Context(), []crdt.SignedOp{signed}); err != nil || report.Held != 1 {
		t.Errorf("an op of a false root: %+v, error %v, want it held", report, err)
	}
	a.write("1_story_one")
	converge(t, 1, a, b)
	if !b.standing(a).Member || !a.standing(a).Member {
		t.Error("a false root has removed a member")
	}
}
