package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestInterruptedJoin: a join that is ended while it waits for an admin says that it can be repeated. The repeated join waits again,
// and goes through once an admin has accepted the machine.
func TestInterruptedJoin(t *testing.T) {
	h := newHub(t)
	a := h.joined()
	if out, err := a.huskies("add", "A story"); err != nil { // from now on the key is the command's, too
		t.Fatalf("add: %v, %s", err, out)
	}
	in := strings.TrimSpace(command(t, "invite", string(h.dir), "--ask", "--name", h.address))
	b := filepath.Join(t.TempDir(), "pipeline.db")
	path, err := huskiesMCP()
	if err != nil {
		t.Fatal(err)
	}
	key := ""
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		said := &lockedBuffer{}
		cmd := exec.Command(path, "--db", b, "--no-auto-backup", "join", in, "--name", "asker")
		cmd.Stdout, cmd.Stderr = said, said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		await(t, "the machine waits", func() bool { return strings.Contains(said.String(), "it waits for that") })
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		const want = "interrupted: no admin has accepted this machine yet. An admin still can. The same join goes on waiting"
		if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), want) {
			t.Errorf("after %v join says %s, error %v, want %q", signal, said, err, want)
		}
		found := regexp.MustCompile("members accept ([0-9a-f]+)").FindStringSubmatch(said.String())
		if found == nil {
			t.Fatalf("join names no key: %s", said)
		}
		key = found[1]
	}
	if out, err := a.huskies("members", "accept", key); err != nil || !strings.Contains(out, "asker") {
		t.Fatalf("accept says %s, error %v", out, err)
	}
	var out bytes.Buffer
	cmd := exec.Command(path, "--db", b, "--no-auto-backup", "join", in)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "have the same ops") {
		t.Errorf("the repeated join says %s, error %v", &out, err)
	}
}

// TestRefusedJoin: a join that is refused since the two pipelines have nothing in common says that the invitation is used, and the
// advice that it gives works.
func TestRefusedJoin(t *testing.T) {
	h := newHub(t)
	a := h.joined()
	for range 2 { // from the first one on the key is the command's, too
		if out, err := a.huskies("add", "A story"); err != nil {
			t.Fatalf("add: %v, %s", err, out)
		}
	}
	await(t, "the hub has the stories", func() bool {
		_, state, err := a.replica.Hub(t.Context())
		return err == nil && state.Outbox == 0 && a.isConnected()
	})
	invite := func() string { return strings.TrimSpace(command(t, "invite", string(h.dir), "--name", h.address)) }
	in := invite()
	b, c := newMachine(t), newMachine(t)
	if out, err := b.huskies("add", "A story of another pipeline"); err != nil {
		t.Fatalf("add: %v, %s", err, out)
	}
	for _, test := range []struct {
		m         *machine
		args      []string
		refused   bool
		want, not string
	}{
		{b, []string{in, "--name", "nine"}, true, "they have no op in common. This machine is not joined, but it is a member of the hub now, and the invitation is used.", ""},
		{b, []string{in, "--name", "nine"}, true, "This machine was a member of the hub before, and is not joined.", "is used"},
		{c, []string{in}, true, "the hub does not know the invitation", ""},
		{c, []string{invite(), "--name", "ten"}, false, "have the same ops", "note:"},
		{b, []string{in, "--name", "other", "--merge"}, false, "this machine was a member before, as nine, and keeps that name: --name other changes nothing", ""},
		{b, []string{in, "--name", "nine"}, false, "have the same ops", "note:"},
		{b, []string{in}, false, "have the same ops", "note:"},
	} {
		out, err := test.m.huskies(append([]string{"join"}, test.args...)...)
		if (err != nil) != test.refused || !strings.Contains(out, test.want) || test.not != "" && strings.Contains(out, test.not) {
			t.Errorf("join %v says %s, error %v, want %q and not %q", test.args[1:], out, err, test.want, test.not)
		}
		if test.m != b {
			continue
		}
		if found := regexp.MustCompile("members remove ([0-9a-f]+)").FindStringSubmatch(out); found != nil && test.refused {
			if out, err := a.huskies("members", "list"); err != nil || !strings.Contains(out, "nine") || !strings.Contains(out, found[1]) {
				t.Errorf("the machine of the refused join is not the one named in %s, error %v", out, err)
			}
		}
	}
	if out, err := a.huskies("members", "remove", "nine"); err != nil {
		t.Fatalf("remove: %v, %s", err, out)
	}
	if out, err := a.huskies("members", "accept", "nine", "--name", "other"); err != nil {
		t.Fatalf("accept: %v, %s", err, out)
	}
	if out, err := b.huskies("join", in, "--name", "other"); err != nil || strings.Contains(out, "note:") {
		t.Errorf("under its new name the machine joins with %s, error %v", out, err)
	}
}
