package replica

import (
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestCopiesAreNotJoined: a database that came from elsewhere leads no server to a hub.
func TestCopiesAreNotJoined(t *testing.T) {
	at := func(path string) *Replica {
		r := New(Config{Path: path, Now: time.Now, Rand: rand.Reader, Machine: "m", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
	first := filepath.Join(t.TempDir(), "pipeline.db")
	r := at(first)
	if err := r.JoinHub(t.Context(), Hub{Address: "evil.example.org:4222", Pipeline: "abcdefghijkl2", Replica: "x"}); err != nil {
		t.Fatal(err)
	}
	if hub, _, err := r.Hub(t.Context()); err != nil || hub == nil {
		t.Fatalf("joined to %v, error %v", hub, err)
	}
	_ = r.Close()
	b, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(t.TempDir(), "pipeline.db")
	if err := os.WriteFile(second, b, 0o600); err != nil {
		t.Fatal(err)
	}
	copied := at(second)
	for _, when := range []string{"before", "after"} {
		if hub, _, err := copied.Hub(t.Context()); err != nil || hub != nil {
			t.Errorf("%s the first write the copy is joined to %v, error %v", when, hub, err)
		}
		stage := pipeline.Backlog
		_, err := copied.Update(t.Context(), "a", func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("1_story_x", pipeline.Changes{Stage: &stage})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ops, err := copied.Outbox(t.Context(), false, 10)
	if err != nil || len(ops) != 0 {
		t.Errorf("the copy has %d ops to send, error %v", len(ops), err)
	}
}

func newJoining(t *testing.T) *Replica {
	r := New(Config{
		Path: filepath.Join(t.TempDir(), "pipeline.db"), Now: time.Now, Rand: rand.Reader, Machine: "m", Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// TestMembersOfTheHubBefore: a relay takes in that this machine is a member while the machine leaves the hub and forgets the
// members. Then they stay forgotten.
func TestMembersOfTheHubBefore(t *testing.T) {
	r := newJoining(t)
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	root := crdt.AuthorOf(key)
	if err := r.JoinHub(t.Context(), Hub{Address: "hub.example.org:4222", Pipeline: "abcdefghijkl2", Replica: "x", Root: root}); err != nil {
		t.Fatal(err)
	}
	author, _, err := r.Author(t.Context()) // which was made to join
	if err != nil {
		t.Fatal(err)
	}
	added := members.Change{Author: author, Name: "this"}
	signed, err := crdt.Sign(&crdt.Op{Author: root, Seq: 1, Story: members.Story, Edits: []crdt.Edit{added.Edit()}}, key)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := r.AdmitFromHub(t.Context(), "x", []HubOp{{Seq: 1, Signed: signed}}, HubMark{Seq: 1}); err != nil || report.New != 1 {
		t.Fatalf("got %+v, error %v", report, err)
	}
	if err := r.LeaveHub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.ForgetMembers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.FollowHub(t.Context(), "x", root); err == nil {
		t.Error("it follows a hub that it has left")
	}
	if is, _, err := r.Members(t.Context()); err != nil || is != nil {
		t.Errorf("its members are %v, error %v", is, err)
	}
}

// TestAddressOfTheHubBefore: a relay hears where else a hub is reached, and its machine joins another hub meanwhile. That one
// keeps its address.
func TestAddressOfTheHubBefore(t *testing.T) {
	r := newJoining(t)
	for _, name := range []string{"first", "second"} {
		if err := r.JoinHub(t.Context(), Hub{Address: name + ".example.org:4222", Pipeline: "abcdefghijkl2", Replica: name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.MoveHub(t.Context(), "first", "first.example.org:4222,third.example.org:4222"); err == nil {
		t.Error("the hub that was left has moved")
	}
	if hub, _, err := r.Hub(t.Context()); err != nil || hub == nil || hub.Address != "second.example.org:4222" {
		t.Errorf("joined to %+v, error %v", hub, err)
	}
}

// TestSkippedMessagesOfTheHubBefore: a machine reads a message again that it passed over, and joins another hub meanwhile.
// What it passed over there under the same number stays noted.
func TestSkippedMessagesOfTheHubBefore(t *testing.T) {
	r := newJoining(t)
	newer := HubOp{Seq: 7, Signed: crdt.SignedOp{Payload: []byte{0xa2, 1, 9, 2, 0}}}
	for _, name := range []string{"first", "second"} {
		if err := r.JoinHub(t.Context(), Hub{Address: name + ".example.org:4222", Pipeline: "abcdefghijkl2", Replica: name}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.AdmitFromHub(t.Context(), name, []HubOp{newer}, HubMark{Seq: 7}); err != nil {
			t.Fatal(err)
		}
	}
	lost := HubOp{Seq: 7} // the first hub does not have it any more
	if done, err := r.AdmitSkipped(t.Context(), "first", lost); err == nil {
		t.Errorf("a message of the first hub was read again after the second was joined, and was taken: %v", done)
	}
	if seqs, err := r.SkippedMessages(t.Context(), 0, 10); err != nil || len(seqs) != 1 {
		t.Errorf("passed over at the second hub: %v, error %v", seqs, err)
	}
	if _, err := r.AdmitSkipped(t.Context(), "second", lost); err != nil {
		t.Error(err)
	}
	if seqs, err := r.SkippedMessages(t.Context(), 0, 10); err != nil || len(seqs) != 0 {
		t.Errorf("passed over at the end: %v, error %v", seqs, err)
	}
}
