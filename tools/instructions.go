package tools

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
)

// advices are given to the model once a session (hosts cut at 2 KB), in the order in which an agent works.
// Each is given where all tools that it names are offered.
var advices = []string{
	"A shared pipeline of stories for the agents of one project. A story moves through " + stageNames() + ".\n",
	"Work a story:\n" +
		"1. claim_item takes the next story for you; nobody else gets it, and from 1_backlog it moves to 2_current. Its answer shows your name (agent) and your claim.\n" +
		"2. read_item shows its description and the notes of those before you.\n" +
		"3. Work. What others should know goes into note (of write_item, or of the next step).\n" +
		"4. advance_item moves it to the next stage and ends your claim.\n",
	"Not finished: release_item with a note gives it back. An attempt failed: bump_retry, then try again or release_item. You cannot go on: set_blocked with a reason, then release_item.\n",
	"Review, merge: claim_item with stage 3_qa or 4_merge, then advance_item; to reject, advance_item to 2_current with a note.\n",
	"A sub-agent shares its host's session. It gives agent, a name of its own, with claim_item, advance_item and release_item, and claim with every other write.\n",
	"You hold a story while your session lives: others can add notes and block it, no more. After a restart: claim_item with your claim; without one, list_items with agent set to your name, then claim_item with that story_id and agent. When a call says that your claim has ended, stop: the story is not yours any more.\n",
	"Supervisors only: to change a story that somebody holds, give if_rev with its rev, and a note that says why.\n",
	"Nothing to claim: claim_item with wait_seconds waits for work.\n",
	"wait_for_change waits for what others change, and goes on where it ended last.\n",
	"New work: write_item with a name (it gets the next number), description and depends_on.\n",
	"write_item empties the fields that clear names.\n",
	"In answers, what is empty, zero or false is left out. An argument that is left out or empty leaves the field as it is. Errors say what to do next.",
}

// instructions returns the instructions of a server that offers the tools, with the name that the host
// gave this agent.
func instructions(offered []string, agent string) string {
	var b strings.Builder
	for _, a := range advices {
		if offersAll(offered, a) {
			b.WriteString(a)
		}
	}
	if !slices.ContainsFunc(all(), func(t tool) bool { return !t.readOnly && slices.Contains(offered, t.name) }) {
		b.WriteString(" You can only look here: nothing can be changed.")
	}
	if agent != "" {
		fmt.Fprintf(&b, "\nYour agent name is %q: leave agent out.", clean(agent))
	}
	return b.String()
}

// nameInText matches a name in a text: of a tool, an argument or a field.
var nameInText = regexp.MustCompile(`[a-z]+(?:_[a-z]+)+`)

// offersAll reports whether all tools that the text names are offered.
func offersAll(offered []string, text string) bool {
	return !slices.ContainsFunc(nameInText.FindAllString(text, -1), func(name string) bool {
		return slices.Contains(Names(), name) && !slices.Contains(offered, name)
	})
}

// stageNames returns the names of all stages in their order, with commas between.
func stageNames() string {
	var names []string
	for _, stage := range pipeline.Stages() {
		names = append(names, string(stage))
	}
	return strings.Join(names, ", ")
}
