package pipeline_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

func (w *writer) delete(id string) (changed bool, err error) {
	w.t.Helper()
	err = w.do(func(tx *pipeline.Tx) (err error) { changed, err = tx.Delete(id); return err })
	return changed, err
}

func (w *writer) restore(id string) (changed bool, err error) {
	w.t.Helper()
	err = w.do(func(tx *pipeline.Tx) (err error) { changed, err = tx.Restore(id); return err })
	return changed, err
}

// TestC25_DeleteAndRestore: a restored story is what it was, with what came
// meanwhile; doing either twice changes nothing.
func TestC25_DeleteAndRestore(t *testing.T) {
	w := newWriter(t)
	w.write("1_a", stage(pipeline.Backlog))
	w.write("2_b", pipeline.Changes{Stage: ptr(pipeline.Current), Name: ptr("B"), Agent: ptr("coder-1"), Description: ptr("long"), Note: ptr("n"), DependsOn: &[]uint32{1}, RetryCount: ptr(int64(2))})
	w.write("3_c", stage(pipeline.Backlog))
	want := w.story("2_b")
	for _, changes := range []bool{true, false} {
		if changed, err := w.delete("2_b"); changed != changes || err != nil {
			t.Errorf("delete: got %v, %v, want %v", changed, err, changes)
		}
		if _, err := w.state().Story("2_b"); kind(err) != pipeline.KindDeleted {
			t.Errorf("read: got %v", err)
		}
		if page := w.list(pipeline.Filter{}, nil, 9); page.Total != 2 {
			t.Errorf("listed: %+v", page)
		}
	}
	w.apply("2_b", crdt.Note("written elsewhere"))
	for _, changes := range []bool{true, false} {
		if changed, err := w.restore("2_b"); changed != changes || err != nil {
			t.Errorf("restore: got %v, %v, want %v", changed, err, changes)
		}
		got := w.story("2_b")
		got.Rev, got.UpdatedAt = want.Rev, want.UpdatedAt
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error("restored (-want +got):", diff)
		}
	}
	if notes, n := w.state().Notes("2_b", 9); n != 2 || notes[1].Text != "written elsewhere" {
		t.Errorf("notes: %+v", notes)
	}
	for _, id := range []string{"9_x", "a/b", ""} {
		_, err1 := w.delete(id)
		_, err2 := w.restore(id)
		if err1 == nil || err2 == nil || kind(err1) == pipeline.KindDeleted {
			t.Errorf("%q: got %v, %v", id, err1, err2)
		}
	}
	w.apply("8_unseen", crdt.Set(pipeline.NameName, crdt.String("no stage yet")))
	if _, err := w.delete("8_unseen"); kind(err) != pipeline.KindNotFound {
		t.Errorf("a story that nobody sees: got %v", err)
	}
}

// TestRestoreClosesNoCircle of dependencies, and says which it would be.
func TestRestoreClosesNoCircle(t *testing.T) {
	w := newWriter(t)
	w.write("1_a", stage(pipeline.Backlog))
	w.write("2_b", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1}})
	if _, err := w.delete("2_b"); err != nil {
		t.Fatal(err)
	}
	w.write("1_a", pipeline.Changes{DependsOn: &[]uint32{2}}) // nobody sees what 2_b depends on
	_, err := w.restore("2_b")
	if want := "restore_circle Story:2_b IDs:[2_b 1_a]"; refusal(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	w.write("1_a", pipeline.Changes{DependsOn: &[]uint32{}})
	if changed, err := w.restore("2_b"); !changed || err != nil {
		t.Errorf("got %v, %v", changed, err)
	}
}

// TestWaiting: who waits for a story once it is deleted.
func TestWaiting(t *testing.T) {
	w := newWriter(t)
	w.write("1_a", stage(pipeline.Done))
	for _, id := range []string{"2_b", "10_c", "3_done"} {
		w.write(id, pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1}})
	}
	w.write("3_done", stage(pipeline.Done))
	check := func(step string, want ...string) {
		t.Helper()
		tx := w.state().NewTx()
		if got, n := tx.Waiting("1_a", 9); !cmp.Equal(got, want) || n != len(want) {
			t.Errorf("%s: got %v of %d, want %v", step, got, n, want)
		}
	}
	check("before", "2_b", "10_c")
	w.write("1_other", stage(pipeline.Done))
	check("another story has the number")
	if _, err := w.delete("1_other"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.delete("1_a"); err != nil {
		t.Fatal(err)
	}
	check("after", "2_b", "10_c")
	if _, err := w.restore("1_other"); err != nil {
		t.Fatal(err)
	}
	check("another story has the number of the deleted one")
	if _, err := w.delete("1_other"); err != nil {
		t.Fatal(err)
	}
	if got := w.story("2_b"); got.Ready || !(allShown(got.Warnings) == "deleted_numbers IDs:[1_a] Count:1") {
		t.Errorf("got %+v", got)
	}
}
