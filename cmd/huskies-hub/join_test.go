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
