package phrase

import (
	"errors"
	"fmt"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Refused says to a person why the pipeline refused something, and what to do next.
func Refused(e *pipeline.Error) string {
	text := Fact(&e.Fact)
	if e.Gaps.Any() {
		text += "; " + Missing(e.Gaps, "")
	}
	if next := nextStep(&e.Fact); next != "" {
		text += "; " + next
	}
	return text
}

// nextStep says what a person can do about a refusal. It is empty where the fact says enough.
func nextStep(f *pipeline.Fact) string {
	switch f.Code {
	case pipeline.CodeBadID:
		return "give the story's number, or its whole ID: letters, digits, '.', '_' and '-', beginning with a letter or digit"
	case pipeline.CodeTooLong:
		return "shorten it"
	case pipeline.CodeNotUTF8:
		return "write UTF-8"
	case pipeline.CodeTooMany:
		return "split the story"
	case pipeline.CodeEmptyNote:
		return "say something"
	case pipeline.CodeNobody:
		return "give a real name"
	case pipeline.CodeNoAgent:
		return "give --agent NAME, or set HUSKIES_AGENT"
	case pipeline.CodeOnItself:
		return fmt.Sprintf("leave %d out", f.Number)
	case pipeline.CodeCircle, pipeline.CodeRestoreCircle:
		return OpenCircle(f.IDs)
	case pipeline.CodeSeveral:
		return "give the whole ID of one of them"
	case pipeline.CodeNoStory, pipeline.CodeNoNumber:
		if len(f.IDs) > 0 {
			return "did you mean " + strings.Join(f.IDs, " or ") + "?"
		}
		return "huskies-mcp list --all shows all stories"
	case pipeline.CodeDeleted:
		return fmt.Sprintf("huskies-mcp undelete %s brings it back", f.Story)
	case pipeline.CodeMovedOn:
		return "look at it with huskies-mcp show, and decide again"
	case pipeline.CodeFull:
		return "start a new pipeline with another --db"
	case pipeline.CodeNotYours, pipeline.CodeNotFree:
		return "--force changes it all the same"
	case pipeline.CodeElsewhere:
		return "huskies-mcp release on that machine gives it back"
	case pipeline.CodeUnreachable:
		return "try again in a few seconds; huskies-mcp hub says what is wrong, and --offline-claims claims it all the same"
	case pipeline.CodeNotLetIn:
		return "huskies-mcp hub says what to do"
	case pipeline.CodeNoMember:
		return "huskies-mcp join with another invitation makes it a member again; huskies-mcp leave --forget-members makes this pipeline one of its own"
	case pipeline.CodeInStage, pipeline.CodeLastStage:
		return "name the stage it should go to"
	case pipeline.CodeStaysBlocked, pipeline.CodeBlocked:
		return "huskies-mcp unblock ends that"
	case pipeline.CodeWaiting:
		return "huskies-mcp next shows what is free"
	case pipeline.CodeReserved:
		if f.Story == pipeline.SettingsStory {
			return "huskies-mcp settings shows and changes the settings"
		}
		return "choose another ID"
	case pipeline.CodeCrowded:
		return "huskies-mcp settings changes the limit"
	case pipeline.CodeCarried:
		return "huskies-mcp move ends the claim"
	case pipeline.CodeFinished:
		return "huskies-mcp move brings it back"
	}
	return ""
}

// Warning says to a person what a fact means that need not stop anybody.
func Warning(f *pipeline.Fact) string {
	if f.Code == pipeline.CodeMissing {
		return Missing(f.Gaps, "")
	}
	text := Fact(f)
	switch f.Code {
	case pipeline.CodeSameName:
		text += ": if it was added twice, remove one of the two"
	case pipeline.CodeMadeApart:
		text += ": if they are not the same work, add one of them anew"
	}
	return text
}

// Warnings says to a person what several facts mean. It returns nil for no facts.
func Warnings(facts []pipeline.Fact) (texts []string) {
	for i := range facts {
		texts = append(texts, Warning(&facts[i]))
	}
	return texts
}

// NotTaken says to a person why an op of a bundle was not taken in, and what to do.
func NotTaken(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, crdt.ErrPendingFull):
		text += "; import those first, then this bundle again"
	case errors.Is(err, crdt.ErrHeldFull):
		text += "; trust the author, then import the bundle again"
	case errors.Is(err, crdt.ErrVersion):
		text += "; install a newer huskies-mcp"
	}
	return text
}
