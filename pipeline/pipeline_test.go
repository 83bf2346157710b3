package pipeline_test

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// writer writes to one model as a replica does: it signs what a Tx collects
// and applies it.
type writer struct {
	t     *testing.T
	model *pipeline.Model
	known pipeline.Leases // nil: none
	key   ed25519.PrivateKey
	ops   []*crdt.Op
}

func newWriter(t *testing.T) *writer {
	return &writer{t: t, model: pipeline.NewModel(), key: ed25519.NewKeyFromSeed([]byte(strings.Repeat("w", ed25519.SeedSize)))}
}

// state returns the pipeline as it is now.
func (w *writer) state() *pipeline.State { return pipeline.NewState(w.model, w.known) }

// do runs one transaction; its error is the caller's to look at.
func (w *writer) do(fn func(*pipeline.Tx) error) error {
	w.t.Helper()
	return w.doOn(w.state(), fn)
}

// apart is a source as a replica has it that knows no story with a number yet.
type apart struct{ *pipeline.Model }

func (apart) Numbered(uint32, int) ([]*crdt.Story, error) { return nil, nil }

// doOn runs one transaction on a state.
func (w *writer) doOn(state *pipeline.State, fn func(*pipeline.Tx) error) error {
	w.t.Helper()
	tx := state.NewTx()
	if err := fn(tx); err != nil {
		return err
	}
	if len(tx.Edits()) > 0 {
		w.apply(tx.Story(), tx.Edits()...)
	}
	return nil
}

// apply writes an op with the given edits, past all checks of the domain.
func (w *writer) apply(story string, edits ...crdt.Edit) *crdt.Op {
	w.t.Helper()
	return w.applyAs("", story, edits...)
}

// applyAs is apply in the name of an agent.
func (w *writer) applyAs(agent, story string, edits ...crdt.Edit) *crdt.Op {
	w.t.Helper()
	parents, seq := w.model.Doc().Next()
	op := &crdt.Op{Seq: seq, Parents: parents, Story: story, Edits: edits, Agent: agent, At: 1_700_000_000_000 + int64(seq)}
	if _, err := crdt.Sign(op, w.key); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.model.Apply(op); err != nil {
		w.t.Fatal(err)
	}
	if err := w.model.Doc().Check(); err != nil {
		w.t.Fatal(err)
	}
	w.ops = append(w.ops, op)
	return op
}

// write writes a story. A story whose number is taken is created apart, as by another replica.
func (w *writer) write(id string, c pipeline.Changes) (created bool, changed []string) {
	w.t.Helper()
	fn := func(tx *pipeline.Tx) (err error) {
		created, changed, err = tx.Write(id, c)
		return err
	}
	err := w.do(fn)
	if strings.HasPrefix(refusal(err), "number_taken") {
		err = w.doOn(pipeline.NewState(apart{w.model}, w.known), fn)
	}
	if err != nil {
		w.t.Fatalf("write %s: %v", id, err)
	}
	return created, changed
}

func (w *writer) list(f pipeline.Filter, after *pipeline.Position, limit int) pipeline.Page {
	w.t.Helper()
	page, err := w.state().List(f, after, limit)
	if err != nil {
		w.t.Fatal(err)
	}
	return page
}

