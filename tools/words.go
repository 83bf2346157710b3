package tools

import (
	"fmt"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
)

// This file words for models what the packages below report as codes and values.

// tellUser precedes what only a person with the command can do.
const tellUser = "tell the user to "

// refused says why a call was refused, and what to do next.
func refused(e *pipeline.Error) string {
	text := reason(e)
	if step := nextSteps[e.Code]; step != nil {
		if next := step(&e.Fact); next != "" {
			text += "; " + next
		}
	}
	return text
}

// reason says why a call was refused.
func reason(e *pipeline.Error) string {
	text := phrase.Fact(&e.Fact)
	if e.Gaps.Any() {
		text += "; " + phrase.Missing(e.Gaps, tellUser)
	}
	return text
}

// warning says what a model may not have meant or should know.
func warning(f *pipeline.Fact) string {
	switch advice := warnedOf[f.Code]; {
	case f.Code == pipeline.CodeMissing:
		return phrase.Missing(f.Gaps, tellUser)
	case advice != "":
		return phrase.Fact(f) + ": " + advice
	}
	return phrase.Fact(f)
}

// warnings says what a model may not have meant or should know. It returns nil for no facts.
func warnings(facts []pipeline.Fact) (texts []string) {
	for i := range facts {
		texts = append(texts, warning(&facts[i]))
	}
	return texts
}

// warnedOf follow the facts of warnings.
var warnedOf = map[pipeline.Code]string{
	pipeline.CodeStillHeld:    "advance_item would have ended the claim",
	pipeline.CodeAssigned:     `if that is not meant, write_item with clear: ["agent"] frees it`,
	pipeline.CodeStillDepends: "make the call again",
	pipeline.CodeMovedBack:    "if that is not meant, move it there again",
	pipeline.CodeSameName:     "if this call was made again, delete one of the two",
	pipeline.CodeMadeApart:    "if they are not the same work, write one of them anew without story_id",
	pipeline.CodeOverwritten:  "write again what should count",
}

// beside warns of other stories under the name of the agent that won a claim. It is empty if there are
// none.
func beside(won *pipeline.Claimed, agent string) string {
	switch {
	case won.Stays != nil:
		return warning(won.Stays)
	case len(won.Elsewhere) > 0:
		return fmt.Sprintf("another session that is at work holds %s as %s: leave that alone, and take a name of your own", phrase.Some(won.Elsewhere), phrase.InQuotes(agent))
	case len(won.Beside) > 0:
		return fmt.Sprintf("you hold %s too: release_item gives back what you do not work on", phrase.Some(won.Beside))
	}
	return ""
}

// always is a next step that depends on no value.
func always(text string) func(*pipeline.Fact) string {
	return func(*pipeline.Fact) string { return text }
}

