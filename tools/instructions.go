package tools

import (
	"fmt"
	"slices"
	"strings"
)

// advice is a part of the instructions, given where all the tools that it speaks
// of are offered.
type advice struct {
	needs string // names of tools, with spaces between
	text  string
}

// advices are given to the model once a session (hosts cut at 2 KB), in the order
// in which an agent works.
var advices = []advice{
	{"", "A shared pipeline of stories for the agents of one project. A story moves through 1_backlog, 2_current, 3_qa, 4_merge, 5_done, 6_archived.\n"},
	{"claim_item read_item write_item advance_item", "Work a story:\n" +
		"1. claim_item with agent set to your name takes the next ready story; nobody else gets it, and it moves to 2_current. Give the claim that it answers with all that you write to the story.\n" +
		"2. read_item shows its description and the notes of those before you.\n" +
		"3. Work. What others should know goes into note (of write_item, or of the next step).\n" +
		"4. advance_item with claim moves it to the next stage and ends your claim.\n"},
	{"release_item bump_retry set_blocked", "Not finished: release_item with a note gives it back. An attempt failed: bump_retry, then try again or release_item. You cannot go on: set_blocked with a reason, then release_item.\n"},
	{"claim_item advance_item", "Review, merge: claim_item with stage 3_qa or 4_merge, then advance_item; to reject, advance_item to 2_current with a note.\n"},
	{"claim_item list_items", "Your claim lasts while your session lives. After a restart: list_items with agent set to your name, then claim_item with that story_id. When a call says that your claim has ended, stop: the story is not yours any more.\n"},
	{"claim_item", "Nothing to claim: claim_item with wait_seconds waits for work.\n"},
	{"wait_for_change", "wait_for_change waits for any change after the cursor of an answer.\n"},
	{"write_item", "New work: write_item with a name (it gets the next number), description and depends_on.\n"},
	{"", "In answers, what is empty, zero or false is left out. An argument that you leave out leaves the field as it is; \"\" and [] clear it. Errors say what to do next."},
}

// instructions returns those for a server that offers the tools, with the name
// that the host gave this agent.
func instructions(offered []string, agent string) string {
	var b strings.Builder
	for _, a := range advices {
		if allIn(a.needs, offered) {
			b.WriteString(a.text)
		}
	}
	if !slices.ContainsFunc(all(), func(t tool) bool { return !t.readOnly && slices.Contains(offered, t.name) }) {
		b.WriteString(" You can only look here: nothing can be changed.")
	}
	if agent != "" {
		fmt.Fprintf(&b, "\nYour agent name is %q: you can leave agent out.", clean(agent))
	}
	return b.String()
}

// allIn reports whether all of the names, which have spaces between, are offered.
func allIn(names string, offered []string) bool {
	return !slices.ContainsFunc(strings.Fields(names), func(name string) bool { return !slices.Contains(offered, name) })
}
