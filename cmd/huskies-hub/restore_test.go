package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/relay"
)

// TestRestoredHub: machines write while a backup is made and after it, and the hub is lost. They come back to the one that is
// restored, without invitations, and nothing is missing.
func TestRestoredHub(t *testing.T) {
	t.Parallel()
	h := newHub(t, "--max-bytes", "50000000")
	a, b := h.joined(), h.joined()
	a.write("1_story_one")
	converge(t, 1, a, b)
	h.settled(a)
	a.claim("ann", "1_story_one")
	const meanwhile = 60
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range meanwhile {
			b.write(fmt.Sprintf("%d_story_meanwhile", 10+i))
		}
	}()
	file := filepath.Join(t.TempDir(), "hub.backup")
	command(t, "backup", string(h.dir), file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v, error %v, want 0600: it holds keys", info.Mode(), err)
	}
	<-done
	a.write("2_story_after")
	converge(t, meanwhile+3, a, b)
	h.kill()
	b.write("3_story_without_a_hub")

	again := newFolder(t, h.address)
	command(t, "restore", string(again.dir), file)
	if config, err := again.dir.open(); err != nil || config.MaxBytes != 50_000_000 {
		t.Errorf("the restored hub has %+v, error %v", config, err)
	}
	again.start()
	t.Cleanup(again.kill)
	c := again.joined()
	converge(t, meanwhile+4, a, b, c)
	for _, m := range []*machine{b, c} {
		if !slices.Equal(a.stories(), m.stories()) {
			t.Error("machines with the same ops show other stories")
		}
	}
	again.settled(c)
	if _, err := c.call("cleo", "claim_item", `{"story_id":"1_story_one"}`); err == nil || !strings.Contains(err.Error(), "ann") {
		t.Errorf("cleo claims what ann has: %v", err)
	}
}

// TestBackupOfAStoppedHub: all that is known of reservations is that of machines, the messages and their subjects are the same.
func TestBackupOfAStoppedHub(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := h.joined()
	for i := range 5 {
		a.write(fmt.Sprintf("%d_story_x", i+1))
	}
	converge(t, 5, a)
	running, stopped, again := filepath.Join(t.TempDir(), "1"), filepath.Join(t.TempDir(), "2"), filepath.Join(t.TempDir(), "3")
	command(t, "backup", string(h.dir), running)
	a.pause()
	h.kill()
	command(t, "backup", string(h.dir), stopped)
	dir := filepath.Join(t.TempDir(), "again")
	command(t, "restore", dir, stopped)
	command(t, "backup", dir, again)
	want, err := os.ReadFile(running)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{stopped, again} {
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s has %d bytes, error %v, want the %d of the running hub", file, len(got), err, len(want))
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := h.joined()
	a.write("1_story_one")
	a.write("2_story_two")
	converge(t, 2, a)
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	command(t, "backup", string(h.dir), whole)
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(content, []byte("\n"))
	made := func(name string, content ...[]byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes.Join(content, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	changed := bytes.Replace(lines[1], []byte(`"data":"`), []byte(`"data":"AAAA`), 1)
	for i, test := range []struct{ to, file, want string }{
		{string(h.dir), whole, "is not empty"},
		{"", filepath.Join(dir, "none"), "there is no file"},
		{"", h.dir.path(recoveryFile), "init DIR --recover"},
		{"", made("empty"), "is not a file that huskies-hub backup wrote"},
		{"", made("other", []byte("PK\x03\x04\n")), "is not a file that huskies-hub backup wrote"},
		{"", made("newer", bytes.Replace(lines[0], []byte(`"version":1`), []byte(`"version":9`), 1)), "newer huskies-hub (format 9"},
		{"", made("cut", lines[0], lines[1]), "is cut off after 1 messages"},
		{"", made("half", lines[0], lines[1][:20]), "is damaged in or before its line 2"},
		{"", made("left out", append([][]byte{lines[0]}, lines[2:]...)...), fmt.Sprint("is damaged in or before its line ", len(lines)-2)},
		{"", made("changed", append([][]byte{lines[0], changed}, lines[2:]...)...), fmt.Sprint("is damaged in or before its line ", len(lines)-1)},
	} {
		to := test.to
		if to == "" {
			to = filepath.Join(dir, fmt.Sprint("to", i))
		}
		var errs bytes.Buffer
		if code := run([]string{"restore", to, test.file}, io.Discard, &errs); code != 1 || !strings.Contains(errs.String(), test.want) {
			t.Errorf("restore %s %s: exit code %d, %q, want 1 and %q", to, test.file, code, errs.String(), test.want)
		}
		if entries, err := os.ReadDir(to); test.to == "" && (err == nil && len(entries) > 0) {
			t.Errorf("restore %s left %d files behind", test.file, len(entries))
		}
	}
	if out := command(t, "doctor", string(h.dir)); !strings.Contains(out, "it serves at") {
		t.Errorf("doctor of the hub that was there says %s", out)
	}
	a.write("3_story_three")
	converge(t, 3, a)
}

// TestRecoveredHubKnowsWhoWasRemoved: a hub that is made again of the keys in a backup lets nobody in who was removed before.
func TestRecoveredHubKnowsWhoWasRemoved(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a, gone := h.joined(), h.joined()
	a.write("1_story_one")
	converge(t, 1, a, gone)
	command(t, "members", "remove", string(h.dir), gone.author().String())
	await(t, "the machine is cut", gone.isCut)
	file := filepath.Join(t.TempDir(), "hub.backup")
	command(t, "backup", string(h.dir), file)
	h.kill()
	a.pause() // nobody tells the hub of the removal

	again := newFolder(t, h.address)
	command(t, "init", string(again.dir), "--recover", file)
	again.start()
	t.Cleanup(again.kill)
	out := command(t, "members", string(again.dir))
	if strings.Count(out, "removed") != 1 || strings.Count(out, "admin") != 1 {
		t.Errorf("the members of the hub are %s", out)
	}
	a.relay()
	a.write("2_story_two")
	converge(t, 2, a, again.joined())
	await(t, "a removed machine is let in no more", gone.isCut)
}

// TestFillIsWhole: messages of a backup that a hub has no room for are an error, also where it had other ones before.
func TestFillIsWhole(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := h.joined()
	for i := range 50 {
		_, err := a.replica.Update(t.Context(), "tester", func(tx *pipeline.Tx) error {
			stage, text := pipeline.Backlog, strings.Repeat("x", 30_000)+fmt.Sprint(i)
			_, _, err := tx.Write("1_story_big", pipeline.Changes{Stage: &stage, Description: &text})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "hub.backup")
	await(t, "all is on the hub", func() bool { _, state, err := a.replica.Hub(t.Context()); return err == nil && state.Outbox == 0 })
	command(t, "backup", string(h.dir), file)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kept, err := readBackup(f, file)
	if err != nil {
		t.Fatal(err)
	}
	small := newFolder(t, "")
	command(t, "init", string(small.dir), "--recover", h.dir.path(recoveryFile), "--max-bytes", "1048576")
	e := small.serveUnmet()
	config, err := small.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := e.conn.Publish(relay.OpSubject(config.Pipeline, "x", "y"), []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := fill(t.Context(), e.conn, config, kept); err == nil {
		t.Errorf("of %d messages not all have room, and it is no error", kept.read)
	}
}