// nextSteps say what a model can do about a refusal.
var nextSteps = map[pipeline.Code]func(f *pipeline.Fact) string{
	pipeline.CodeBadID:         always("use letters, digits, '.', '_' and '-', beginning with a letter or digit, e.g. 10_story_add_login"),
	pipeline.CodeBadRev:        always("give the rev of the item as an answer showed it, or leave if_rev out"),
	pipeline.CodeBadClaim:      always("give the claim as claim_item answered it, or leave it out"),
	pipeline.CodeBadCursor:     always("leave cursor out to begin at the start"),
	pipeline.CodeBadDependency: always("give the number or the story_id of a story"),
	pipeline.CodeBadNeighbour:  always("give the story_id of a story that list_items shows"),
	pipeline.CodeBesideItself:  always("give another story, or first or last"),
	pipeline.CodeTwoPlaces:     always("give one of the two"),
	pipeline.CodeTooLong:       always("shorten it"),
	pipeline.CodeTooMany:       always("split the story"),
	pipeline.CodeNotUTF8:       always("send UTF-8"),
	pipeline.CodeRange:         withinRange,
	pipeline.CodeRetryFull:     always("reset it with write_item (retry_count) or set_blocked (blocked: false)"),
	pipeline.CodeEmptyNote:     always("say something, or leave note out"),
	pipeline.CodeReasonAlone:   always("leave reason out (what you have to say goes into note), or set blocked to true"),
	pipeline.CodeNobody:        always("give the agent's real name, or leave agent out"),
	pipeline.CodeNoAgent:       always("give agent: a name that you keep and nobody else uses, e.g. coder-1"),
	pipeline.CodeOnItself:      func(f *pipeline.Fact) string { return fmt.Sprintf("leave %d out of depends_on", f.Number) },
	pipeline.CodeUnnumbered:    always("depend on stories whose IDs begin with a number"),
	pipeline.CodeCircle: func(f *pipeline.Fact) string {
		first, _ := pipeline.Number(f.IDs[min(1, len(f.IDs)-1)])
		return fmt.Sprintf("leave %d out, or %s", first, phrase.OpenCircle(f.IDs))
	},
	pipeline.CodeRestoreCircle: func(f *pipeline.Fact) string { return phrase.OpenCircle(f.IDs) },
	pipeline.CodeSeveral:       always("give the whole story_id of one of them"),
	pipeline.CodeNumberTaken: func(f *pipeline.Fact) string {
		return fmt.Sprintf("did you mean %s? A new story gets a number of its own: leave story_id out%s", strings.Join(f.IDs, " or "), free(f, ", or begin it with %d"))
	},
	pipeline.CodeNumberUsed: func(f *pipeline.Fact) string {
		return "use a number that was never used" + free(f, ", e.g. %d") + ", or bring the story back with delete_item (restore: true)"
	},
	pipeline.CodeNoFreeNumber: always("give a story_id"),
	pipeline.CodeInStage:      always("for the next stage leave out the argument to, or give the story back with release_item"),
	pipeline.CodeOtherStage:   always("leave stage out to claim it there"),
	pipeline.CodeLastStage:    always("give the argument to, which names the stage"),
	pipeline.CodeNoClaim:      always("if you moved it here, all is done; to move it on, claim it first with claim_item, or give the argument to, which names the stage"),
	pipeline.CodeNoStory: func(f *pipeline.Fact) string {
		if f.Field == "after" || f.Field == "before" {
			return meant(f, "give the story_id of a story that list_items shows, or first or last")
		}
		return meant(f, "find the right story_id with list_items; write_item with a name and without story_id creates a new story")
	},
	pipeline.CodeNeedsStage: func(f *pipeline.Fact) string {
		return meant(f, "give stage, e.g. 1_backlog, to create it, or find the right story_id with list_items")
	},
	pipeline.CodeNoNumber: always("find the right story_id with list_items; write_item with a name and without story_id creates a story, which gets the next number"),
	pipeline.CodeDeleted: func(f *pipeline.Fact) string {
		if f.Field == "after" || f.Field == "before" {
			return "give the story_id of a story that list_items shows, or first or last"
		}
		return "stop working on it; delete_item with restore: true brings it back if that was a mistake; for new work write a story with a new number"
	},
	pipeline.CodeMovedOn: func(f *pipeline.Fact) string {
		if f.Agent == "" {
			return "decide again on the current item"
		}
		return fmt.Sprintf("agent %q works on it now: if that is not you, leave it and find another with list_items (ready: true)", f.Agent)
	},
	pipeline.CodeFull: always("start a new pipeline with another --db"),
	pipeline.CodeNotYours: func(f *pipeline.Fact) string {
		if f.Namesake() {
			return ifYours + "leave it to that session and take a name of your own; a note (write_item) is possible, and claim_item without story_id finds other work"
		}
		return startedAnew(f) + "leave it to that agent; a note (write_item) is possible, and claim_item without story_id finds other work"
	},
	pipeline.CodeNotFree: func(f *pipeline.Fact) string {
		if f.Namesake() {
			return ifYours + "take a name of your own and find another: claim_item without story_id takes the next one"
		}
		return startedAnew(f) + "find another: claim_item without story_id takes the next one"
	},
	pipeline.CodeClaimEnded: always("nothing was written; stop working on it; read_item shows what happened, claim_item finds other work"),
	pipeline.CodeOtherClaim: func(f *pipeline.Fact) string {
		return "give the claim that claim_item answered for this story, of which this is so: " + phrase.Whose(f)
	},
	pipeline.CodeNoSuchClaim:  always("it has ended, or was mistyped: give story_id too to hear how it ended, or leave claim out for the next story"),
	pipeline.CodeStaysBlocked: always("unblock it with set_blocked when that is settled"),
	pipeline.CodeBlocked:      always("unblock it with set_blocked when that is settled, or claim another story"),
	pipeline.CodeWaiting:      always("claim it when that is done, or claim another story"),
	pipeline.CodeFinished:     always("advance_item brings it back if you give the argument to"),
	pipeline.CodeCrowded:      always("claim it when one of these has moved on (claim_item with wait_seconds waits), or claim other work"),
	pipeline.CodeCarried:      always("move it with advance_item, which ends the claim"),
	pipeline.CodeElsewhere:    always("find another: claim_item without story_id takes the next one"),
	pipeline.CodeUnreachable:  always("go on with what you hold, or try again (claim_item with wait_seconds waits); a person can allow it with the flag --offline-claims"),
	pipeline.CodeNotLetIn:     always("go on with what you hold, and tell the user, who can ask an admin of the pipeline for an invitation (huskies-mcp hub says what to do)"),
	pipeline.CodeNoMember:     always("stop working on it, and tell the user, who can ask an admin of the pipeline for an invitation (huskies-mcp join)"),
	pipeline.CodeReserved: func(f *pipeline.Fact) string {
		if f.Story == pipeline.SettingsStory {
			return "people read and change the settings with huskies-mcp settings"
		}
		return "choose an ID that does not begin with " + pipeline.ReservedPrefix
	},
	// Only people set settings.
	pipeline.CodeNoSetting: nil, pipeline.CodeBadSetting: nil,
	// What was given shows what to give instead.
	pipeline.CodeBadStage: nil, pipeline.CodeBadType: nil,
	pipeline.CodeNoneFree: func(f *pipeline.Fact) string {
		if !slices.ContainsFunc(f.Kept, func(k pipeline.Kept) bool { return k.Why != pipeline.IsFinished }) && len(f.Kept) > 0 {
			return "advance_item moves one on if you give the arguments story_id and to"
		}
		return "" // to wait is what a model does next by itself
	},
}

// ifYours tells an agent that made the claim itself, in another session, how it goes on.
const ifYours = "if you claimed it, give claim as claim_item answered it; else "

// startedAnew tells the agent of a session that has ended how it goes on in another one, whose name
// may differ. Only that agent knows the claim.
func startedAnew(f *pipeline.Fact) string {
	if f.Hold == nil || !f.Hold.Gone {
		return ""
	}
	return "if you are that agent, started anew, give claim as claim_item answered it; else "
}

func withinRange(f *pipeline.Fact) string {
	switch f.Field {
	case "by":
		return "leave by out to add 1"
	case "lease_seconds":
		return "leave lease_seconds out for a lease that lasts while the session lives"
	}
	return ""
}

// free formats the number that a new story can have, if there is one.
func free(f *pipeline.Fact, format string) string {
	if f.Free == 0 {
		return ""
	}
	return fmt.Sprintf(format, f.Free)
}

// meant proposes the stories that may be meant, and else what to do.
func meant(f *pipeline.Fact, otherwise string) string {
	if len(f.IDs) == 0 {
		return otherwise
	}
	return fmt.Sprintf("did you mean %s? Otherwise %s", strings.Join(f.IDs, " or "), otherwise)
}
