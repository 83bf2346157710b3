package pipeline_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// set writes a setting.
func (w *writer) set(name, value string) {
	w.t.Helper()
	if err := w.do(func(tx *pipeline.Tx) error { _, err := tx.SetSetting(name, value); return err }); err != nil {
		w.t.Fatal(err)
	}
}

// TestSettings: what is set counts, what is cleared or out of its bounds leaves the default.
func TestSettings(t *testing.T) {
	w := newWriter(t)
	check := func(retries int64, grace time.Duration) {
		t.Helper()
		if s := w.state().Settings(); s.MaxRetries != retries || s.LeaseGrace != grace {
			t.Errorf("got %d and %v, want %d and %v", s.MaxRetries, s.LeaseGrace, retries, grace)
		}
	}
	check(3, 2*time.Minute)
	w.set("max_retries", "0")
	w.set("lease_grace", " 90s ")
	check(0, 90*time.Second)
	ops := len(w.ops)
	w.set("lease_grace", "1m30s") // the same
	if len(w.ops) != ops {
		t.Error("an equal setting was written")
	}
	w.set("max_retries", "")
	w.set("limit.3_qa", "") // was never set
	check(3, 90*time.Second)
	if len(w.ops) != ops+1 {
		t.Errorf("%d ops, want %d", len(w.ops), ops+1)
	}
	w.apply(pipeline.SettingsStory, crdt.Set("max_retries", crdt.String("-1")), crdt.Set("lease_grace", crdt.String("1s")), crdt.Set("limit.9_new", crdt.String("1")))
	check(3, 2*time.Minute)
	w.apply(pipeline.SettingsStory, crdt.Set("max_retries", crdt.String("7")), crdt.Set("lease_grace", crdt.Int(50)))
	check(7, 2*time.Minute)
	w.apply(pipeline.SettingsStory, crdt.Set("stage", crdt.String("2_current")), crdt.Set("deleted", crdt.Bool(true)))
	check(7, 2*time.Minute)

	for _, bad := range [][2]string{
		{"max_retries", "-1"},
		{"max_retries", "1000001"},
		{"max_retries", "many"},
		{"max_retries", "1.5"},
		{"limit.4_merge", "0"},
		{"limit.4_merge", "1001"},
		{"limit.1_backlog", "1"},
		{"limit.merge", "1"},
		{"lease_grace", "9s"},
		{"lease_grace", "25h"},
		{"lease_grace", "10500ms"},
		{"lease_grace", "120"},
		{"stage", "2_current"},
		{"", "1"},
	} {
		err := w.do(func(tx *pipeline.Tx) error { _, err := tx.SetSetting(bad[0], bad[1]); return err })
		if kind(err) != pipeline.KindInvalid {
			t.Errorf("%s %s: got %v, want a refusal", bad[0], bad[1], err)
		}
	}
	for text, want := range map[string]string{"10s": "10s", "60s": "1m", "3600s": "1h", "24h": "24h", "5400s": "1h30m", "3601s": "1h0m1s"} {
		w.set("lease_grace", text)
		if got := w.settings()[4].Value; got != want {
			t.Errorf("%s is kept as %s, want %s", text, got, want)
		}
	}
}

// settings returns what people see of the settings.
func (w *writer) settings() []pipeline.Setting {
	return pipeline.SettingsBy(func(yield func(*crdt.Op) bool) {
		for _, op := range slices.Backward(w.ops) {
			if op.Story == pipeline.SettingsStory && !yield(op) {
				return
			}
		}
	})
}

// TestSettingsAreShownAsTheyCount: what people see, which comes from the history, agrees with what counts,
// which comes from the state. The histories have ops of other builds.
func TestSettingsAreShownAsTheyCount(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 0))
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	ignored, unknown := 0, 0
	for range 200 {
		w := newWriter(t)
		for range 1 + rng.IntN(12) {
			value := crdt.String(pick("", "1", "5", "0", "-3", "90s", "1s", "text"))
			if rng.IntN(6) == 0 {
				value = crdt.Int(4)
			}
			w.apply(pipeline.SettingsStory, crdt.Set(pick("max_retries", "lease_grace", "limit.4_merge", "limit.5_new"), value))
		}
		counts := map[string]string{}
		for _, s := range w.settings() {
			counts[s.Name] = s.Counts()
			if s.Ignored != nil {
				ignored++
			}
			if s.Name == "limit.5_new" {
				unknown++
			}
		}
		is := w.state().Settings()
		grace, err := time.ParseDuration(counts["lease_grace"])
		if err != nil || grace != is.LeaseGrace || counts["max_retries"] != fmt.Sprint(is.MaxRetries) {
			t.Fatalf("shown %v, counts %+v", counts, is)
		}
	}
	if ignored == 0 || unknown == 0 {
		t.Errorf("%d ignored, %d unknown settings: the histories had none", ignored, unknown)
	}
}

