package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/pipeline/sourcetest"
)

// layers writes stories in layers of 50, each of which depends on the whole layer before,
// and returns the numbers of the last layer. Story 1 is the first layer.
func (w *writer) layers(count int) (last []uint32) {
	w.t.Helper()
	last = []uint32{1}
	w.write("1_story", stage(pipeline.Backlog))
	for layer := range count {
		var next []uint32
		for i := range 50 {
			n := uint32(1000*(layer+1) + i)
			edits := []crdt.Edit{crdt.Set("stage", crdt.String(string(pipeline.Backlog)))}
			for _, on := range last {
				edits = append(edits, crdt.Dep(on, true))
			}
			w.apply(fmt.Sprintf("%d_story", n), edits...)
			next = append(next, n)
		}
		last = next
	}
	return last
}

// TestCircleBeyondTheBound: a circle that a search of 20,000 edges finds is refused, and
// one that it does not find is written with a warning.
func TestCircleBeyondTheBound(t *testing.T) {
	for _, tt := range []struct {
		layers  int
		refused bool
	}{{8, true}, {9, false}} { // 7 or 8 times 2,500 edges, and 50
		w := newWriter(t)
		last := w.layers(tt.layers)
		tx := w.state().NewTx()
		_, _, err := tx.Write("1_story", pipeline.Changes{DependsOn: &last})
		switch {
		case tt.refused && !strings.HasPrefix(refusal(err), "circle IDs:[1_story 8000_story 7000_story "):
			t.Errorf("%d layers: got %v, want it refused", tt.layers, err)
		case !tt.refused && (err != nil || allShown(tx.Warnings()) != "search_ended Most:20000"):
			t.Errorf("%d layers: got %v and warnings %q, want one", tt.layers, err, allShown(tx.Warnings()))
		}
	}
}

// reading counts what a source is asked for.
type reading struct {
	sourcetest.Hooked
	edges, questions int
}

func newReading(src pipeline.Source) *reading {
	r := &reading{}
	r.Hooked = sourcetest.Hooked{Source: src, Hook: func(string) (bool, error) { r.questions++; return true, nil }}
	return r
}

func (r *reading) Edges(n uint32, open bool, most int) ([]pipeline.Edge, error) {
	edges, err := r.Hooked.Edges(n, open, most)
	r.edges += len(edges)
	return edges, err
}

// TestShownCirclesAreBounded: a page of stories that wait for thousands reads as many
// edges as one of them may.
func TestShownCirclesAreBounded(t *testing.T) {
	w := newWriter(t)
	w.layers(6)
	src := newReading(w.model)
	page, err := pipeline.NewState(src, nil).List(pipeline.Filter{}, nil, 200)
	if err != nil || len(page.Stories) != 200 {
		t.Fatalf("got %d stories, %v", len(page.Stories), err)
	}
	if src.edges < 1000 || src.edges > 2000 {
		t.Errorf("a page reads %d edges, want some and at most 2000", src.edges)
	}
	if src.questions > 3000 {
		t.Errorf("a page asks %d questions", src.questions)
	}
	// The same pipeline still shows a small circle to a reader of its stories.
	w.apply("2_a", crdt.Set("stage", crdt.String("1_backlog")), crdt.Dep(3, true))
	w.apply("3_b", crdt.Set("stage", crdt.String("1_backlog")), crdt.Dep(2, true))
	if got := allShown(w.story("2_a").Warnings); got != "in_circle IDs:[2_a 3_b]" {
		t.Errorf("warnings: %q", got)
	}
}

// TestReadsDoNotGrow: what a call asks of its source does not depend on the number of
// stories in the pipeline.
func TestReadsDoNotGrow(t *testing.T) {
	questions := make(map[string][2]int)
	for i, stories := range []int{100, 400} {
		c := newClaimer(t)
		c.write("1_done", stage(pipeline.Done))
		for n := range stories {
			c.write(fmt.Sprintf("%d_story", n+2), pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1, 90_000}})
		}
		c.write("50000_ready", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1}})
		for name, call := range map[string]func(*pipeline.State) error{
			"list":       func(s *pipeline.State) error { _, err := s.List(pipeline.Filter{}, nil, 20); return err },
			"story":      func(s *pipeline.State) error { _, err := s.Story("2_story"); return err },
			"no story":   func(s *pipeline.State) error { _, err := s.Story("2_nothing"); return pipeline.IgnoreNotNow(err) },
			"claim next": func(s *pipeline.State) error { _, err := s.NewTx().ClaimNext(nil, c.options("a", 0)); return err },
			"refuse": func(s *pipeline.State) error {
				_, err := s.As(session("a")).CanClaim("", ptr(pipeline.Current))
				return err
			},
			"write": func(s *pipeline.State) error {
				_, _, err := s.NewTx().Write("60000_new", pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: ptr("x"), DependsOn: &[]uint32{2, 3}, Before: ptr("2_story")})
				return err
			},
		} {
			src := newReading(c.model)
			if err := call(pipeline.NewState(src, c)); err != nil && name != "no story" {
				t.Fatalf("%s: %v", name, err)
			}
			counts := questions[name]
			counts[i] = src.questions
			questions[name] = counts
		}
	}
	for name, counts := range questions {
		if counts[0] != counts[1] || counts[0] == 0 {
			t.Errorf("%s: %d questions with 100 stories, %d with 400", name, counts[0], counts[1])
		}
	}
}

