package demo_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/demo"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

var now = time.Date(2026, 5, 8, 16, 30, 0, 0, time.UTC)

// fill makes a demo and returns a replica that looks at it when the week has just ended.
func fill(t *testing.T, seed uint64) *replica.Replica {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.db")
	quiet := slog.New(slog.DiscardHandler)
	err := demo.Fill(t.Context(), demo.Config{
		Path: path, Now: now, Draw: rand.New(rand.NewPCG(seed, 0)).IntN,
		Rand: rand.NewChaCha8([32]byte{byte(seed)}), Logger: quiet,
	})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	r := replica.New(replica.Config{Path: path, Now: func() time.Time { return now }, Rand: rand.NewChaCha8([32]byte{1}), Logger: quiet})
	t.Cleanup(func() { r.Close() })
	return r
}

// TestFill shows that the demo has all that a person looks for on a board, with whatever seed, and
// that all of it happened in the last seven days.
func TestFill(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := fill(t, seed)
			got := map[string]int{}
			agents := map[string]bool{}
			err := r.View(t.Context(), func(v *replica.View) error {
				clear(got)
				page, err := v.List(pipeline.Filter{}, nil, 100)
				if err != nil {
					return err
				}
				for _, listed := range page.Stories {
					st, err := v.Story(listed.ID)
					if err != nil {
						return err
					}
					got["stories"]++
					got[string(st.Stage)]++
					_, notes := v.Notes(st.ID, 1)
					got["notes"] += notes
					_, apart := v.MadeApart(st.ID)
					for what, is := range map[string]bool{
						"blocked":      st.Blocked && st.BlockedReason != "",
						"at the limit": st.Blocked && st.RetryCount >= 3,
						"waiting":      len(st.WaitingOn) > 0,
						"ready":        st.Ready && st.Stage == pipeline.Backlog,
						"held":         st.Claim.Live(now),
						"lapsed":       st.Lapsed,
						"apart":        apart,
						"described":    st.Description != "",
					} {
						if is {
							got[what]++
						}
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			err = r.History(t.Context(), func(e replica.Entry) error {
				agents[e.Op.Agent] = true
				at := time.UnixMilli(e.Op.At)
				if at.After(now) || at.Before(now.AddDate(0, 0, -7)) {
					t.Errorf("an op of %v", at)
				}
				got["ops"]++
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v", got)
			for what, least := range map[string]int{
				"stories": 60, "described": 60, "ops": 350, "notes": 35, "blocked": 2, "at the limit": 1, "waiting": 1, "ready": 2,
				"held": 2, "lapsed": 1, "apart": 1,
				"1_backlog": 8, "2_current": 2, "5_done": 3, "6_archived": 15,
			} {
				if got[what] < least {
					t.Errorf("%d %s, want at least %d", got[what], what, least)
				}
			}
			if len(agents) != 7 { // five, the person, and one of another machine
				t.Errorf("agents %v", agents)
			}
		})
	}
}

// TestSameSeed shows that the same seeds give the same ops, byte for byte.
func TestSameSeed(t *testing.T) {
	var ids [3][]crdt.OpID
	for i, seed := range []uint64{1, 1, 2} {
		err := fill(t, seed).History(t.Context(), func(e replica.Entry) error {
			ids[i] = append(ids[i], e.Op.ID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(ids[0]) != fmt.Sprint(ids[1]) {
		t.Error("the same seed gave other ops")
	}
	if fmt.Sprint(ids[0]) == fmt.Sprint(ids[2]) {
		t.Error("another seed gave the same ops")
	}
}
