package intake_test

import (
	"fmt"

	"github.com/huskies/huskies-mcp/intake"
)

// A command reads the source, fills an index from the pipeline, shows the preview or writes each story
// of the plan, all of them in one transaction.
func Example() {
	list, err := intake.Read(intake.Source{
		Name: "todo.csv",
		Data: []byte("id,title,status,depends_on\nA-2,Ship it,open,\"A-1, A-0\"\nA-1,Test it,in progress,\n"),
	}, intake.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var here intake.Index
	here.Add("7_story_write_it", "source: csv todo.csv A-0\nBrought in from todo.csv line 2.")
	plan := intake.NewPlan(list, &here, intake.PlanOptions{})
	if err := plan.Err(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan.Preview())
	for _, story := range plan.Create {
		changes := story.Changes() // for Tx.Write
		fmt.Println(story.ID, *changes.Stage, *changes.DependsOn)
	}
	// Output:
	// 2 stories to create, 0 in the pipeline already.
	//
	// To create:
	//   8_story  1_backlog   Test it
	//   9_story  1_backlog   Ship it  (depends on 7, 8)
	// 8_story 1_backlog []
	// 9_story 1_backlog [7 8]
}
