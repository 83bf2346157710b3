package replica

import (
	"crypto/rand"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

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
