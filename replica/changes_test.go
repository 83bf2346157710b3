package replica_test

import (
	"context"
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

// changesSince returns what changed after the position, a line each, and where r
// is now. It is not ok if r does not know.
func changesSince(t testing.TB, r *replica.Replica, since replica.Position) (lines []string, now replica.Position, ok bool) {
	t.Helper()
	err := r.View(t.Context(), func(*pipeline.State) error {
		now = r.PositionLocked()
		changes, known := r.ChangesLocked(since)
		if ok = known; !ok {
			return nil
		}
		for c := range changes {
			line := fmt.Sprint(c.Position.Arrival)
			if c.Story != "" {
				line += fmt.Sprintf(" %s %s %q>%q by %s", c.Story, strings.Join(c.Fields.Names(), ","), c.Before, c.After, c.Agent)
			}
			lines = append(lines, line)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, now, ok
}

// TestPositionText: what String returns can be read, and nothing else.
func TestPositionText(t *testing.T) {
	for text, want := range map[string]replica.Position{
		"0":               {},
		"0.3":             {Epoch: 3},
		"1234.9f3a01bc":   {Arrival: 1234, Op: [4]byte{0x9f, 0x3a, 0x01, 0xbc}},
		"1234.9f3a01bc.2": {Arrival: 1234, Op: [4]byte{0x9f, 0x3a, 0x01, 0xbc}, Epoch: 2},
	} {
		if got, err := replica.ParsePosition(text); err != nil || got != want || got.String() != text {
			t.Errorf("%q: got %+v, %q, %v", text, got, got, err)
		}
	}
	for _, text := range []string{
		"", ".", "-1", "+1.9f3a01bc", "01.9f3a01bc", "x", "1234", "1234.", "1234.9f3a01b", "1234.9f3a01bc00", "1234.9F3A01BC",
		"1234.9f3a01bc.0", "1234.9f3a01bc.-1", "1234.9f3a01bc.2.3", "0.9f3a01bc", "99999999999999999999.9f3a01bc", " 0", "MV9iYWNrbG9nL0AxX3M",
	} {
		if got, err := replica.ParsePosition(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// TestChanges: the writer itself, a process that was there all the time and one
// that starts later tell the same changes, with the stages before and after; and
// from each position on those that came later.
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
		err := r.View(t.Context(), func(*pipeline.State) error {
			all, _ := r.ChangesLocked(replica.Position{})
			for c := range all {
				after, ok := r.ChangesLocked(c.Position)
				if n := len(slices.Collect(after)); !ok || n != 5-int(c.Position.Arrival) {
					t.Errorf("%s: %d changes after %s, %t", who, n, c.Position, ok)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestChangesOfReleasedOps: ops that waited for their parents count where these
// came, each with the stages before and after it; ops that show nowhere change
// nothing, but a position at their rows is one.
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
		if diff := cmp.Diff(append([]string{"1", "2"}, want...), got); diff != "" {
			t.Errorf("%s, all (-want +got):\n%s", who, diff)
		}
		got, _, ok := changesSince(t, r, before)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%s, after %s (-want +got):\n%s", who, before, diff)
		}
	}
}

// TestChangesAreNotKnown: after a position that is too old, of another epoch, or
// of a log that went back to an earlier state and was written on.
func TestChangesAreNotKnown(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.db")
	const ops = 16_384
	fill(t, path, ops+2, 100)
	r := newReplica(t, path)
	if _, now, ok := changesSince(t, r, replica.Position{}); ok || now.Arrival != ops+2 {
		t.Error("all changes are known at", now)
	}
	at := func(arrival int64) (p replica.Position) { // of the row
		p.Arrival = arrival
		n := int64(0)
		if err := r.History(t.Context(), func(e replica.Entry) error {
			if n++; n == arrival {
				copy(p.Op[:], e.Op.ID[:])
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return p
	}
	known := func(why string, r *replica.Replica, since replica.Position, want int) {
		t.Helper()
		got, _, ok := changesSince(t, r, since)
		if ok != (want >= 0) || ok && len(got) != want {
			t.Errorf("%s: %d changes after %s, %t, want %d", why, len(got), since, ok, want)
		}
	}
	known("replayed", r, at(2), -1)
	known("replayed", r, at(3), ops-1)
	known("another op", r, replica.Position{Arrival: 3}, -1)
	known("ahead", r, replica.Position{Arrival: ops + 3}, -1)
	create(t, r, "999_own")
	known("one more", r, at(3), -1)
	known("one more", r, at(4), ops-1)
	last := at(ops + 3)
	known("the last", r, last, 0)

	backup := filepath.Join(dir, "backup.db")
	if _, err := r.Backup(t.Context(), backup, true); err != nil {
		t.Fatal(err)
	}
	create(t, r, "1000_lost")
	lost := at(ops + 4)
	restoreInto(t, path, backup)
	known("went back", r, lost, -1)
	known("went back", r, last, 0)
	create(t, r, "1000_lost")
	known("went back and was written on", r, lost, -1)
	known("went back and was written on", r, last, 1)

	if err := r.Trust(t.Context(), crdt.Author{1, 31: 1}, "somebody"); err != nil {
		t.Fatal(err)
	}
	known("another epoch", r, last, -1)
	_, now, _ := changesSince(t, r, last)
	known("this epoch", r, now, 0)
}

// TestPositionsOfWrites: each change of a group knows its own position, one that
// had nothing to write that of what it saw.
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

// TestChangesAfterFailedCommit: what a commit that failed would have changed is
// no change, and the positions of those that were made in its stead are right.
func TestChangesAfterFailedCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flaky.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	release := hold(t, path)
	var writes []*replica.Write
	for i := range 4 {
		writes = append(writes, r.Submit(fmt.Sprint("agent-", i), func(tx *pipeline.Tx) error {
			_, err := tx.BumpRetry("1_s", 1, 0)
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
