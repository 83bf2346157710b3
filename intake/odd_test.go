package intake

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOddWords: a status and a type that are not understood are warned of once, with the places of the
// first items that have them.
func TestOddWords(t *testing.T) {
	rows := "name,stage,type\nA,4_mrege,bug\nB,qa,feature\nC,4 Mrege,task\nD,,\nE,open,user story\n"
	for i := range 10 {
		rows += fmt.Sprintf("N%d,done,epic\n", i)
	}
	l := read(t, Source{Name: "work.csv", Data: []byte(rows)}, Options{})
	plan := NewPlan(l, &Index{}, PlanOptions{})
	want := []string{
		`work.csv line 2: the status "4_mrege" is not understood, so 2 stories go to 1_backlog; the others: line 4`,
		`work.csv line 3: the type "feature" is not understood, so the story is of the type story`,
		`work.csv line 7: the type "epic" is not understood, so 10 stories are of the type story; the others: line 8, line 9, line 10, line 11, line 12 and 4 more`,
	}
	var got []string
	for _, p := range plan.Warnings {
		got = append(got, p.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if preview := plan.Preview(); !strings.Contains(preview, want[0]) {
		t.Errorf("the preview lacks the warnings:\n%s", preview)
	}

	again := &Index{}
	for _, s := range plan.Create {
		again.Add(s.ID, s.Note)
	}
	if plan := NewPlan(l, again, PlanOptions{}); len(plan.Warnings) != 0 {
		t.Errorf("stories that are there already are warned of: %v", plan.Warnings)
	}
}
