package pipeline

import (
	"errors"
	"fmt"
)

// Kind says what a caller decides by when a change or a question is refused.
type Kind string

// The kinds of this package's errors.
const (
	KindInvalid  Kind = "invalid"   // an argument is out of its bounds
	KindNotFound Kind = "not_found" // there is no such story
	KindDeleted  Kind = "deleted"   // the story is deleted
	KindConflict Kind = "conflict"  // the story has moved on
	KindLimit    Kind = "limit"     // a bound of the pipeline is reached
	KindHeld     Kind = "held"      // another agent has the story
	KindStale    Kind = "stale"     // the claim that was given has ended
	KindNotNow   Kind = "not_now"   // the story, or every story, cannot be claimed as it is
)

// Kind returns the kind of the errors with the code.
func (c Code) Kind() Kind {
	switch c {
	case CodeNoStory, CodeNoNumber, CodeNeedsStage:
		return KindNotFound
	case CodeDeleted:
		return KindDeleted
	case CodeMovedOn:
		return KindConflict
	case CodeFull:
		return KindLimit
	case CodeNotYours, CodeNotFree, CodeElsewhere:
		return KindHeld
	case CodeClaimEnded, CodeOtherClaim, CodeNoSuchClaim:
		return KindStale
	case CodeStaysBlocked, CodeBlocked, CodeWaiting, CodeFinished, CodeNoneFree, CodeCrowded, CodeCarried, CodeUnreachable, CodeNotLetIn:
		return KindNotNow
	}
	return KindInvalid
}

// Error is an error that the caller made or can mend. Outlets put it into words; its text is for logs.
type Error struct {
	Fact
	// Current is the story as it is now, for KindConflict and KindStale.
	Current *Story
}

func (e *Error) Error() string {
	text := string(e.Code)
	for _, value := range []string{e.Field, e.Story, e.Given} {
		if value != "" {
			text += fmt.Sprintf(" %.64q", value)
		}
	}
	return text
}

// Kind returns the kind of the error.
func (e *Error) Kind() Kind { return e.Code.Kind() }

func refuse(f Fact) *Error { return &Error{Fact: f} }

// IsEnded reports whether the error says that the caller's claim has ended, or its story is gone.
func IsEnded(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Kind() == KindStale || e.Kind() == KindDeleted)
}