// TestReservedStories: a reserved story is no story, whatever ops say, for readers and for writers.
func TestReservedStories(t *testing.T) {
	const id = pipeline.SettingsStory
	c := newClaimer(t)
	c.write("1_a", stage(pipeline.Backlog))
	c.set("max_retries", "5")
	c.apply(id, crdt.Set("stage", crdt.String("1_backlog")), crdt.Set("name", crdt.String("settings")), crdt.Set("agent", crdt.String("a")), crdt.Set("claim", crdt.String("x")), crdt.Note("n"))
	c.apply("huskies.members", crdt.Set("stage", crdt.String("4_merge")))
	c.write("2_b", stage(pipeline.Backlog))

	s := c.state()
	page, err := s.List(pipeline.Filter{}, nil, 50)
	c.must(err)
	if len(page.Stories) != 2 || page.Total != 2 {
		t.Errorf("a list shows %d stories of %d, want 2", len(page.Stories), page.Total)
	}
	if ids := append(s.IDs("", 9), s.IDsWith("huskies", 9)...); len(ids) != 2 || len(s.Agents()) != 0 {
		t.Errorf("IDs %v, agents %v", ids, s.Agents())
	}
	if _, apart := s.MadeApart(id); apart {
		t.Error("the reserved story was created apart")
	}
	if last := c.ops[len(c.ops)-1]; last.Edits[len(last.Edits)-1].Anchor != "" || last.Edits[len(last.Edits)-1].Base.IsZero() {
		t.Errorf("a new story stands behind %+v, want the last story", last.Edits)
	}
	name, yes := "x", true
	for what, try := range map[string]func(tx *pipeline.Tx) error{
		"write":   func(tx *pipeline.Tx) error { _, _, err := tx.Write(id, pipeline.Changes{Name: &name}); return err },
		"create":  func(tx *pipeline.Tx) error { _, _, err := tx.Write("huskies.new", stage(pipeline.QA)); return err },
		"delete":  func(tx *pipeline.Tx) error { _, err := tx.Delete(id); return err },
		"restore": func(tx *pipeline.Tx) error { _, err := tx.Restore(id); return err },
		"block":   func(tx *pipeline.Tx) error { _, err := tx.SetBlocked(id, yes, nil); return err },
		"bump":    func(tx *pipeline.Tx) error { _, err := tx.BumpRetry(id, 1, 3); return err },
		"note":    func(tx *pipeline.Tx) error { return tx.AddNote(id, nil, "n") },
		"claim":   func(tx *pipeline.Tx) error { _, err := tx.Claim(id, c.options("a", 0)); return err },
		"advance": func(tx *pipeline.Tx) error { _, err := tx.Advance(id, nil); return err },
		"release": func(tx *pipeline.Tx) error { _, err := tx.Release(id); return err },
		"depend":  func(tx *pipeline.Tx) error { _, err := tx.Numbers([]string{id}); return err },
		"after": func(tx *pipeline.Tx) error {
			to := id
			_, _, err := tx.Write("1_a", pipeline.Changes{After: &to})
			return err
		},
		"read": func(*pipeline.Tx) error { _, err := c.state().Story(id); return err },
	} {
		err := c.do(try)
		if e, ok := err.(*pipeline.Error); !ok || e.Code != pipeline.CodeReserved {
			t.Errorf("%s: got %v, want a refusal", what, err)
		}
	}
	c.apply(id, crdt.Set("deleted", crdt.Bool(true)))
	c.refused(c.do(func(tx *pipeline.Tx) error { _, err := tx.Delete(id); return err }), pipeline.KindInvalid)
}
