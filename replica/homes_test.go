package replica_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// onMachine is newReplica of a process on the given machine.
func onMachine(t *testing.T, path, machine string) *replica.Replica {
	t.Helper()
	cfg := configOf(t, path)
	cfg.Machine = machine
	return open(t, cfg)
}

// TestKeysOfOtherHomesAreOwn shows that with a list of trusted authors, ops that the file signed on
// another machine are applied as the replica's own, at once and by a process that runs already.
func TestKeysOfOtherHomesAreOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	host := onMachine(t, path, "host")
	write(t, host, "1_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: ptr("by the host")})
	if err := host.Trust(t.Context(), crdt.Author{1, 31: 1}, "somebody else"); err != nil {
		t.Fatal(err)
	}
	text(t, host)
	container := onMachine(t, path, "container")
	write(t, container, "1_s", pipeline.Changes{Agent: ptr("in the container")})
	for name, r := range map[string]*replica.Replica{"host": host, "container": container, "a new one": onMachine(t, path, "host")} {
		if s, err := read(t, r, "1_s"); err != nil || s.Name != "by the host" || s.Agent != "in the container" {
			t.Errorf("%s: got %+v (%v)", name, s, err)
		}
	}
	write(t, host, "1_s", pipeline.Changes{Name: ptr("by the host again")})
	if s, err := read(t, container, "1_s"); err != nil || s.Name != "by the host again" {
		t.Errorf("the container reads %+v (%v)", s, err)
	}
	before := author(t, host)
	if after := author(t, onMachine(t, path, "host")); after != before || after == author(t, container) {
		t.Errorf("the host is %s, was %s; the container is %s", after, before, author(t, container))
	}
}

// TestReadingACopyChangesNothing shows that reading a file that was copied here changes nothing in
// it. The first write makes the key, and so does asking for the author.
func TestReadingACopyChangesNothing(t *testing.T) {
	for name, settle := range map[string]func(*replica.Replica){
		"a write":    func(r *replica.Replica) { create(t, r, "2_s") },
		"a decision": func(r *replica.Replica) { _ = r.Trust(t.Context(), crdt.Author{1, 31: 1}, "") },
		"a question": func(r *replica.Replica) { author(t, r) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			r := onMachine(t, path, "here")
			create(t, r, "1_s")
			former := author(t, r)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(path + ".lock"); err != nil {
				t.Fatal(err)
			}
			r = onMachine(t, path, "there")
			if _, err := read(t, r, "1_s"); err != nil {
				t.Error(err)
			}
			own, err := r.Identities(t.Context())
			if err != nil || len(own) != 1 || own[0].Present || own[0].Author != former || !own[0].Elsewhere {
				t.Errorf("before: %+v (%v)", own, err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("reading changed the file (%v)", err)
			}
			if _, err := os.Stat(path + ".lock"); err == nil {
				t.Error("reading took the lock")
			}
			settle(r)
			own, err = r.Identities(t.Context())
			if err != nil || len(own) != 2 || !own[1].Present || own[1].Author == former {
				t.Errorf("after: %+v (%v)", own, err)
			}
			if s, err := read(t, r, "1_s"); err != nil {
				t.Error("the history is gone:", s, err)
			}
			text(t, r)
		})
	}
}
