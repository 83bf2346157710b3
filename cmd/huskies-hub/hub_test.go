package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/relay"
)

// testCommands are what this binary is under other names.
var testCommands = map[string]func(){"huskies-hub": main}

// TestMain makes this binary, under the name huskies-hub, the real command.
func TestMain(m *testing.M) {
	testscript.Main(m, testCommands)
}

func TestMachinesShareAPipeline(t *testing.T) {
	h := newHub(t)
	a := newMachine(t)
	a.write("1_story_before")
	if err := a.join(h.invite()); err != nil {
		t.Fatal(err)
	}
	a.relay()
	b := h.joined()
	converge(t, 1, a, b)
	a.write("2_story_from_a")
	b.write("3_story_from_b")
	converge(t, 3, a, b)
}

func TestWorkGoesOnWithoutTheHub(t *testing.T) {
	h := newHub(t)
	a, b := h.joined(), h.joined()
	a.write("1_story_one")
	converge(t, 1, a, b)
	h.kill()
	for _, id := range []string{"2_story_two", "3_story_three"} {
		a.write(id)
	}
	b.write("4_story_four")
	_, state, err := a.replica.Hub(t.Context())
	if err != nil || state.Outbox != 2 {
		t.Fatalf("outbox of a: %d ops, error %v, want 2", state.Outbox, err)
	}
	await(t, "the relay says why it is not connected", func() bool {
		status, err := relay.ReadStatus(a.replica)
		return err == nil && strings.Contains(status.LastError, "nothing answers there") && status.AwaySince > 0 && status.AwaySince <= status.ErrorAt
	})
	h.start()
	converge(t, 4, a, b)
}

func TestStoreIsFilledAgain(t *testing.T) {
	h := newHub(t)
	a, b := h.joined(), h.joined()
	a.write("1_story_one")
	b.write("2_story_two")
	converge(t, 2, a, b)
	h.kill()
	h.put(t, "")
	h.start()
	converge(t, 2, h.joined(), a, b)
}

func TestRemovedMemberIsCut(t *testing.T) {
	h := newHub(t)
	a, b := h.joined(), h.joined()
	a.write("1_story_one")
	converge(t, 1, a, b)
	command(t, "members", "remove", string(h.dir), b.author().String())
	await(t, "b is cut", b.isCut)
	var out bytes.Buffer
	if code := run([]string{"doctor", string(h.dir)}, &out, io.Discard); code != 0 || !strings.Contains(out.String(), "members: 1, open invitations: 0: fine") {
		t.Errorf("doctor: exit code %d, %s, want one member and no open invitation", code, &out)
	}
	if log := h.log.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, "level=WARN") {
		t.Errorf("machines that join and one that is refused are no errors of the hub: %s", log)
	}
	if err := b.tryWrite("2_story_from_a_lost_laptop"); err == nil {
		t.Log("b was cut before it read that it was removed")
	}
	a.write("3_story_three")
	c := h.joined()
	converge(t, 2, a, c)
}

func TestInvitationsAreGoodOnce(t *testing.T) {
	h := newHub(t)
	in := h.invite()
	a := newMachine(t)
	for range 2 { // the first answer may be lost
		if err := a.join(in); err != nil {
			t.Fatal(err)
		}
	}
	if err := newMachine(t).join(in); err == nil {
		t.Error("a second machine joins with the same invitation")
	}
	wrong := *h.invite()
	wrong.Secret = strings.Repeat("a", len(wrong.Secret))
	if err := newMachine(t).join(&wrong); err == nil {
		t.Error("a machine joins with a wrong secret")
	}
}

func TestFalseHubIsRefused(t *testing.T) {
	h, other := newHub(t), newHub(t)
	in := h.invite()
	in.Address = other.address
	if err := newMachine(t).join(in); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("joining at a hub with another certificate: error %v, want one about the certificate", err)
	}
}

func TestPipelinesApartAreNotMixed(t *testing.T) {
	h := newHub(t)
	a := h.joined()
	a.write("1_story_one")
	converge(t, 1, a)
	b := newMachine(t)
	b.write("1_story_another")
	if err := b.join(h.invite()); err == nil || !strings.Contains(err.Error(), "another pipeline") {
		t.Fatalf("joining with another pipeline: error %v, want one about that", err)
	}
	if hub, _, err := b.replica.Hub(t.Context()); err != nil || hub != nil {
		t.Errorf("after a refused join the replica is joined to %v, error %v", hub, err)
	}
}

func TestOneRelayAMachine(t *testing.T) {
	h := newHub(t)
	a := h.joined()
	second := a.second()
	await(t, "the first process exchanges", func() bool { _, free, err := second.replica.ElectRelay(); return err == nil && !free })
	second.relay()
	second.write("1_story_of_the_second_process")
	b := h.joined()
	converge(t, 1, a, b)
	a.pause() // the second takes over
	second.write("2_story_two")
	converge(t, 2, second, b)
}

