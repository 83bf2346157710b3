package pipeline_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestC3_StoriesAreFoundByID: stories that arrive before others in whatever
// order do not shift what a write hits.
func TestC3_StoriesAreFoundByID(t *testing.T) {
	w := newWriter(t)
	for _, id := range []string{"3_s", "1_s", "2_s"} {
		w.write(id, stage(pipeline.Backlog))
	}
	w.write("1_s", pipeline.Changes{Name: ptr("one")})
	w.write("0_s", stage(pipeline.Backlog)) // comes before all others
	w.write("3_s", pipeline.Changes{Name: ptr("three")})
	for id, want := range map[string]string{"0_s": "", "1_s": "one", "2_s": "", "3_s": "three"} {
		if got := w.story(id).Name; got != want {
			t.Errorf("%s: got name %q, want %q", id, got, want)
		}
	}
}

// TestC7_FieldsBeforeTheirStage: a field that arrives for a story without a
// stage is kept and shows when the stage arrives.
func TestC7_FieldsBeforeTheirStage(t *testing.T) {
	w := newWriter(t)
	w.apply("10_s", crdt.Set(pipeline.NameName, crdt.String("early")))
	if _, err := w.state().Story("10_s"); kind(err) != pipeline.KindNotFound {
		t.Errorf("a story without a stage: got %v", err)
	}
	if page := w.list(pipeline.Filter{}, nil, 10); page.Total != 0 {
		t.Errorf("it is listed: %+v", page)
	}
	created, changed := w.write("10_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: ptr("early")})
	if diff := cmp.Diff([]string{"stage"}, changed); diff != "" || !created {
		t.Errorf("created %v, changed (-want +got): %s", created, diff)
	}
	if got := w.story("10_s").Name; got != "early" {
		t.Errorf("got name %q", got)
	}
}

// TestC24_WriteToADeletedStory: it is an error for the caller and changes
// nothing; what an op of another replica writes merges and stays hidden.
func TestC24_WriteToADeletedStory(t *testing.T) {
	w := newWriter(t)
	w.write("10_s", stage(pipeline.Backlog))
	w.apply("10_s", crdt.Set(crdt.DeletedField, crdt.Bool(true)))
	before := len(w.ops)
	for name, fn := range map[string]func(*pipeline.Tx) error{
		"write":  func(tx *pipeline.Tx) error { _, _, err := tx.Write("10_s", stage(pipeline.QA)); return err },
		"block":  func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("10_s", true, nil); return err },
		"bump":   func(tx *pipeline.Tx) error { _, err := tx.BumpRetry("10_s", 1, 3); return err },
		"expect": func(tx *pipeline.Tx) error { return tx.Expect("10_s", w.ops[0].ID.Short()) },
	} {
		if err := w.do(fn); kind(err) != pipeline.KindDeleted {
			t.Errorf("%s: got %v, want kind deleted", name, err)
		}
	}
	if len(w.ops) != before {
		t.Error("something was written")
	}
	w.apply("10_s", crdt.Set(pipeline.NameStage, crdt.String("3_qa")))
	if _, err := w.state().Story("10_s"); kind(err) != pipeline.KindDeleted {
		t.Errorf("a later op brought it back: %v", err)
	}
	w.apply("10_s", crdt.Set(crdt.DeletedField, crdt.Bool(false)))
	if got := w.story("10_s").Stage; got != pipeline.QA {
		t.Errorf("restored with stage %s, want 3_qa", got)
	}
}

