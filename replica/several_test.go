package replica_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// creating returns a plan that creates stories, each waiting for the one before it. A name that is
// "refuse" stands for a change that is refused.
func creating(names ...string) replica.Plan {
	return func(s *pipeline.State) (changes []func(*pipeline.Tx) error, err error) {
		for i, name := range names {
			changes = append(changes, func(tx *pipeline.Tx) error {
				if name == "refuse" {
					return errors.New("refused")
				}
				id, err := tx.NewID("", "")
				if err != nil {
					return err
				}
				c := pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: &name}
				if n, ok := pipeline.Number(id); ok && i > 0 {
					c.DependsOn = &[]uint32{n - 1}
				}
				_, _, err = tx.Write(id, c)
				return err
			})
		}
		return changes, nil
	}
}

// TestUpdateAll shows that a change of several stories is one transaction with an op a story, and that
// each part sees those before it.
func TestUpdateAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flaky.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	commits := countCommits()
	if err := r.UpdateAll(t.Context(), "importer", creating("a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	if got := commits(); got != 1 {
		t.Errorf("%d commits, want 1", got)
	}
	st, err := read(t, r, "4_story")
	if err != nil || st.Name != "c" || fmt.Sprint(st.WaitingOn) != "[3]" {
		t.Errorf("got %+v, %v", st, err)
	}
	ops := map[string]int{}
	if err := r.History(t.Context(), func(e replica.Entry) error { ops[e.Op.Agent+" "+e.Op.Story]++; return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"tester 1_s": 1, "importer 2_story": 1, "importer 3_story": 1, "importer 4_story": 1}, ops); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(text(t, newReplica(t, path)), text(t, r)); diff != "" {
		t.Error("a new process and this one:", diff)
	}
}

// TestUpdateAllIsAtomic shows that of a change of several stories nothing is written if a part is
// refused, also where changes beside it are committed.
func TestUpdateAllIsAtomic(t *testing.T) {
	for _, names := range [][]string{{"refuse"}, {"a", "refuse"}, {"a", "b", "refuse", "c"}, {"a", strings.Repeat("x", 1000)}} {
		path := filepath.Join(t.TempDir(), "p.db")
		r := newReplica(t, path)
		create(t, r, "1_s")
		release := hold(t, path)
		before, answer := r.Submit("", bumping("1_s")), make(chan error, 1)
		go func() { answer <- r.UpdateAll(t.Context(), "importer", creating(names...)) }()
		after := r.Submit("", bumping("1_s"))
		release()
		if err := <-answer; err == nil || err.Error() != "refused" && !tooLong(err) {
			t.Errorf("%q: got %v, want the refusal", names, err)
		}
		for _, w := range []*replica.Write{before, after} {
			if _, err := w.Wait(t.Context()); err != nil {
				t.Errorf("%q: a change beside it: %v", names, err)
			}
		}
		if st, err := read(t, r, "1_s"); err != nil || st.RetryCount != 2 {
			t.Errorf("%q: got %d, %v, want 2", names, st.RetryCount, err)
		}
		if got := text(t, r); strings.Contains(got, "2_story") {
			t.Errorf("%q: a part was written:\n%s", names, got)
		}
	}
}

// TestUpdateAllFails shows that a commit that fails leaves nothing, and says so.
func TestUpdateAllFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flaky.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	failCommits(0b1)
	defer failCommits(0)
	var failed *oplog.Error
	if err := r.UpdateAll(t.Context(), "", creating("a", "b")); !errors.As(err, &failed) || !failed.Undone {
		t.Errorf("got %v, want a failed commit of which nothing was written", err)
	}
	if got := text(t, newReplica(t, path)); strings.Contains(got, "2_story") {
		t.Errorf("a part was written:\n%s", got)
	}
	if err := r.UpdateAll(t.Context(), "", creating("a", "b")); err != nil {
		t.Error(err)
	}
	text(t, r)
}

// TestUpdateAllMakesNothing shows that a change that is refused leaves no new database behind, and that
// a plan that panics fails alone.
func TestUpdateAllMakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	if err := r.UpdateAll(t.Context(), "", creating("refuse")); err == nil {
		t.Error("no refusal")
	}
	err := r.UpdateAll(t.Context(), "", func(*pipeline.State) ([]func(*pipeline.Tx) error, error) { panic("slip") })
	if err == nil || !strings.Contains(err.Error(), "slip") {
		t.Errorf("got %v, want the panic", err)
	}
	if files, err := filepath.Glob(path + "*"); err != nil || len(files) > 0 {
		t.Errorf("there are %q, %v", files, err)
	}
}

// tooLong reports whether a text was refused for its length.
func tooLong(err error) bool {
	var refusal *pipeline.Error
	return errors.As(err, &refusal) && refusal.Code == pipeline.CodeTooLong
}