// TestClocks: a machine whose clock differs from the hub's says so, and those that agree say nothing.
func TestClocks(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newMachine(t)
	a.ahead = -7 * time.Second
	if err := a.join(h.invite()); err != nil {
		t.Fatal(err)
	}
	a.relay()
	a.write("1_story_x")
	b := h.joined()
	converge(t, 1, a, b)
	for _, m := range []*machine{a, b} {
		if out, err := m.huskies("add", "Another story"); err != nil { // from now on the key is the command's, too
			t.Fatalf("add: %v, %s", err, out)
		}
	}
	for _, test := range []struct {
		m    *machine
		off  bool
		args string
		want string
	}{
		{a, true, "hub", "s ahead of this machine's"},
		{a, true, "doctor", "s ahead of this machine's"},
		{b, false, "hub", "ahead of"},
		{b, false, "doctor", "ahead of"},
	} {
		out, err := test.m.huskies(test.args)
		if err != nil || strings.Contains(out, test.want) != test.off {
			t.Errorf("%s says %s, error %v; that the clocks differ: %v", test.args, out, err, test.off)
		}
	}
	if out, err := b.huskies("hub"); err != nil || !strings.Contains(out, "read        up to message ") {
		t.Errorf("hub says %s, error %v", out, err)
	}
}

// TestUnsent: who writes where nothing exchanges with the hub is told so, and nobody else is.
func TestUnsent(t *testing.T) {
	h := newHub(t)
	a := h.joined()
	const note = "nothing here sends it to the hub"
	if out, err := a.huskies("add", "Seen by all"); err != nil || strings.Contains(out, note) {
		t.Errorf("where a relay runs add says %s, error %v", out, err)
	}
	a.pause()
	for _, args := range [][]string{{"add", "Not seen yet"}, {"block", "1", "not seen either"}} {
		if out, err := a.huskies(args...); err != nil || !strings.Contains(out, note) {
			t.Errorf("where no relay runs %s says %s, error %v", args[0], out, err)
		}
	}
	if out, err := newMachine(t).huskies("add", "Of nobody else's concern"); err != nil || strings.Contains(out, note) {
		t.Errorf("without a hub add says %s, error %v", out, err)
	}
}