// TestC26_NumbersOfDeletedStories are not given out again: neither can a new
// story take one, nor is a dependency on one met.
func TestC26_NumbersOfDeletedStories(t *testing.T) {
	w := newWriter(t)
	w.write("10_story_old", stage(pipeline.Done))
	w.write("20_story_needs", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{10}})
	w.apply("10_story_old", crdt.Set(crdt.DeletedField, crdt.Bool(true)))
	err := w.do(func(tx *pipeline.Tx) error { _, _, err := tx.Write("10_story_new", stage(pipeline.Done)); return err })
	if refusal(err) != "number_used Story:10_story_old Number:10 Free:21" {
		t.Errorf("got %v", err)
	}
	if got := w.story("20_story_needs"); got.Ready || !cmp.Equal(got.WaitingOn, []uint32{10}) {
		t.Errorf("a dependency on a deleted story: got %+v", got)
	}
	err = w.do(func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("20_bug_same_number", stage(pipeline.Done))
		return err
	})
	if refusal(err) != "number_taken Story:20_bug_same_number Number:20 Free:21 IDs:[20_story_needs]" {
		t.Errorf("got %v", err)
	}
}

// TestC27_Unblocking clears the reason and zeroes retry_count, by either tool.
func TestC27_Unblocking(t *testing.T) {
	for name, unblock := range map[string]func(*pipeline.Tx) error{
		"set_blocked": func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("10_s", false, nil); return err },
		"write_item": func(tx *pipeline.Tx) error {
			_, changed, err := tx.Write("10_s", pipeline.Changes{Blocked: ptr(false)})
			if diff := cmp.Diff([]string{"blocked", "blocked_reason", "retry_count"}, changed); diff != "" {
				t.Error("changed (-want +got):", diff)
			}
			return err
		},
	} {
		w := newWriter(t)
		w.write("10_s", stage(pipeline.Current))
		for range 3 {
			if err := w.do(func(tx *pipeline.Tx) error { _, err := tx.BumpRetry("10_s", 1, 3); return err }); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.story("10_s"); !got.Blocked || got.RetryCount != 3 {
			t.Fatalf("%s: not blocked by the limit: %+v", name, got)
		}
		if err := w.do(unblock); err != nil {
			t.Fatal(err)
		}
		if got := w.story("10_s"); got.Blocked || got.BlockedReason != "" || got.RetryCount != 0 {
			t.Errorf("%s: got %+v", name, got)
		}
		// The next failure counts from zero.
		if err := w.do(func(tx *pipeline.Tx) error { _, err := tx.BumpRetry("10_s", 1, 3); return err }); err != nil {
			t.Fatal(err)
		}
		if got := w.story("10_s"); got.Blocked || got.RetryCount != 1 {
			t.Errorf("%s: after one more failure: got %+v", name, got)
		}
	}
	w := newWriter(t)
	w.write("10_s", pipeline.Changes{Stage: ptr(pipeline.Current), Blocked: ptr(true), RetryCount: ptr(int64(2))})
	w.write("10_s", pipeline.Changes{Blocked: ptr(false), RetryCount: ptr(int64(1))})
	if got := w.story("10_s").RetryCount; got != 1 {
		t.Errorf("a retry_count given with the unblocking: got %d, want 1", got)
	}
}

// TestC28_AssigningNeverChangesTheStage, in whatever stage.
func TestC28_AssigningNeverChangesTheStage(t *testing.T) {
	for _, s := range pipeline.Stages() {
		w := newWriter(t)
		w.write("10_s", stage(s))
		w.write("10_s", pipeline.Changes{Agent: ptr("coder-1")})
		w.write("10_s", pipeline.Changes{Agent: ptr("")})
		if got := w.story("10_s").Stage; got != s {
			t.Errorf("got %s, want %s", got, s)
		}
	}
}

