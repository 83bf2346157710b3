package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/relay"
)

// refusedWord is what a machine says that the hub does not let in.
const refusedWord = "the hub does not let this machine in"

// says runs a command on a machine and checks what it prints, and whether it fails.
func (m *machine) says(want, not string, fails bool, args ...string) {
	m.t.Helper()
	out, err := m.huskies(args...)
	if !strings.Contains(out, want) || not != "" && strings.Contains(out, not) || (err != nil) != fails {
		m.t.Errorf("%s says %s, error %v; want %q and not %q, and an error: %v", strings.Join(args, " "), out, err, want, not, fails)
	}
}

// invited makes a machine a member by the command, so that no relay runs there.
func (h *testHub) invited(name string) *machine {
	h.t.Helper()
	m := newMachine(h.t)
	if out, err := m.huskies("join", strings.TrimSpace(command(h.t, "invite", string(h.dir), "--name", h.address)), "--name", name); err != nil {
		h.t.Fatalf("join: %v, %s", err, out)
	}
	return m
}

// TestRemovedWhileAway: a machine that was removed while no relay ran there is told by each command that it is not let in, also while
// the hub cannot be reached, and until the hub lets it in again.
func TestRemovedWhileAway(t *testing.T) {
	h := newHub(t)
	admin, b := h.invited("admin"), h.invited("nine")
	b.says("nothing here sends it to the hub", refusedWord, false, "add", "Before")
	admin.says("nine", "", false, "members", "remove", "nine")
	b.says("other machines do not see this: "+refusedWord, "An agent's server", false, "add", "Later")
	for _, reachable := range []bool{true, false} {
		if !reachable {
			h.kill()
		}
		b.says("no: "+refusedWord, "no process of this machine exchanges", false, "hub")
		b.says("wrong  hub: "+refusedWord, "", true, "doctor")
		b.says(refusedWord, "An agent's server", false, "block", "1", "not seen either")
		b.says(refusedWord, "", false, "unblock", "1")
		b.says(refusedWord, "try again", true, "--agent", "ann", "claim", "1")
		if got, err := b.call("bob", "claim_item", "{}"); err != nil || got.Claimed || !strings.Contains(got.Reason, refusedWord) || !strings.Contains(got.Reason, "tell the user") {
			t.Errorf("claim_item answers %+v, error %v", got, err)
		}
	}
	h.start()
	admin.says("nine", "", false, "members", "accept", "nine")
	h.settled(admin)
	b.says("is yours", refusedWord, false, "--agent", "ann", "claim", "1")
	b.says("no process of this machine exchanges", refusedWord, false, "hub")
	b.says("ok     hub: joined", refusedWord, false, "doctor")
}

// TestRefusalOutlivesTheRelay: what the hub said to a relay is known when no relay runs any more, and to the next relay while the hub
// cannot be reached. A connection ends that, and so does a hub that is joined in place of the first.
func TestRefusalOutlivesTheRelay(t *testing.T) {
	h := newHub(t)
	admin, b := h.invited("admin"), h.invited("nine")
	refused := func() bool {
		hub, _, err := b.replica.Hub(t.Context())
		if err != nil || hub == nil {
			t.Fatalf("joined to %v, error %v", hub, err)
		}
		status, err := relay.ReadStatus(b.replica)
		if err != nil {
			t.Fatal(err)
		}
		_, is := status.Refused(hub)
		return is
	}
	b.relay()
	await(t, "b is connected", b.isConnected)
	admin.says("nine", "", false, "members", "remove", "nine")
	await(t, "b is cut", b.isCut)
	b.says("no: "+refusedWord, "last error", false, "hub")
	b.pause()
	old, err := b.replica.RelayStatus()
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	if err := json.Unmarshal(old, &said); err != nil {
		t.Fatal(err)
	}
	said["at"] = 1 // long ago
	if old, err = json.Marshal(said); err != nil {
		t.Fatal(err)
	}
	if err := b.replica.PutRelayStatus(old); err != nil {
		t.Fatal(err)
	}
	if !refused() {
		t.Error("the refusal is forgotten when the relay's word is old")
	}
	h.kill()
	b.relay()
	await(t, "the relay has tried", func() bool {
		status, err := relay.ReadStatus(b.replica)
		return err == nil && strings.Contains(status.LastError, "nothing answers there")
	})
	if !refused() {
		t.Error("the refusal is forgotten when the hub cannot be reached")
	}
	h.start()
	admin.says("nine", "", false, "members", "accept", "nine")
	await(t, "b is let in again", func() bool { return b.isConnected() && !refused() })
	b.pause()
	b.says("no process of this machine exchanges", refusedWord, false, "hub")
	if err := b.replica.PutRelayStatus(old); err != nil {
		t.Fatal(err)
	}
	b.says("left the hub", "", false, "leave")
	other := newHub(t)
	if err := b.join(other.invite()); err != nil {
		t.Fatal(err)
	}
	if refused() {
		t.Error("another hub is said to refuse the machine")
	}
}

// TestClaimsOfARemovedMachine: a machine that has read of its removal, say in a bundle, says so when it is to claim.
func TestClaimsOfARemovedMachine(t *testing.T) {
	h := newHub(t)
	admin, b := h.invited("admin"), h.invited("nine")
	admin.says("added", "", false, "add", "A story")
	admin.says("nine", "", false, "members", "remove", "nine")
	carry(t, admin, b)
	for _, reachable := range []bool{true, false} {
		if !reachable {
			h.kill()
		}
		b.says("this machine was removed from the members", "try again", true, "--agent", "ann", "claim", "1")
		if got, err := b.call("bob", "claim_item", "{}"); err == nil || !strings.Contains(err.Error(), "this machine was removed from the members") {
			t.Errorf("claim_item answers %+v, error %v", got, err)
		}
	}
}
