package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStorePutBack(t *testing.T) {
	h := newHub(t)
	a, b := h.joined(), h.joined()
	a.write("1_story_one")
	converge(t, 1, a, b)
	h.kill()
	old := h.copyStore(t)
	h.start()
	for _, id := range []string{"2_story_two", "3_story_three"} {
		a.write(id)
	}
	converge(t, 3, a, b)
	h.kill()
	h.put(t, old)
	h.start()
	b.write("4_story_four") // takes a number in the stream that another message had
	converge(t, 4, h.joined(), a, b)
}

// putBackOne returns two machines that have two stories. The database of the first, which no process has open, was then put
// back to what it was with one.
func (h *testHub) putBackOne() (a, b *machine) {
	h.t.Helper()
	a, b = h.joined(), h.joined()
	a.write("1_story_one")
	converge(h.t, 1, a, b)
	a.close()
	old, err := os.ReadFile(a.path)
	if err != nil {
		h.t.Fatal(err)
	}
	a.open()
	a.relay()
	a.write("2_story_two")
	converge(h.t, 2, a, b)
	a.close()
	if err := os.WriteFile(a.path, old, 0o600); err != nil {
		h.t.Fatal(err)
	}
	return a, b
}

func TestDatabasePutBack(t *testing.T) {
	h := newHub(t)
	a, b := h.putBackOne()
	a.open()
	a.write("3_story_three") // on a past that the hub knows to be old
	a.relay()
	converge(t, 3, a, b)
}

// TestBackupPutBack: huskies-mcp restore takes out what came from others since. It comes back with the next exchange.
func TestBackupPutBack(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a, b := h.joined(), h.joined()
	b.env = []string{"XDG_STATE_HOME=" + t.TempDir()}
	a.write("1_story_one")
	b.write("2_story_two")
	converge(t, 2, a, b)
	file := filepath.Join(t.TempDir(), "b.db")
	if out, err := b.huskies("backup", file); err != nil {
		t.Fatal(err, out)
	}
	a.write("3_story_three")
	converge(t, 3, a, b)
	if out, err := b.huskies("restore", file, "--yes"); err != nil {
		t.Fatal(err, out)
	}
	a.write("4_story_four") // b may be told of it by the connection that it has, before it reads anew
	converge(t, 4, a, b)
}

// TestBackupPutBackBehindItsKey: a machine has sent what its backup does not have, so a restore gives its key up. The hub does not
// know the next one. The machine is told to join again, and gets all back then.
func TestBackupPutBackBehindItsKey(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a, b := h.joined(), h.joined()
	b.env = []string{"XDG_STATE_HOME=" + t.TempDir()}
	b.write("1_story_one")
	converge(t, 1, a, b)
	file := filepath.Join(t.TempDir(), "b.db")
	if out, err := b.huskies("backup", file); err != nil {
		t.Fatal(err, out)
	}
	b.write("2_story_two")
	converge(t, 2, a, b)
	if out, err := b.huskies("identity"); err != nil { // commands know the machine's ID, so they move the key home first
		t.Fatal(err, out)
	}
	out, err := b.huskies("restore", file, "--yes")
	if err != nil || !strings.Contains(out, "huskies-mcp join") {
		t.Fatal(err, out)
	}
	if err := b.join(h.invite()); err != nil {
		t.Fatal(err)
	}
	converge(t, 2, a, b)
}