// TestC29_ArchivedDependency counts as met, and says so.
func TestC29_ArchivedDependency(t *testing.T) {
	w := newWriter(t)
	w.write("1_s", stage(pipeline.Archived))
	w.write("2_s", stage(pipeline.Done))
	w.write("3_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1, 2}})
	got := w.story("3_s")
	if !got.Ready || len(got.WaitingOn) != 0 {
		t.Errorf("not ready: %+v", got)
	}
	if diff := cmp.Diff([]pipeline.Fact{{Code: pipeline.CodeArchivedNumbers, IDs: []string{"1_s"}, Count: 1}}, got.Warnings); diff != "" {
		t.Error("warnings (-want +got):", diff)
	}
}

// TestC30_StagesAreATable: work in hand comes first in lists, whatever the names are,
// and stages of a newer build come last and are kept.
func TestC30_StagesAreATable(t *testing.T) {
	w := newWriter(t)
	w.apply("1_new", crdt.Set(pipeline.NameStage, crdt.String("0_triage")))
	for i, s := range []pipeline.Stage{pipeline.Archived, pipeline.Done, pipeline.Merge, pipeline.QA, pipeline.Current, pipeline.Backlog} {
		w.write(string(rune('a'+i)), stage(s))
	}
	var got []pipeline.Stage
	for _, c := range w.list(pipeline.Filter{}, nil, 10).Stages {
		got = append(got, c.Stage)
	}
	want := append(pipeline.Listed(), "0_triage")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("stages (-want +got):", diff)
	}
	if _, ok := pipeline.ParseStage("0_triage"); ok {
		t.Error("0_triage parses as a stage")
	}
	if got := w.story("1_new").Stage; got != "0_triage" {
		t.Errorf("got stage %q", got)
	}
}

