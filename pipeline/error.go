package pipeline

import (
	"errors"
	"fmt"

	"github.com/huskies/huskies-mcp/crdt"
)

// Code says for programs what went wrong.
type Code string

// The codes of this package's errors.
const (
	CodeInvalid  Code = "invalid"   // an argument is out of its bounds
	CodeNotFound Code = "not_found" // there is no such story
	CodeDeleted  Code = "deleted"   // the story is deleted
	CodeConflict Code = "conflict"  // the story has moved on
	CodeLimit    Code = "limit"     // a bound of the pipeline is reached
	CodeHeld     Code = "held"      // another agent has the story
	CodeStale    Code = "stale"     // the claim that was given has ended
	CodeNotNow   Code = "not_now"   // the story, or every story, cannot be claimed as it is
)

// Error is an error that the caller made or can mend. Message says what is
// wrong and Next what to do, both in plain words.
type Error struct {
	Code    Code
	Message string
	Next    string
	// Current is the story as it is now, for CodeConflict and CodeStale.
	Current *Story
}

func (e *Error) Error() string {
	if e.Next == "" {
		return e.Message
	}
	return e.Message + "; " + e.Next
}

func invalid(next, format string, args ...any) error {
	return &Error{Code: CodeInvalid, Message: fmt.Sprintf(format, args...), Next: next}
}

// IsEnded reports whether the error says that the caller's claim has ended, or its story is gone.
func IsEnded(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == CodeStale || e.Code == CodeDeleted)
}

// CheckStoryID returns why id cannot name a story, or nil.
func CheckStoryID(id string) error {
	if crdt.ValidStoryID(id) {
		return nil
	}
	return invalidStoryID(id)
}

func invalidStoryID(id string) error {
	const next = "use letters, digits, '.', '_' and '-', beginning with a letter or digit, e.g. 10_story_add_login"
	if len(id) > crdt.MaxStoryID {
		return invalid(next, "story_id has %d bytes, at most %d are allowed", len(id), crdt.MaxStoryID)
	}
	if id == "" {
		return invalid(next, "story_id is empty")
	}
	return invalid(next, "story_id %q is not a valid story ID", id)
}