// TestClaimNextPagesOn: the search for a story goes on behind many that others hold, and a
// refusal counts all and names a few.
func TestClaimNextPagesOn(t *testing.T) {
	c := newClaimer(t)
	const held = 70
	for n := range held {
		c.write(fmt.Sprintf("%d_s", n+1), pipeline.Changes{Stage: ptr(pipeline.Current), Agent: ptr("b")})
		c.write(fmt.Sprintf("%d_w", n+1001), pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{5000}})
	}
	_, err := c.claim("", "a", 0)
	c.refused(err, pipeline.KindNotNow,
		"70 waiting: 1001_w on [5000] 1002_w on [5000] 1003_w on [5000] 1004_w on [5000] 1005_w on [5000] 70 held:",
		"70 held: 1_s by b 2_s by b 3_s by b 4_s by b 5_s by b")
	c.write("99_free", stage(pipeline.Current))
	if won := c.mustClaim("", "a", 0); won.StoryID != "99_free" {
		t.Errorf("got %+v", won)
	}
	_, err = c.state().As(session("a")).CanClaim("", ptr(pipeline.Archived))
	if err != nil {
		t.Errorf("nothing in 6_archived: %v", err)
	}
	c.write("100_old", stage(pipeline.Archived))
	err = c.change(func(tx *pipeline.Tx) error {
		_, err := tx.ClaimNext(ptr(pipeline.Archived), c.options("a", 0))
		return err
	})
	c.refused(err, pipeline.KindNotNow, "none_free Stages:[6_archived] 1 finished: 100_old")
}

// TestCursorsOfOtherStages: a position goes on with the stages that come after its own,
// whether or not its stage is listed.
func TestCursorsOfOtherStages(t *testing.T) {
	w := newWriter(t)
	w.apply("1_new", crdt.Set(pipeline.NameStage, crdt.String("0_triage")))
	for n, s := range []pipeline.Stage{pipeline.Backlog, pipeline.QA, pipeline.Done} {
		w.write(fmt.Sprintf("%d_s", n+2), stage(s))
	}
	position := func(id string, s pipeline.Stage) *pipeline.Position {
		return &pipeline.Position{Stage: s, Place: w.model.Doc().Story(id).Anchor()}
	}
	for name, tt := range map[string]struct {
		stages []pipeline.Stage
		after  *pipeline.Position
		want   string
	}{
		"all":                       {nil, position("2_s", pipeline.Backlog), "4_s 1_new"},
		"all from the unknown one":  {nil, position("1_new", "0_triage"), ""},
		"a stage that nobody knows": {nil, position("2_s", "0_aaa"), "1_new"},
		"one that is not listed":    {only(pipeline.Backlog, pipeline.Done), position("3_s", pipeline.QA), "2_s 4_s"},
		"an earlier one":            {only(pipeline.Done), position("2_s", pipeline.Backlog), "4_s"},
		"a later one":               {only(pipeline.Backlog), position("4_s", pipeline.Done), ""},
		"in whatever order":         {only(pipeline.Done, pipeline.Backlog), position("2_s", pipeline.Backlog), "4_s"},
	} {
		page := w.list(pipeline.Filter{Stages: tt.stages}, tt.after, 9)
		var got []string
		for _, s := range page.Stories {
			got = append(got, s.ID)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %v, want %s", name, got, tt.want)
		}
	}
}

// partial counts the stories of a filter only in part.
type partial struct{ *pipeline.Model }

func (p partial) Counts(f pipeline.Filter) ([]pipeline.StageCount, bool, error) {
	counts, _, err := p.Model.Counts(f)
	return counts, false, err
}

func TestPageSaysWhetherItCountedAll(t *testing.T) {
	w := newWriter(t)
	w.write("1_s", stage(pipeline.Backlog))
	if page := w.list(pipeline.Filter{}, nil, 9); !page.Complete {
		t.Error("a count of all is not complete")
	}
	page, err := pipeline.NewState(partial{w.model}, nil).List(pipeline.Filter{}, nil, 9)
	if err != nil || page.Complete || page.Total != 1 {
		t.Errorf("a count in part: got %+v, %v", page, err)
	}
}

// TestWarningsNameAFew of the stories that share a number, and count them all.
func TestWarningsNameAFew(t *testing.T) {
	w := newWriter(t)
	for n := range 100 {
		w.write(fmt.Sprintf("1_s_%03d", n), stage(pipeline.Archived))
		w.write(fmt.Sprintf("2_s_%03d", n), stage(pipeline.Backlog))
	}
	for n := range 100 {
		if _, err := w.delete(fmt.Sprintf("2_s_%03d", n)); err != nil {
			t.Fatal(err)
		}
	}
	w.write("3_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), DependsOn: &[]uint32{1, 2}})
	want := []pipeline.Fact{
		{Code: pipeline.CodeDeletedNumbers, IDs: []string{"2_s_000"}, Count: 1},
		{Code: pipeline.CodeArchivedNumbers, IDs: []string{"1_s_000", "1_s_001", "1_s_002", "1_s_003", "1_s_004"}, Count: 100},
	}
	if diff := cmp.Diff(want, w.story("3_s").Warnings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	shared := w.state().SharedNumbers()
	if len(shared) != 1 || len(shared[0]) != 64 || shared[0][0] != "1_s_000" {
		t.Errorf("shared numbers: %v", shared)
	}
}
