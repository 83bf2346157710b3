package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

func (w *writer) order() string {
	w.t.Helper()
	var ids []string
	for _, s := range w.list(pipeline.Filter{}, nil, 1000).Stories {
		ids = append(ids, s.ID)
	}
	return strings.Join(ids, " ")
}

// TestPlaces: a new story goes last, after and before put it where they say,
// and a story that stands there already is not moved.
func TestPlaces(t *testing.T) {
	w := newWriter(t)
	place := func(id string, after, before *string, moved bool, want string) {
		t.Helper()
		created, changed := w.write(id, pipeline.Changes{Stage: ptr(pipeline.Backlog), After: after, Before: before})
		if got := w.order(); got != want {
			t.Errorf("order is %q, want %q", got, want)
		}
		if got := slices.Contains(changed, "place"); got != moved || !created && !moved && changed != nil {
			t.Errorf("%s: changed %q, want a place in it: %t", id, changed, moved)
		}
	}
	place("9_a", nil, nil, false, "9_a")
	place("5_b", nil, nil, false, "9_a 5_b")
	place("7_c", ptr("9_a"), nil, true, "9_a 7_c 5_b")
	place("7_c", nil, ptr("9_a"), true, "7_c 9_a 5_b")
	place("7_c", nil, ptr("9_a"), false, "7_c 9_a 5_b")
	place("5_b", ptr(pipeline.First), nil, true, "5_b 7_c 9_a")
	place("5_b", ptr(pipeline.First), nil, false, "5_b 7_c 9_a")
	place("9_a", nil, ptr(pipeline.First), true, "9_a 5_b 7_c")
	place("9_a", ptr("7_c"), nil, true, "5_b 7_c 9_a")
	place("9_a", ptr("7_c"), nil, false, "5_b 7_c 9_a")
	place("5_b", ptr("7_c"), nil, true, "7_c 5_b 9_a")
	place("5_b", nil, nil, false, "7_c 5_b 9_a")
	place("7_c", ptr(pipeline.Last), nil, true, "5_b 9_a 7_c")
	place("7_c", nil, ptr(pipeline.Last), false, "5_b 9_a 7_c")
	place("7_c", nil, ptr(pipeline.First), true, "7_c 5_b 9_a")

	w.apply("5_b", crdt.Set(crdt.DeletedField, crdt.Bool(true)))
	if got := w.order(); got != "7_c 9_a" {
		t.Errorf("order is %q after deleting 5_b", got)
	}
	place("8_d", ptr("7_c"), nil, true, "7_c 8_d 9_a")
	w.apply("5_b", crdt.Set(crdt.DeletedField, crdt.Bool(false)))
	if got := w.order(); got != "7_c 8_d 5_b 9_a" {
		t.Errorf("order is %q after restoring 5_b", got)
	}
}

// TestStagesComeFirst: the order of stories is that of their places only within
// one stage.
func TestStagesComeFirst(t *testing.T) {
	w := newWriter(t)
	w.write("1_a", stage(pipeline.QA))
	w.write("2_b", stage(pipeline.Backlog))
	w.write("3_c", pipeline.Changes{Stage: ptr(pipeline.QA), After: ptr(pipeline.First)})
	w.write("4_d", pipeline.Changes{Stage: ptr(pipeline.Backlog), Before: ptr("1_a")})
	if got, want := w.order(), "3_c 1_a 4_d 2_b"; got != want {
		t.Errorf("order is %q, want %q", got, want)
	}
}

// TestStoriesWithoutAPlace: stories that ops of older builds created stand in
// the order of their numbers, before what is created now, and take neighbours.
func TestStoriesWithoutAPlace(t *testing.T) {
	w := newWriter(t)
	for _, id := range []string{"10_old", "2_old", "noname"} {
		w.apply(id, crdt.Set(pipeline.NameStage, crdt.String(string(pipeline.Backlog))))
	}
	w.write("1_new", stage(pipeline.Backlog))
	w.write("3_new", pipeline.Changes{Stage: ptr(pipeline.Backlog), After: ptr("2_old")})
	w.write("4_new", pipeline.Changes{Stage: ptr(pipeline.Backlog), Before: ptr("2_old")})
	if got, want := w.order(), "4_new 2_old 3_new 10_old noname 1_new"; got != want {
		t.Errorf("order is %q, want %q", got, want)
	}
	w.write("noname", pipeline.Changes{After: ptr("2_old")})
	if got, want := w.order(), "4_new 2_old noname 3_new 10_old 1_new"; got != want {
		t.Errorf("order is %q, want %q", got, want)
	}
}