// TestReadiness walks through every condition.
func TestReadiness(t *testing.T) {
	w := newWriter(t)
	w.write("1_s", stage(pipeline.Merge))
	w.write("1_other", stage(pipeline.Done))
	w.write("2_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1}})
	check := func(step string, ready bool, waiting ...uint32) {
		t.Helper()
		if got := w.story("2_s"); got.Ready != ready || !cmp.Equal(got.WaitingOn, waiting) {
			t.Errorf("%s: got ready %v, waiting on %v; want %v, %v", step, got.Ready, got.WaitingOn, ready, waiting)
		}
	}
	check("one of two stories with the number is in merge", false, 1)
	w.write("1_s", stage(pipeline.Done))
	check("both are done", true)
	w.write("2_s", pipeline.Changes{Agent: ptr("coder-1")})
	check("an agent has it", false)
	w.write("2_s", pipeline.Changes{Agent: ptr("")})
	w.mustBlock("2_s", true, nil)
	check("blocked", false)
	w.mustBlock("2_s", false, nil)
	check("unblocked", true)
	w.write("2_s", stage(pipeline.Current))
	check("in 2_current", true)
	w.write("2_s", stage(pipeline.Done))
	check("in 5_done", false)
	w.write("2_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1, 77}})
	check("a number that no story has", false, 77)
}

// TestList: order, groups, filters, pages.
func TestList(t *testing.T) {
	w := newWriter(t)
	for _, id := range []string{"100_s", "20_s", "3_s", "noname", "20_a", "003_s"} {
		w.write(id, stage(pipeline.Backlog))
	}
	w.write("7_s", pipeline.Changes{Stage: ptr(pipeline.QA), Agent: ptr("q"), Blocked: ptr(true)})
	ids := func(f pipeline.Filter, after *pipeline.Position, limit int) (got []string, page pipeline.Page) {
		page = w.list(f, after, limit)
		for _, s := range page.Stories {
			got = append(got, s.ID)
		}
		return got, page
	}
	all := []string{"7_s", "100_s", "20_s", "3_s", "noname", "20_a", "003_s"}
	got, page := ids(pipeline.Filter{}, nil, 100)
	if diff := cmp.Diff(all, got); diff != "" || page.Total != 7 || page.More {
		t.Errorf("%+v (-want +got): %s", page, diff)
	}
	if diff := cmp.Diff([]pipeline.StageCount{{pipeline.QA, 1}, {pipeline.Backlog, 6}}, page.Stages); diff != "" {
		t.Error("stages (-want +got):", diff)
	}
	for _, tt := range []struct {
		filter pipeline.Filter
		want   []string
	}{
		{pipeline.Filter{Stages: only(pipeline.QA)}, []string{"7_s"}},
		{pipeline.Filter{Stages: only(pipeline.Done)}, nil},
		{pipeline.Filter{Agent: ptr("q")}, []string{"7_s"}},
		{pipeline.Filter{Agent: ptr("")}, all[1:]},
		{pipeline.Filter{Blocked: ptr(true)}, []string{"7_s"}},
		{pipeline.Filter{Blocked: ptr(false), Stages: only(pipeline.QA)}, nil},
		{pipeline.Filter{Ready: ptr(true)}, all[1:]},
		{pipeline.Filter{Ready: ptr(false)}, []string{"7_s"}},
	} {
		if got, _ := ids(tt.filter, nil, 100); !cmp.Equal(got, tt.want) {
			t.Errorf("%+v: got %v, want %v", tt.filter, got, tt.want)
		}
	}
	// Pages of two, while a story on a page already read moves on.
	var paged []string
	var after *pipeline.Position
	for more := true; more; {
		got, page := ids(pipeline.Filter{}, after, 2)
		if page.Total != 7 {
			t.Errorf("total is %d on a page", page.Total)
		}
		paged = append(paged, got...)
		last := page.Stories[len(page.Stories)-1]
		after, more = &pipeline.Position{Stage: last.Stage, Place: last.Place}, page.More
		w.write("3_s", pipeline.Changes{Name: ptr("touched" + last.ID)})
	}
	if diff := cmp.Diff(all, paged); diff != "" {
		t.Error("pages (-want +got):", diff)
	}
}

// TestReleasedOpsAreIndexed: a story that comes with a pending op counts like any
// other when the op's parent arrives, also by way of a damaged one.
func TestReleasedOpsAreIndexed(t *testing.T) {
	for name, arrive := range map[string]func(*pipeline.Model, *crdt.Op) error{
		"parent": func(s *pipeline.Model, op *crdt.Op) error { _, err := s.Apply(op); return err },
		"damaged parent": func(s *pipeline.Model, op *crdt.Op) error {
			s.AssumeApplied(op.ID, op.Seq)
			return nil
		},
	} {
		w := newWriter(t)
		w.write("1_s", stage(pipeline.Done))
		w.write("2_s", stage(pipeline.Done))
		w.write("3_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{2}})
		late := pipeline.NewModel()
		for _, op := range w.ops[1:] {
			if res, err := late.Apply(op); err != nil || res.Status != crdt.Pending {
				t.Fatalf("%s: %v, %v", name, res.Status, err)
			}
		}
		if err := arrive(late, w.ops[0]); err != nil {
			t.Fatal(err)
		}
		if got, err := pipeline.NewState(late, nil).Story("3_s"); err != nil || !got.Ready {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// TestWarnings: what would wait for ever, or means more than it seems to, is said.
func TestWarnings(t *testing.T) {
	w := newWriter(t)
	w.write("1_a", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{2}})
	w.write("2_b", pipeline.Changes{Stage: ptr(pipeline.Current), DependsOn: &[]uint32{3}})
	w.write("3_c", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{4}})
	w.apply("3_c", crdt.Dep(1, true)) // as another replica may write it at the same time
	w.write("4_d", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{5}})
	w.write("5_e", stage(pipeline.Backlog))
	warnings := func(id, want string) {
		t.Helper()
		if got := allShown(w.story(id).Warnings); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
	warnings("1_a", "in_circle IDs:[1_a 2_b 3_c]")
	warnings("3_c", "in_circle IDs:[3_c 1_a 2_b]")
	warnings("4_d", "")
	w.write("2_b", stage(pipeline.Done)) // the circle is cut
	warnings("1_a", "")
	warnings("3_c", "")

	w.write("5_other", stage(pipeline.Current))
	warnings("5_e", "shared_number Free:6 IDs:[5_other] Count:1")
	for i := range 10 {
		w.write(fmt.Sprintf("5_more_%d", i), stage(pipeline.Backlog))
	}
	warnings("5_e", "shared_number Free:6 IDs:[5_more_0 5_more_1 5_more_2 5_more_3 5_more_4] Count:11")
}