func (w *writer) story(id string) pipeline.Story {
	w.t.Helper()
	s, err := w.state().Story(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func ptr[T any](v T) *T { return &v }

func only(stages ...pipeline.Stage) []pipeline.Stage { return stages }

func stage(s pipeline.Stage) pipeline.Changes { return pipeline.Changes{Stage: &s} }

// kind returns the kind of a domain error.
func kind(err error) pipeline.Kind {
	var e *pipeline.Error
	if errors.As(err, &e) {
		return e.Kind()
	}
	return ""
}

func TestWriteCreatesAndUpdates(t *testing.T) {
	w := newWriter(t)
	created, changed := w.write("10_story_a", pipeline.Changes{
		Stage: ptr(pipeline.Current), Name: ptr("A"), Agent: ptr("coder-1"),
		RetryCount: ptr(int64(2)), Blocked: ptr(true), DependsOn: ptr([]uint32{20, 7, 20}),
	})
	if !created {
		t.Error("created is false")
	}
	if diff := cmp.Diff([]string{"stage", "name", "agent", "retry_count", "blocked", "depends_on"}, changed); diff != "" {
		t.Error("changed (-want +got):", diff)
	}
	if len(w.ops) != 1 {
		t.Errorf("got %d ops for one call, want 1", len(w.ops))
	}
	want := pipeline.Story{
		ID: "10_story_a", Stage: pipeline.Current, StageSince: time.UnixMilli(1_700_000_000_001).UTC(), Name: "A", Agent: "coder-1", RetryCount: 2, Blocked: true,
		BlockedSince: time.UnixMilli(1_700_000_000_001).UTC(), DependsOn: []uint32{7, 20}, WaitingOn: []uint32{7, 20},
		Warnings:  []pipeline.Fact{{Code: pipeline.CodeUnknownNumbers, Numbers: []uint32{7, 20}}},
		UpdatedAt: time.UnixMilli(1_700_000_000_001).UTC(), Rev: w.ops[0].ID,
		Place: crdt.Anchor{Op: w.ops[0].ID},
	}
	if diff := cmp.Diff(want, w.story("10_story_a")); diff != "" {
		t.Error("story (-want +got):", diff)
	}

	// Omitted fields stay; empty ones clear; equal ones are no change.
	created, changed = w.write("10_story_a", pipeline.Changes{Name: ptr(""), Agent: ptr("coder-1"), DependsOn: &[]uint32{}})
	if created {
		t.Error("an update says created")
	}
	if diff := cmp.Diff([]string{"name", "depends_on"}, changed); diff != "" {
		t.Error("changed (-want +got):", diff)
	}
	want.Name, want.DependsOn, want.WaitingOn, want.Warnings = "", nil, nil, nil
	want.UpdatedAt, want.Rev = time.UnixMilli(1_700_000_000_002).UTC(), w.ops[1].ID
	if diff := cmp.Diff(want, w.story("10_story_a")); diff != "" {
		t.Error("story (-want +got):", diff)
	}

	if _, changed = w.write("10_story_a", stage(pipeline.Current)); len(changed) != 0 || len(w.ops) != 2 {
		t.Errorf("an empty change wrote %v in %d ops", changed, len(w.ops))
	}
}

func TestWriteRefuses(t *testing.T) {
	deps := make([]uint32, 65)
	for i := range deps {
		deps[i] = uint32(i)
	}
	for _, tt := range []struct {
		name    string
		id      string
		changes pipeline.Changes
		kind    pipeline.Kind
		has     string
	}{
		{"no stage for a new story", "99_x", pipeline.Changes{Name: ptr("n")}, pipeline.KindNotFound, "needs_stage Story:99_x"},
		{"empty id", "", stage(pipeline.QA), pipeline.KindInvalid, "bad_id"},
		{"id with a slash", "a/b", stage(pipeline.QA), pipeline.KindInvalid, "bad_id Given:a/b"},
		{"id with a leading dot", ".a", stage(pipeline.QA), pipeline.KindInvalid, "bad_id Given:.a"},
		{"long id", strings.Repeat("a", 129), stage(pipeline.QA), pipeline.KindInvalid, "bad_id Given:aaa"},
		{"unknown stage", "10_s", stage("2_next"), pipeline.KindInvalid, "bad_stage Given:2_next"},
		{"long name", "10_s", pipeline.Changes{Name: ptr(strings.Repeat("é", 129))}, pipeline.KindInvalid, "too_long Field:name Have:258 Most:256"},
		{"name not text", "10_s", pipeline.Changes{Name: ptr("\xff")}, pipeline.KindInvalid, "not_utf8 Field:name"},
		{"long agent", "10_s", pipeline.Changes{Agent: ptr(strings.Repeat("a", 129))}, pipeline.KindInvalid, "too_long Field:agent Have:129 Most:128"},
		{"negative retry_count", "10_s", pipeline.Changes{RetryCount: ptr(int64(-1))}, pipeline.KindInvalid, "range Field:retry_count Have:-1 Most:1000000"},
		{"great retry_count", "10_s", pipeline.Changes{RetryCount: ptr(int64(1_000_001))}, pipeline.KindInvalid, "range Field:retry_count Have:1000001 Most:1000000"},
		{"many dependencies", "10_s", pipeline.Changes{DependsOn: &deps}, pipeline.KindInvalid, "too_many Field:depends_on Have:65 Most:64"},
		{"depends on itself", "10_s", pipeline.Changes{DependsOn: &[]uint32{1, 10}}, pipeline.KindInvalid, "on_itself Number:10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWriter(t)
			w.write("10_s", stage(pipeline.Backlog))
			before := string(w.model.Doc().AppendText(nil))
			err := w.do(func(tx *pipeline.Tx) error { _, _, err := tx.Write(tt.id, tt.changes); return err })
			if kind(err) != tt.kind || !strings.HasPrefix(refusal(err), tt.has) {
				t.Errorf("got %q, want %q of kind %q", refusal(err), tt.has, tt.kind)
			}
			if after := string(w.model.Doc().AppendText(nil)); after != before {
				t.Error("the document changed")
			}
		})
	}
}

func TestStoryNotFoundNamesSimilar(t *testing.T) {
	w := newWriter(t)
	w.write("10_story_login", stage(pipeline.Backlog))
	w.write("10_bug_login", stage(pipeline.Backlog))
	_, err := w.state().Story("10_story_logn")
	if refusal(err) != "no_story Story:10_story_logn IDs:[10_bug_login 10_story_login]" {
		t.Errorf("got %v", err)
	}
	_, err = w.state().Story("11_x")
	if refusal(err) != "no_story Story:11_x" {
		t.Errorf("got %v", err)
	}
}

func TestExpect(t *testing.T) {
	w := newWriter(t)
	w.write("10_s", stage(pipeline.Backlog))
	old := w.story("10_s").Rev
	expect := func(rev string) error {
		return w.do(func(tx *pipeline.Tx) error {
			if err := tx.Expect("10_s", rev); err != nil {
				return err
			}
			_, _, err := tx.Write("10_s", pipeline.Changes{Agent: ptr("x" + rev)})
			return err
		})
	}
	if err := expect(old.Short()); err != nil {
		t.Errorf("the current rev: %v", err)
	}
	err := expect(old.Short())
	var e *pipeline.Error
	if !errors.As(err, &e) || e.Kind() != pipeline.KindConflict {
		t.Fatalf("an old rev: got %v, want a conflict", err)
	}
	if diff := cmp.Diff(w.story("10_s"), *e.Current); diff != "" {
		t.Error("current (-want +got):", diff)
	}
	if err := expect(strings.ToUpper(w.story("10_s").Rev.String())); err != nil {
		t.Errorf("the whole rev in capitals: %v", err)
	}
	if err := expect(w.story("10_s").Rev.String()[:11]); kind(err) != pipeline.KindInvalid {
		t.Errorf("a rev too short to be sure: got %v", err)
	}
}

func TestBumpRetry(t *testing.T) {
	for _, tt := range []struct {
		start, by, limit int64
		want             int64
		blocked          bool
		reason           string
	}{
		{0, 1, 3, 1, false, ""},
		{2, 1, 3, 3, true, "retry limit reached (3 of 3)"},
		{0, 5, 3, 5, true, "retry limit reached (5 of 3)"},
		{7, 1, 0, 8, false, ""},
		{0, 1_000_000, 0, 1_000_000, false, ""},
	} {
		w := newWriter(t)
		w.write("10_s", pipeline.Changes{Stage: ptr(pipeline.Current), RetryCount: &tt.start})
		before := len(w.ops)
		var byLimit bool
		err := w.do(func(tx *pipeline.Tx) (err error) { byLimit, err = tx.BumpRetry("10_s", tt.by, tt.limit); return err })
		got := w.story("10_s")
		if err != nil || got.RetryCount != tt.want || got.Blocked != tt.blocked || byLimit != tt.blocked || got.BlockedReason != tt.reason {
			t.Errorf("%+v: got %v, %+v, by limit %v", tt, err, got, byLimit)
		}
		if len(w.ops) != before+1 {
			t.Errorf("%+v: %d ops for one call", tt, len(w.ops)-before)
		}
	}
}

func TestBumpRetryLeavesAReasonThatStands(t *testing.T) {
	w := newWriter(t)
	w.write("10_s", stage(pipeline.Current))
	w.mustBlock("10_s", true, ptr("waits for the key"))
	err := w.do(func(tx *pipeline.Tx) error {
		byLimit, err := tx.BumpRetry("10_s", 4, 3)
		if byLimit {
			t.Error("it says that the limit blocked a story that was blocked")
		}
		return err
	})
	if got := w.story("10_s"); err != nil || got.BlockedReason != "waits for the key" || got.RetryCount != 4 {
		t.Errorf("got %v, %+v", err, got)
	}
}

// TestBumpRetryOfAFinishedStory: a story that is done or archived counts on and is not blocked.
func TestBumpRetryOfAFinishedStory(t *testing.T) {
	for _, finished := range []pipeline.Stage{pipeline.Done, pipeline.Archived} {
		w := newWriter(t)
		w.write("10_s", stage(finished))
		err := w.do(func(tx *pipeline.Tx) error {
			byLimit, err := tx.BumpRetry("10_s", 4, 3)
			if byLimit {
				t.Errorf("%s: it says that the limit blocked the story", finished)
			}
			return err
		})
		if got := w.story("10_s"); err != nil || got.Blocked || got.RetryCount != 4 {
			t.Errorf("%s: got %v, %+v", finished, err, got)
		}
	}
}

func TestBumpRetryRefuses(t *testing.T) {
	w := newWriter(t)
	w.write("10_s", pipeline.Changes{Stage: ptr(pipeline.Current), RetryCount: ptr(int64(999_999))})
	for by, want := range map[int64]pipeline.Kind{0: pipeline.KindInvalid, -1: pipeline.KindInvalid, 2: pipeline.KindInvalid, 1_000_001: pipeline.KindInvalid} {
		err := w.do(func(tx *pipeline.Tx) error { _, err := tx.BumpRetry("10_s", by, 0); return err })
		if kind(err) != want {
			t.Errorf("by %d: got %v", by, err)
		}
	}
	if err := w.do(func(tx *pipeline.Tx) error { _, err := tx.BumpRetry("11_s", 1, 0); return err }); kind(err) != pipeline.KindNotFound {
		t.Errorf("unknown story: got %v", err)
	}
}

func (w *writer) mustBlock(id string, blocked bool, reason *string) []string {
	w.t.Helper()
	var changed []string
	err := w.do(func(tx *pipeline.Tx) (err error) { changed, err = tx.SetBlocked(id, blocked, reason); return err })
	if err != nil {
		w.t.Fatalf("set_blocked %s: %v", id, err)
	}
	return changed
}

func TestSetBlocked(t *testing.T) {
	w := newWriter(t)
	w.write("10_s", stage(pipeline.Current))
	steps := []struct {
		blocked bool
		reason  *string
		changed []string
		want    string
	}{
		{true, ptr("why"), []string{"blocked", "blocked_reason"}, "why"},
		{true, nil, nil, "why"},
		{true, ptr("why"), nil, "why"},
		{true, ptr("more"), []string{"blocked_reason"}, "more"},
		{true, ptr(""), []string{"blocked_reason"}, ""},
		{false, nil, []string{"blocked"}, ""},
		{false, nil, nil, ""},
		{false, ptr(""), nil, ""},
	}
	for i, s := range steps {
		if diff := cmp.Diff(s.changed, w.mustBlock("10_s", s.blocked, s.reason)); diff != "" {
			t.Errorf("step %d: changed (-want +got): %s", i, diff)
		}
		if got := w.story("10_s"); got.Blocked != s.blocked || got.BlockedReason != s.want {
			t.Errorf("step %d: got %+v", i, got)
		}
	}
	if err := w.do(func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("10_s", false, ptr("x")); return err }); kind(err) != pipeline.KindInvalid {
		t.Errorf("a reason to unblock: got %v", err)
	}
	if err := w.do(func(tx *pipeline.Tx) error {
		_, err := tx.SetBlocked("10_s", true, ptr(strings.Repeat("r", 1025)))
		return err
	}); kind(err) != pipeline.KindInvalid {
		t.Errorf("a long reason: got %v", err)
	}
}

func TestOneTxIsAboutOneStory(t *testing.T) {
	w := newWriter(t)
	w.write("10_s", stage(pipeline.Current))
	w.write("11_s", stage(pipeline.Current))
	tx := w.state().NewTx()
	if _, err := tx.SetBlocked("10_s", true, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.SetBlocked("11_s", true, nil); err == nil {
		t.Error("a second story in one op was accepted")
	}
}