// TestUnseenStoryGetsItsPlace: a story of which only fields came before is put where its
// creation says, although it stands there already.
func TestUnseenStoryGetsItsPlace(t *testing.T) {
	for _, c := range []pipeline.Changes{{After: ptr("1_a")}, {Before: ptr("3_c")}} {
		w := newWriter(t)
		w.write("1_a", stage(pipeline.Backlog))
		w.apply("2_b", crdt.Set(pipeline.NameName, crdt.String("B")))
		w.apply("3_c", crdt.Set(pipeline.NameStage, crdt.String("1_backlog")))
		c.Stage = ptr(pipeline.Backlog)
		if _, changed := w.write("2_b", c); !slices.Contains(changed, "place") {
			t.Errorf("changed %q, want a place in it", changed)
		}
		if got, want := w.order(), "1_a 2_b 3_c"; got != want {
			t.Errorf("order is %q, want %q", got, want)
		}
	}
}

// TestPagesGoOnAfterAMove: a cursor stays right when the story it was made of
// moves away, is deleted, or changes its stage.
func TestPagesGoOnAfterAMove(t *testing.T) {
	for name, disturb := range map[string]func(w *writer){
		"moved":         func(w *writer) { w.write("2_s", pipeline.Changes{After: ptr(pipeline.First)}) },
		"deleted":       func(w *writer) { w.apply("2_s", crdt.Set(crdt.DeletedField, crdt.Bool(true))) },
		"another stage": func(w *writer) { w.write("2_s", stage(pipeline.Done)) },
		"renamed":       func(w *writer) { w.write("2_s", pipeline.Changes{Name: ptr("x")}) },
	} {
		w := newWriter(t)
		for _, id := range []string{"1_s", "2_s", "3_s", "4_s"} {
			w.write(id, stage(pipeline.Backlog))
		}
		page := w.list(pipeline.Filter{Stages: only(pipeline.Backlog)}, nil, 2)
		last := page.Stories[1]
		disturb(w)
		var got []string
		for _, s := range w.list(pipeline.Filter{Stages: only(pipeline.Backlog)}, &pipeline.Position{Stage: last.Stage, Place: last.Place}, 9).Stories {
			got = append(got, s.ID)
		}
		if diff := cmp.Diff([]string{"3_s", "4_s"}, got); diff != "" {
			t.Errorf("%s: the next page (-want +got): %s", name, diff)
		}
	}
	w := newWriter(t)
	w.write("1_s", stage(pipeline.Backlog))
	if _, err := w.state().List(pipeline.Filter{}, &pipeline.Position{Stage: pipeline.Backlog, Place: crdt.Anchor{Op: crdt.OpID{1}}}, 9); err == nil {
		t.Error("a position of another pipeline: got no error")
	}
}

// TestPlaceErrors: a place that cannot be given is an error that names the
// argument, and nothing is written.
func TestPlaceErrors(t *testing.T) {
	w := newWriter(t)
	w.write("1_a", stage(pipeline.Backlog))
	w.write("2_gone", stage(pipeline.Backlog))
	w.apply("2_gone", crdt.Set(crdt.DeletedField, crdt.Bool(true)))
	for _, tt := range []struct {
		c    pipeline.Changes
		want string
	}{
		{pipeline.Changes{After: ptr("1_a"), Before: ptr("1_a")}, "two_places"},
		{pipeline.Changes{After: ptr("3_new")}, "beside_itself Field:after"},
		{pipeline.Changes{Before: ptr("4_x")}, "no_story Story:4_x Field:before"},
		{pipeline.Changes{Before: ptr("1_x")}, "no_story Story:1_x Field:before IDs:[1_a]"},
		{pipeline.Changes{After: ptr("2_gone")}, "deleted Story:2_gone Field:after"},
		{pipeline.Changes{After: ptr("no such/id")}, "bad_neighbour Field:after Given:no such/id"},
	} {
		tt.c.Stage = ptr(pipeline.Backlog)
		err := w.do(func(tx *pipeline.Tx) error { _, _, err := tx.Write("3_new", tt.c); return err })
		if err == nil || refusal(err) != tt.want {
			t.Errorf("got %q, want %q", refusal(err), tt.want)
		}
	}
	if got := w.order(); got != "1_a" {
		t.Errorf("order is %q, want 1_a alone", got)
	}
}

// TestBeside: the stories beside one are those of its stage, in the order, whatever stands between.
func TestBeside(t *testing.T) {
	w := newWriter(t)
	for _, id := range []string{"1_a", "2_b", "3_c", "4_d", "5_e"} {
		w.write(id, pipeline.Changes{Stage: ptr(pipeline.Backlog)})
	}
	w.write("2_b", pipeline.Changes{Stage: ptr(pipeline.QA)})
	w.write("5_e", pipeline.Changes{After: ptr("1_a")})
	if _, err := w.delete("3_c"); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string][2]string{
		"1_a": {"", "5_e"}, "5_e": {"1_a", "4_d"}, "4_d": {"5_e", ""}, "2_b": {"", ""}, "3_c": {"", ""}, "9_x": {"", ""},
	} {
		before, after := w.state().Beside(id)
		if got := [2]string{before, after}; got != want {
			t.Errorf("beside %s are %q, want %q", id, got, want)
		}
	}
}
