package board_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// TestDecidedTwice: what another machine decided apart, and what of it was lost, waits for a person.
func TestDecidedTwice(t *testing.T) {
	s := newSite(t, nil)
	c := newClient(s)
	other := newReplica(t, filepath.Join(t.TempDir(), "other.db"))
	meet := func() {
		t.Helper()
		for _, way := range [][2]*replica.Replica{{s.agents, other}, {other, s.agents}} {
			ops, _, err := way[0].OpsAfter(t.Context(), 0, 100)
			if err == nil {
				_, err = way[1].Admit(t.Context(), ops)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	name := func(r *replica.Replica, agent, name string) {
		t.Helper()
		_, err := r.Update(t.Context(), agent, func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("1_s", pipeline.Changes{Name: &name})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.add("1_s", pipeline.Changes{Name: ptr("as it was")})
	meet()
	name(other, "bob", "of bob")
	meet() // now they know each other
	name(s.agents, "ann", "of ann")
	name(s.agents, "ann", "of ann again")
	name(other, "bob", "of bob again")
	meet()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, page := c.get("/")
		if strings.Contains(page, "Decided twice") && strings.Contains(page, "of bob again") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the board does not say what was decided twice:\n%s", page)
		}
	}
}