// TestFullHub: a hub that is full says so, and a member can be removed all the same.
func TestFullHub(t *testing.T) {
	h := newHub(t, "--max-bytes", "1048576")
	a, b := h.joined(), h.joined()
	text := strings.Repeat("x", 30_000)
	for i := range 50 {
		id := "1_story_big"
		_, err := a.replica.Update(t.Context(), "tester", func(tx *pipeline.Tx) error {
			stage, text := pipeline.Backlog, text+string(rune('a'+i%26))
			_, _, err := tx.Write(id, pipeline.Changes{Stage: &stage, Description: &text})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the relay says that the hub is full", func() bool {
		status, err := relay.ReadStatus(a.replica)
		return err == nil && status.Full
	})
	if _, state, err := a.replica.Hub(t.Context()); err != nil || state.Outbox == 0 {
		t.Errorf("the outbox of a full hub has %d ops, error %v", state.Outbox, err)
	}
	b.pause()
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	conn := connectAs(t, h, b)
	for refused := false; !refused; { // b fills what is left
		reply, err := conn.Request(relay.OpSubject(config.Pipeline, b.author().String(), "x"), []byte("x"), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		refused = strings.Contains(string(reply.Data), "error")
	}
	h.keep(&members.Change{Author: newMachine(t).author(), Name: "whom the stream does not know"})
	command(t, "members", "remove", string(h.dir), b.author().String())
	b.relay()
	await(t, "the member is cut", b.isCut)
	h.kill()
	h.start()
	if out := command(t, "members", string(h.dir)); strings.Count(out, "removed") != 1 {
		t.Errorf("the members of a hub that was full are %s", out)
	}
}

// keep has the hub's folder keep an op about members that is not in the stream.
func (h *testHub) keep(c *members.Change) {
	h.t.Helper()
	config, err := h.dir.open()
	if err != nil {
		h.t.Fatal(err)
	}
	g, err := newGate(h.dir, config, slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	signed, err := g.roster.sign(*c)
	if err == nil {
		err = g.roster.take(signed)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestForgedMessages: what a member makes up in another's name has no effect, and holds up nothing.
func TestForgedMessages(t *testing.T) {
	h := newHub(t)
	a, b := h.joined(), h.joined()
	a.write("1_story_one")
	converge(t, 1, a, b)
	ops, _, err := a.replica.OpsAfter(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	forged := ops[0]
	forged.Payload = bytes.Replace(forged.Payload, []byte("story_one"), []byte("story_two"), 1)
	publish(t, h, b, forged)
	publish(t, h, b, crdt.SignedOp{Payload: []byte("no op")})
	b.write("2_story_two")
	converge(t, 2, a, b)
}

func TestStopsWithinSeconds(t *testing.T) {
	h := newHub(t)
	a := h.joined()
	a.write("1_story_one")
	converge(t, 1, a)
	_ = h.process.Process.Signal(os.Interrupt)
	done := make(chan error, 1)
	go func() { done <- h.process.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the hub ends with %v, want exit code 0", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the hub does not end")
	}
	h.process = nil
}

func TestCommandsRefuse(t *testing.T) {
	h := newHub(t)
	idle := newFolder(t, "")
	command(t, "init", string(idle.dir))
	empty := t.TempDir()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"serve", string(idle.dir), "--addr", "4222"}, "is not HOST:PORT"},
		{[]string{"serve", string(idle.dir), "--addr", "127.0.0.1:x"}, "not a number from 0 to 65535"},
		{[]string{"serve", string(idle.dir), "--addr", "127.0.0.1:66000"}, "not a number from 0 to 65535"},
		{[]string{"init", string(h.dir)}, "is not empty"},
		{[]string{"serve", string(h.dir)}, "another huskies-hub serves"},
		{[]string{"serve", empty}, "there is no hub"},
		{[]string{"invite", empty}, "there is no hub"},
		{[]string{"invite", string(h.dir), "--name", "nowhere"}, "is not HOST:PORT"},
		{[]string{"invite", string(h.dir), "--name", "somewhere:0"}, "is not HOST:PORT"},
		{[]string{"invite", string(h.dir), "--name", "somewhere:http"}, "not a number from 0 to 65535"},
		{[]string{"members", "remove", string(h.dir), "nobody"}, "no member is called"},
		{[]string{"members", "remove", "nobody"}, "1 argument is too few: use huskies-hub members remove DIR MEMBER\n"},
		{[]string{"members", "remove", string(h.dir), ""}, "argument 2 is empty: use huskies-hub members remove DIR MEMBER\n"},
		{[]string{"init", empty, "--node", "two"}, `--node must be a whole number; got "two": see huskies-hub init --help`},
		{[]string{"init", empty, "--peer", "a", "--recover", "b"}, "--peer and --recover do not go together: give one of them"},
		{[]string{"init", filepath.Join(empty, "x"), "--peer", "nosuch", "--node", "2"}, "there is no file nosuch: give the keep-this-file-elsewhere.json of the hub, which huskies-hub init wrote into its folder, or a backup of it\n"},
		{[]string{"restore", filepath.Join(empty, "x"), "nosuch"}, "there is no file nosuch: give a file that huskies-hub backup wrote\n"},
		{[]string{"init"}, "give the hub's folder"},
		{[]string{"init", filepath.Join(empty, "x"), "--recover", "/dev/null"}, "is not a file that huskies-hub init or backup wrote"},
	} {
		var errs bytes.Buffer
		if code := run(test.args, io.Discard, &errs); code != 1 || !strings.Contains(errs.String(), test.want) {
			t.Errorf("huskies-hub %s: exit code %d, %q, want 1 and %q", strings.Join(test.args, " "), code, errs.String(), test.want)
		}
	}
	if _, err := os.Stat(idle.dir.path("store")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a hub that could not listen made a store: %v", err)
	}
}

func TestRecoveredHubIsTheSame(t *testing.T) {
	h := newHub(t)
	a, b := h.joined(), h.joined()
	a.write("1_story_one")
	converge(t, 1, a, b)
	h.kill()
	again := newFolder(t, h.address)
	command(t, "init", string(again.dir), "--recover", h.dir.path(recoveryFile))
	again.start()
	t.Cleanup(again.kill)
	if err := a.join(again.invite()); err != nil { // the list of members is gone
		t.Fatal(err)
	}
	converge(t, 1, a, again.joined())
	b.write("2_story_two") // a has told the hub that b is a member
	converge(t, 2, a, b)
}

func TestBackupKnowsTheMembers(t *testing.T) {
	h := newHub(t, "--max-bytes", "50000000")
	a := h.joined()
	a.write("1_story_one")
	converge(t, 1, a)
	file := filepath.Join(t.TempDir(), "backup.json")
	command(t, "backup", string(h.dir), file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v, error %v, want 0600: it holds keys", info.Mode(), err)
	}
	h.kill()
	again := newFolder(t, h.address)
	command(t, "init", string(again.dir), "--recover", file)
	if config, err := again.dir.open(); err != nil || config.MaxBytes != 50_000_000 {
		t.Errorf("the hub of the backup has %+v, error %v", config, err)
	}
	again.start()
	t.Cleanup(again.kill)
	converge(t, 1, a, again.joined()) // a is a member as before
	var errs bytes.Buffer
	if code := run([]string{"backup", string(h.dir), file}, io.Discard, &errs); code != 1 || !strings.Contains(errs.String(), "is there already") {
		t.Errorf("a backup over another: exit code %d, %q", code, errs.String())
	}
}

// TestCommandsNeedNoNames: commands reach a hub that listens everywhere also where no name can be looked up, as in an empty container.
func TestCommandsNeedNoNames(t *testing.T) {
	h := newFolder(t, "")
	command(t, "init", string(h.dir))
	for _, listens := range []string{"[::]:4222", "0.0.0.0:4222"} {
		if err := h.dir.write("address", []byte(listens+"\n")); err != nil {
			t.Fatal(err)
		}
		if address, err := h.dir.local(); err != nil || address != "127.0.0.1:4222" {
			t.Errorf("a hub that listens at %s is reached at %s, error %v", listens, address, err)
		}
	}
}
