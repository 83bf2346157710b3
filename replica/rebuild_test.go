package replica_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// TestRebuildMendsTheState shows that whatever somebody did to the tables of the state, a rebuild
// makes them anew from the log, in all processes.
func TestRebuildMendsTheState(t *testing.T) {
	for _, damage := range []string{
		"UPDATE counts SET stories = 7", "DELETE FROM history", "DELETE FROM heads", "UPDATE stories SET status = 0",
		"UPDATE places SET label = -label", "DELETE FROM op_index", "DELETE FROM stories",
	} {
		path := filepath.Join(t.TempDir(), "p.db")
		r, other := chain(t, path, 10), newReplica(t, path)
		want := text(t, other)
		exec(t, path, damage)
		if err := r.Rebuild(t.Context()); err != nil {
			t.Errorf("%s: %v", damage, err)
			continue
		}
		for who, r := range map[string]*replica.Replica{"this process": r, "another": other} {
			if diff := cmp.Diff(want, text(t, r)); diff != "" {
				t.Errorf("%s, %s (-before +rebuilt): %s", damage, who, diff)
			}
		}
	}
}

// TestUnreadableState shows that a state that cannot be read, or does not fit the log, is not
// believed: reads answer from memory, and the next write makes the tables anew.
func TestUnreadableState(t *testing.T) {
	for _, damage := range []string{
		"UPDATE stories SET merged = x'00'", "UPDATE state SET arrival = 3", "UPDATE state SET format = 0", "UPDATE state SET op_id = x'00'",
	} {
		path := filepath.Join(t.TempDir(), "p.db")
		r, other := chain(t, path, 10), newReplica(t, path)
		before := position(t, r)
		exec(t, path, damage)
		if s, err := read(t, other, "1_s"); err != nil || s.Name != "7" {
			t.Errorf("%s: %q, %v", damage, s.Name, err)
		}
		if s := write(t, r, "1_s", pipeline.Changes{Agent: ptr("a")}); s.Name != "7" {
			t.Errorf("%s: the write answers %+v", damage, s)
		}
		text(t, other)
		if _, _, ok := changesSince(t, other, before); ok {
			t.Errorf("%s: the state was made anew, and changes since %s are told", damage, before)
		}
	}
}

// TestWaitEndsAtARebuild shows that Wait returns when the state has become another one, though no
// row was added, and not before.
func TestWaitEndsAtARebuild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r, other := chain(t, path, 3), newReplica(t, path)
	at := position(t, other)
	done := make(chan error, 1)
	go func() { done <- other.Wait(t.Context(), at) }()
	if _, err := bump(r, "9_none"); err == nil {
		t.Error("a story that is not there was changed")
	}
	select {
	case err := <-done:
		t.Fatal("Wait returned, and nothing has changed:", err)
	default:
	}
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if now := position(t, other); now.Arrival != at.Arrival || now.Op != at.Op || now.State == at.State {
		t.Errorf("at %s, was at %s", now, at)
	}
}
