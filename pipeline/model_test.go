package pipeline_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/pipeline/sourcetest"
)

// TestModelAnswers: what the model says to each kind of question. Tables are compared
// with these answers.
func TestModelAnswers(t *testing.T) {
	w := newWriter(t)
	deps := func(s pipeline.Stage, on ...uint32) pipeline.Changes {
		return pipeline.Changes{Stage: &s, DependsOn: &on}
	}
	w.write("1_a", deps(pipeline.Archived))
	w.write("1_b", deps(pipeline.Done, 4))
	w.write("10_x", deps(pipeline.Backlog, 1, 2, 9))
	w.write("2_x", deps(pipeline.QA, 1, 9))
	w.write("2_y", deps(pipeline.Done, 9))
	w.write("3_gone", deps(pipeline.Backlog, 9))
	if _, err := w.delete("3_gone"); err != nil {
		t.Fatal(err)
	}
	w.apply("4_unseen", crdt.Set(pipeline.NameName, crdt.String("x")), crdt.Dep(9, true))
	w.apply("notes", crdt.Set(pipeline.NameStage, crdt.String("0_triage")))
	claim := w.apply("2_y", crdt.Set(pipeline.NameAgent, crdt.String("ann")), crdt.Set(pipeline.NameClaim, crdt.String(""))).ID
	w.apply("2_x", crdt.Set(pipeline.NameAgent, crdt.String("bob")))
	m := w.model

	for _, tt := range []struct {
		question string
		answer   string
		want     string
	}{
		{"unknown story", answer(m.Story("5_x")), "none"},
		{"invisible story", answer(m.Story("4_unseen")), "4_unseen"},
		{"dependencies", answer(m.Dependencies("10_x")), "[{1 {2 2 0 1 0}} {2 {2 2 1 0 0}} {9 {0 0 0 0 0}}]"},
		{"dependencies of none", answer(m.Dependencies("5_x")), "[]"},
		{"deleted number", answer(m.Number(3)), "{1 0 0 0 1}"},
		{"invisible number", answer(m.Number(4)), "{1 0 0 0 0}"},
		{"numbered", answer(m.Numbered(2, 9)), "2_x 2_y"},
		{"numbered, one", answer(m.Numbered(2, 1)), "2_x"},
		{"numbered, deleted", answer(m.Numbered(3, 9)), "3_gone"},
		{"newest", answer(m.Newest(4)), "10_x 4_unseen 3_gone 2_x"},
		{"greatest", answer(m.Greatest()), "10"},
		{"shared", answer(m.SharedNumbers(9)), "[1 2]"},
		{"shared, one", answer(m.SharedNumbers(1)), "[1]"},
		{"edges", answer(m.Edges(2, false, 9)), "[{2_x 1} {2_x 9} {2_y 9}]"},
		{"edges, two", answer(m.Edges(2, false, 2)), "[{2_x 1} {2_x 9}]"},
		{"open edges", answer(m.Edges(2, true, 9)), "[{2_x 9}]"},
		{"edges of deleted", answer(m.Edges(3, false, 9)), "[]"},
		{"dependent", answer(m.Dependent(-1, 9)), "[1 2 10]"},
		{"dependent, two after 1", answer(m.Dependent(1, 2)), "[2 10]"},
		{"claims", answer(m.Claims("ann", 9)), "2_y"},
		{"no claims", answer(m.Claims("bob", 9)), ""},
		{"claimed by", answer(m.ClaimedBy(claim.String()[:12])), "2_y"},
		{"claimed by none", answer(m.ClaimedBy("000000000000")), "none"},
		{"count", answer(m.Count()), "8"},
		{"IDs", answer(m.IDs("", 9)), "[1_a 1_b 2_x 2_y 10_x notes]"},
		{"IDs with a prefix", answer(m.IDs("1", 2)), "[1_a 1_b]"},
		{"similar", answer(m.Similar("_x", 9)), "[2_x 10_x]"},
		{"agents", answer(m.Agents()), "[ann bob]"},
		{"last", answer(m.Last()), "notes"}, // nobody placed it
		{"unknown", answer(m.Unknown(9)), "[0_triage]"},
		{"gaps", answer(m.Gaps()), "{0 0}"},
	} {
		if tt.answer != tt.want {
			t.Errorf("%s: got %s, want %s", tt.question, tt.answer, tt.want)
		}
	}
	ids, count, _ := m.Dependents(9, "2_x", false, 1)
	if fmt.Sprint(ids, count) != "[2_y] 2" {
		t.Errorf("dependents: got %v of %d", ids, count)
	}
	if ids, count, _ = m.Dependents(9, "", true, 9); fmt.Sprint(ids, count) != "[2_x 10_x] 2" {
		t.Errorf("unfinished dependents: got %v of %d", ids, count)
	}
	before, after, _ := m.Neighbours("2_x")
	if before.ID() != "10_x" || after.ID() != "2_y" { // 3_gone and 4_unseen are elsewhere
		t.Errorf("neighbours: got %s and %s", before.ID(), after.ID())
	}
}

// answer writes what a method returned.
func answer[T any](v T, err error) string {
	if err != nil {
		return err.Error()
	}
	switch v := any(v).(type) {
	case *crdt.Story:
		if v == nil {
			return "none"
		}
		return v.ID()
	case []*crdt.Story:
		var ids []string
		for _, c := range v {
			ids = append(ids, c.ID())
		}
		return strings.Join(ids, " ")
	default:
		return fmt.Sprint(v)
	}
}

// TestUnused: the least number that no story ever had.
func TestUnused(t *testing.T) {
	w := newWriter(t)
	for i, want := range []uint32{1, 2, 2, 4} {
		if n, ok, err := w.model.Unused(); n != want || !ok || err != nil {
			t.Errorf("step %d: got %d, %v, %v, want %d", i, n, ok, err, want)
		}
		w.apply(fmt.Sprintf("%d_s", []uint32{1, 3, 2, math.MaxUint32}[i]), crdt.Set(pipeline.NameName, crdt.String("x")))
	}
}

// TestModelsOfOneLogAreEqual: the order of arrival does not show in any answer.
func TestModelsOfOneLogAreEqual(t *testing.T) {
	c := crowded(t)
	backwards := pipeline.NewModel()
	for i := range c.ops {
		if _, err := backwards.Apply(c.ops[len(c.ops)-1-i]); err != nil {
			t.Fatal(err)
		}
	}
	sourcetest.Compare(t, c.model, backwards)
}
