package replica_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// changesSince returns what changed after the position, a line each, and the position of r now.
// The answer is not ok if r does not know what changed.
func changesSince(t testing.TB, r *replica.Replica, since replica.Position) (lines []string, now replica.Position, ok bool) {
	t.Helper()
	err := r.View(t.Context(), func(v *replica.View) (err error) {
		now, lines = v.Position(), nil
		ok, err = v.Changes(since, func(c replica.Change) bool {
			lines = append(lines, fmt.Sprintf("%d %s %s %q>%q by %s", c.Position.Arrival, c.Story, strings.Join(c.Fields.Names(), ","), c.Before, c.After, c.Agent))
			return true
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, now, ok
}

// TestPositionText shows that a text that String returns can be read, and no other.
func TestPositionText(t *testing.T) {
	for text, want := range map[string]replica.Position{
		"0":                      {},
		"1234.9f3a01bc.5d0a7c11": {Arrival: 1234, Op: [4]byte{0x9f, 0x3a, 0x01, 0xbc}, State: 0x5d0a7c11},
		"1.00000000.00000002":    {Arrival: 1, State: 2},
	} {
		if got, err := replica.ParsePosition(text); err != nil || got != want || got.String() != text {
			t.Errorf("%q: got %+v, %q, %v", text, got, got, err)
		}
	}
	for _, text := range []string{
		"", ".", "-1", "+1.9f3a01bc.00000001", "01.9f3a01bc.00000001", "x", "1234", "1234.", "1234.9f3a01bc", "1234.9f3a01b.00000001",
		"1234.9f3a01bc00.00000001", "1234.9F3A01BC.00000001", "1234.9f3a01bc.1", "1234.9f3a01bc.-0000001", "1234.9f3a01bc.2.3",
		"0.9f3a01bc.00000001", "0.00000000.00000000", "99999999999999999999.9f3a01bc.00000001", " 0", "MV9iYWNrbG9nL0AxX3M",
	} {
		if got, err := replica.ParsePosition(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// TestChanges shows that the writer itself, a process that was there all the time and one that
// starts later tell the same changes, with the stages before and after. From each position on they
// tell the changes that came later.
func TestChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r, other := newReplica(t, path), newReplica(t, path)
	update := func(r *replica.Replica, agent string, fn func(*pipeline.Tx) error) {
		t.Helper()
		if _, err := r.Update(t.Context(), agent, fn); err != nil {
			t.Fatal(err)
		}
		changesSince(t, other, replica.Position{})
	}
	create(t, r, "1_s")
	update(r, "ann", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("1_s", pipeline.Changes{Stage: ptr(pipeline.QA), Name: ptr("x"), DependsOn: &[]uint32{7}})
		return err
	})
	update(other, "ben", func(tx *pipeline.Tx) error { _, err := tx.BumpRetry("1_s", 1, 1); return err })
	create(t, other, "2_s")
	update(r, "", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("2_s", pipeline.Changes{Before: ptr("1_s")})
		return err
	})
	want := []string{
		`1 1_s stage "">"1_backlog" by tester`,
		`2 1_s stage,name,depends_on "1_backlog">"3_qa" by ann`,
		`3 1_s retry_count,blocked,blocked_reason "3_qa">"3_qa" by ben`,
		`4 2_s stage "">"1_backlog" by tester`,
		`5 2_s place "1_backlog">"1_backlog" by `,
	}
	for who, r := range map[string]*replica.Replica{"writer": r, "other": other, "new process": newReplica(t, path)} {
		got, now, ok := changesSince(t, r, replica.Position{})
		if diff := cmp.Diff(want, got); diff != "" || !ok || now.Arrival != 5 {
			t.Errorf("%s at %s (-want +got):\n%s", who, now, diff)
		}
		for _, at := range positions(t, r) {
			if left, _, ok := changesSince(t, r, at); !ok || len(left) != 5-int(at.Arrival) {
				t.Errorf("%s: %q after %s, %t", who, left, at, ok)
			}
		}
	}
}

// positions returns those of all changes.
func positions(t testing.TB, r *replica.Replica) (all []replica.Position) {
	t.Helper()
	err := r.View(t.Context(), func(v *replica.View) error {
		_, err := v.Changes(replica.Position{}, func(c replica.Change) bool { all = append(all, c.Position); return true })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestChangesEnd shows that no change is told after fn has returned false.
func TestChangesEnd(t *testing.T) {
	r := chain(t, filepath.Join(t.TempDir(), "p.db"), 5)
	err := r.View(t.Context(), func(v *replica.View) error {
		n := 0
		ok, err := v.Changes(replica.Position{}, func(replica.Change) bool { n++; return n < 2 })
		if n != 2 || !ok {
			t.Errorf("%d changes were told, want 2 (%t)", n, ok)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestChangesOfReleasedOps shows that ops that waited for their parents count at the row that
// released them, each with the stages before and after. Ops that show nowhere change nothing, but a
// position at their rows is one.
func TestChangesOfReleasedOps(t *testing.T) {
	dir := t.TempDir()
	from := newReplica(t, filepath.Join(dir, "from.db"))
	create(t, from, "1_s")
	write(t, from, "1_s", pipeline.Changes{Stage: ptr(pipeline.Current)})
	write(t, from, "1_s", pipeline.Changes{Stage: ptr(pipeline.QA), Name: ptr("x")})
	lines := exported(t, from)
	path := filepath.Join(dir, "to.db")
	watcher, to := newReplica(t, path), newReplica(t, path)
	imports(t, to, replica.ImportReport{New: 2, Pending: 2}, lines[1:]...)
	_, before, _ := changesSince(t, watcher, replica.Position{})
	imports(t, to, replica.ImportReport{New: 1}, lines[0])
	want := []string{
		`3 1_s stage "">"1_backlog" by tester`,
		`3 1_s stage "1_backlog">"2_current" by tester`,
		`3 1_s stage,name "2_current">"3_qa" by tester`,
	}
	for who, r := range map[string]*replica.Replica{"importer": to, "watcher": watcher, "new process": newReplica(t, path)} {
		got, _, _ := changesSince(t, r, replica.Position{})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, all (-want +got):\n%s", who, diff)
		}
		got, _, ok := changesSince(t, r, before)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%s, after %s (-want +got):\n%s", who, before, diff)
		}
	}
}

// TestChangesAreNotKnown shows that no changes are told after a position of another state, of rows
// that are not there, or of a log that went back to an earlier state and was written on.
func TestChangesAreNotKnown(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.db")
	r := chain(t, path, 20)
	known := func(why string, since replica.Position, want int) {
		t.Helper()
		for who, r := range map[string]*replica.Replica{"this process": r, "a new one": newReplica(t, path)} {
			got, _, ok := changesSince(t, r, since)
			if ok != (want >= 0) || ok && len(got) != want {
				t.Errorf("%s, %s: %d changes after %s, %t, want %d", why, who, len(got), since, ok, want)
			}
		}
	}
	third, last := positions(t, r)[2], position(t, r)
	known("as it is", third, 17)
	known("the last", last, 0)
	other := third
	other.Op[0]++
	known("another op", other, -1)
	ahead := last
	ahead.Arrival++
	known("ahead", ahead, -1)
	elsewhere := third
	elsewhere.State++
	known("another state", elsewhere, -1)

	backup := filepath.Join(dir, "backup.db")
	if _, err := r.Backup(t.Context(), backup, true); err != nil {
		t.Fatal(err)
	}
	create(t, r, "1000_lost")
	lost := position(t, r)
	restoreInto(t, path, backup)
	known("went back", lost, -1)
	create(t, r, "1000_lost")
	known("went back and was written on", lost, -1)

	friend := chain(t, filepath.Join(dir, "friend.db"), 1)
	imports(t, r, replica.ImportReport{New: 1}, exported(t, friend)...)
	for _, step := range []struct {
		what    string
		do      func() error
		another bool // state
	}{
		{"a decision that changes nothing", func() error { return r.Trust(t.Context(), author(t, friend), "") }, false},
		{"a decision about an author without ops", func() error { return r.Trust(t.Context(), crdt.Author{1, 31: 1}, "") }, false},
		{"a decision about an author of ops", func() error { return r.Distrust(t.Context(), author(t, friend)) }, true},
		{"taking the decision back", func() error { return r.Trust(t.Context(), author(t, friend), "") }, true},
		{"a rebuild", func() error { return r.Rebuild(t.Context()) }, true},
	} {
		before := position(t, r)
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		left := 0
		if step.another {
			left = -1
		}
		known("before "+step.what, before, left)
		known("after "+step.what, position(t, r), 0)
	}
}

// TestPositionsOfWrites shows that each change of a group knows its own position. A change that had
// nothing to write knows the position of the state that it saw.
func TestPositionsOfWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	release := hold(t, path)
	var writes []*replica.Write
	for _, name := range []string{"", "a", "a", "b", "b", "b", "c"} {
		writes = append(writes, r.Submit("", renaming("1_s", name)))
	}
	release()
	var got []int64
	for i, w := range writes {
		if _, err := w.Wait(context.Background()); err != nil {
			t.Error(i, err)
		}
		got = append(got, w.Position().Arrival)
		if left, _, ok := changesSince(t, r, w.Position()); !ok || len(left) != 4-int(w.Position().Arrival) {
			t.Errorf("change %d at %s: %q follow, %t", i, w.Position(), left, ok)
		}
	}
	if diff := cmp.Diff([]int64{1, 2, 2, 3, 3, 3, 4}, got); diff != "" {
		t.Error("positions (-want +got):", diff)
	}
}

// TestChangesAfterFailedCommit shows that what a failed commit would have changed is no change, and
// that the positions of the changes that were made in its stead are right.
func TestChangesAfterFailedCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flaky.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	release := hold(t, path)
	var writes []*replica.Write
	for i := range 4 {
		writes = append(writes, r.Submit(fmt.Sprint("agent-", i), func(tx *pipeline.Tx) error {
			err := bumping("1_s")(tx)
			if i == 2 {
				err = errors.New("refused")
			}
			return err
		}))
	}
	failCommits(0b101)
	release()
	for i, want := range []int64{0, 2, 0, 3} {
		_, err := writes[i].Wait(context.Background())
		if got := writes[i].Position().Arrival; err == nil && got != want || err != nil && want > 0 {
			t.Errorf("change %d is at %d, %v, want %d", i, got, err, want)
		}
	}
	want := []string{
		`1 1_s stage "">"1_backlog" by tester`,
		`2 1_s retry_count "1_backlog">"1_backlog" by agent-1`,
		`3 1_s retry_count "1_backlog">"1_backlog" by agent-3`,
	}
	for who, r := range map[string]*replica.Replica{"writer": r, "new process": newReplica(t, path)} {
		got, _, _ := changesSince(t, r, replica.Position{})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", who, diff)
		}
	}
}

// TestChangesBefore shows that the history told backwards is the history, over several pages of rows,
// also from a row in the middle.
func TestChangesBefore(t *testing.T) {
	r := chain(t, filepath.Join(t.TempDir(), "p.db"), 300)
	err := r.View(t.Context(), func(v *replica.View) error {
		var forwards, backwards []string
		if _, err := v.Changes(replica.Position{}, func(c replica.Change) bool { forwards = append(forwards, c.Op.String()); return true }); err != nil {
			return err
		}
		err := v.ChangesBefore(0, func(c replica.Change) bool {
			if c.Whole == nil || c.Whole.ID != c.Op {
				t.Fatalf("op %s comes with another op", c.Op.Short())
			}
			backwards = append(backwards, c.Op.String())
			return true
		})
		slices.Reverse(backwards)
		if diff := cmp.Diff(forwards, backwards); diff != "" || len(forwards) < 300 {
			t.Errorf("%d changes (-forwards +backwards):\n%s", len(forwards), diff)
		}
		for _, before := range []int64{1, 2, 300, 257} {
			n := 0
			if err := v.ChangesBefore(before, func(c replica.Change) bool { n++; return c.Position.Arrival < before }); err != nil {
				return err
			}
			if n != int(before)-1 {
				t.Errorf("%d changes before row %d", n, before)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestVerified shows that an entry of the history is verified as long as its signature is the author's.
func TestVerified(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	create(t, newReplica(t, path), "1_s")
	verified := func() (ok bool) {
		t.Helper()
		err := newReplica(t, path).View(t.Context(), func(v *replica.View) error {
			return v.History("1_s", 0, func(e replica.Entry) bool { ok = e.Verified(); return true })
		})
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !verified() {
		t.Error("an op that was just signed is not verified")
	}
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Exec(`UPDATE crdt_ops SET signature = zeroblob(64)`); err != nil {
		t.Fatal(err)
	}
	if verified() {
		t.Error("an op with another signature is verified")
	}
}
