package tools

import "fmt"

// instructions are given to the model once a session (hosts cut at 2 KB), in the
// order in which an agent works.
const instructions = `A shared pipeline of stories for the agents of one project. A story moves through 1_backlog, 2_current, 3_qa, 4_merge, 5_done, 6_archived.
Work a story:
1. claim_item with agent set to your name takes the next ready story; nobody else gets it, and it moves to 2_current. Keep the claim that it answers.
2. read_item shows its description and the notes of those before you.
3. Work. What others should know goes into note (of write_item, or of the next step).
4. advance_item with agent and claim moves it to the next stage and ends your claim.
Not finished: release_item with a note gives it back. An attempt failed: bump_retry, then try again or release_item. You cannot go on: set_blocked with a reason, then release_item.
Review, merge: claim_item with stage 3_qa or 4_merge, then advance_item; to reject, advance_item to 2_current with a note.
Your claim lasts while your session lives. After a restart: list_items with agent set to your name, then claim_item with that story_id. When a call says that your claim has ended, stop: the story is not yours any more.
Nothing to claim: claim_item with wait_seconds waits for work; wait_for_change waits for any change after the cursor of an answer.
New work: write_item with a name (it gets the next number), description and depends_on.
In answers, what is empty, zero or false is left out. An argument that you leave out leaves the field as it is; "" and [] clear it. Errors say what to do next.`

// instructionsFor adds the name that the host gave this agent.
func instructionsFor(agent string) string {
	if agent == "" {
		return instructions
	}
	return instructions + fmt.Sprintf("\nYour agent name is %q: you can leave agent out.", clean(agent))
}
