package intake

import (
	"slices"
	"strings"
	"unicode"

	"github.com/huskies/huskies-mcp/pipeline"
)

// standing is what a status means here.
type standing struct {
	stage pipeline.Stage
	// held: somebody was at work, which nobody here is.
	held    bool
	blocked bool
}

// standings translates the statuses of other tools, in the spelling of word.
var standings = func() map[string]standing {
	all := map[string]standing{}
	enter := func(s standing, words ...string) {
		for _, w := range words {
			all[w] = s
		}
	}
	enter(standing{stage: pipeline.Backlog}, "", "open", "opened", "reopened", "todo", "to-do", "pending", "new", "ready", "backlog", "pinned", "planned", "not-started")
	enter(standing{stage: pipeline.Backlog, held: true}, "in-progress", "inprogress", "progress", "hooked", "doing", "started", "wip", "active", "working", "in-development")
	enter(standing{stage: pipeline.Backlog, blocked: true}, "blocked", "on-hold", "waiting")
	enter(standing{stage: pipeline.QA}, "review", "in-review", "qa", "in-qa", "testing", "in-testing")
	enter(standing{stage: pipeline.Merge}, "merge", "merging")
	enter(standing{stage: pipeline.Done}, "done", "closed", "complete", "completed", "finished", "resolved", "fixed", "merged", "shipped")
	enter(standing{stage: pipeline.Archived}, "cancelled", "canceled", "wontfix", "won-t-fix", "wont-fix", "won-t-do", "wont-do", "deferred", "postponed",
		"archived", "not-planned", "duplicate", "rejected", "abandoned", "obsolete")
	// A stage of our own stays as it is: a story in 2_current without an agent can be claimed.
	for _, stage := range pipeline.Stages() {
		enter(standing{stage: stage}, word(string(stage)))
	}
	return all
}()

// word returns a status in lower case, with "-" for each run of other characters than letters and
// digits. Marks before and after it are dropped.
func word(status string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(status), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}), "-")
}

// applyStatus sets the item's stage from its status. A status that nobody knows leaves the item in
// the backlog and is mentioned in a note.
func (it *Item) applyStatus() {
	s, known := standings[word(it.Status)]
	if !known {
		s.stage = pipeline.Backlog
		it.Odd = true
	}
	it.staged = it.Stage != ""
	if !it.staged {
		it.Stage = s.stage
	}
	it.Held = s.held || it.Stage == pipeline.Current && it.Holder != ""
	if s.blocked && len(it.DependsOn) == 0 {
		// What an item with dependencies waits for is said by these, and ends with them.
		it.Blocked = true
		if it.BlockedReason == "" {
			it.BlockedReason = "its status was " + oneLine(it.Status)
		}
	}
}

// setType sets the type for the word that a source has for it.
func (it *Item) setType(source string) {
	it.Type, it.OddType = storyType(source), ""
	switch word(source) {
	case "", "story", "user-story", "task", "issue":
	default:
		if it.Type == storyType("") {
			it.OddType = source
		}
	}
}

// storyType returns the type of a story for the word that a source has for it. Any word that means
// none of our types is a story.
func storyType(source string) string {
	switch word(source) {
	case "bug", "bugfix", "defect", "fix", "incident", "regression":
		return "bug"
	case "spike", "research", "investigation", "question":
		return "spike"
	case "refactor", "refactoring", "cleanup", "tech-debt", "technical-debt":
		return "refactor"
	}
	return "story"
}

// typeOfLabels returns the type that one of the labels names, or story.
func typeOfLabels(labels []string) string {
	for _, label := range labels {
		// Labels have prefixes, as in "type: bug" or "kind/bug".
		tail := label[strings.LastIndexAny(label, ":/")+1:]
		if t := storyType(tail); t != "story" {
			return t
		}
	}
	return "story"
}

// typeOfID returns the type that a story ID of ours names, and story for any other ID.
func typeOfID(id string) string {
	parts := strings.SplitN(id, "_", 3)
	if len(parts) > 1 && slices.Contains([]string{"bug", "spike", "refactor"}, parts[1]) {
		return parts[1]
	}
	return "story"
}
