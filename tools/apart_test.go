package tools

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/bundle"
)

// TestIDsMadeApartDiffer: from the moment a replica knows of another, the IDs that it gives out end in
// something that the other would not draw.
func TestIDsMadeApartDiffer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	h, r := newHost(t, path), newReplica(t, path)
	made := func() string {
		t.Helper()
		var out writeItemOut
		if err := json.Unmarshal([]byte(h.ok("write_item", `{"name":"Fix flaky tests"}`)), &out); err != nil {
			t.Fatal(err)
		}
		return out.Item.StoryID
	}
	if got := made(); got != "1_story_fix_flaky_tests" {
		t.Errorf("alone: got %s", got)
	}
	other := newForeign(t)
	other.add("5_story_x", crdt.Set("stage", crdt.String("1_backlog")))
	other.importInto(r)
	if a, b := made(), made(); !regexp.MustCompile(`^6_story_fix_flaky_tests_[a-z2-7]{4}$`).MatchString(a) || !regexp.MustCompile(`^7_story_fix_flaky_tests_[a-z2-7]{4}$`).MatchString(b) {
		t.Errorf("beside another: got %s and %s", a, b)
	}
}

// TestIDsOfATrustedReplicaDiffer: trust alone makes a pipeline a shared one.
func TestIDsOfATrustedReplicaDiffer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	h, r := newHost(t, path), newReplica(t, path)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)
	if err := r.Trust(t.Context(), crdt.AuthorOf(newForeign(t).key), "other"); err != nil {
		t.Fatal(err)
	}
	if got := h.ok("write_item", `{"name":"x"}`); !regexp.MustCompile(`"2_story_x_[a-z2-7]{4}"`).MatchString(got) {
		t.Errorf("got %s", got)
	}
}

// TestSameNameWarns, whatever the case, the spaces and the accents.
func TestSameNameWarns(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"name":"Fix the café"}`)
	for name, warns := range map[string]bool{"fix  the CAFE": true, " Fix the café ": true, "Fix the cafés": false} {
		got := h.ok("write_item", `{"name":`+arg(t, name)+`}`)
		if strings.Contains(got, "has the same name") != warns {
			t.Errorf("%q: got %s", name, got)
		}
		var out writeItemOut
		if err := json.Unmarshal([]byte(got), &out); err != nil {
			t.Fatal(err)
		}
		h.ok("delete_item", `{"story_id":"`+out.Item.StoryID+`"}`)
	}
}

// TestNotesOfAttempts: bump_retry and set_blocked take a note, in the same op.
func TestNotesOfAttempts(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)
	h.ok("bump_retry", `{"story_id":"1_s","note":"timeout"}`)
	if got := h.ok("set_blocked", `{"story_id":"1_s","blocked":true,"note":"asked ann"}`); !strings.Contains(got, `"changed":["blocked","note"]`) {
		t.Errorf("got %s", got)
	}
	out := h.read("1_s", `,"history":9`)
	if len(out.Notes) != 2 || out.Notes[0].Text != "timeout" || out.Notes[1].Text != "asked ann" || len(out.History) != 3 {
		t.Errorf("got %+v", out)
	}
}

// TestStoriesMadeApartAreNamed: two replicas that created one ID hear that it is two stories, with both
// names and authors, and whoever only changes a story creates none.
func TestStoriesMadeApartAreNamed(t *testing.T) {
	path, there := filepath.Join(t.TempDir(), "p.db"), filepath.Join(t.TempDir(), "q.db")
	h, other := newHostOf(t, path, "ann"), newHostOf(t, there, "bob")
	h.ok("write_item", `{"name":"Fix flaky tests"}`)
	other.ok("write_item", `{"name":"fix  flaky tests"}`)
	h.ok("write_item", `{"name":"Only here"}`)
	h.ok("write_item", `{"story_id":"1","note":"n"}`)
	var lines []string
	_, err := newReplica(t, there).Export(t.Context(), nil, func(op crdt.SignedOp) error {
		lines = append(lines, string(bundle.AppendLine(nil, op)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newReplica(t, path).Import(t.Context(), bundle.NewReader(strings.NewReader(strings.Join(lines, ""))), nil); err != nil {
		t.Fatal(err)
	}
	warnings := strings.Join(h.read("1", "").Item.Warnings, "\n")
	for _, want := range []string{"2 stories were created apart under this ID", `"Fix flaky tests" by ann on replica `, `"fix  flaky tests" by bob on replica `} {
		if !strings.Contains(warnings, want) {
			t.Errorf("got %q, want %s", warnings, want)
		}
	}
	if got := h.read("2", "").Item.Warnings; got != nil {
		t.Errorf("got %q", got)
	}
}
