package pipeline

import (
	"slices"
	"unicode/utf8"

	"github.com/huskies/huskies-mcp/crdt"
)

// Bounds of what may be written, with their reasons.
const (
	// MaxName bounds a name, in bytes: a headline, not a text.
	MaxName = 256
	// MaxReason bounds a blocked_reason, in bytes: a paragraph.
	MaxReason = 1024
	// MaxDescription bounds a description, in bytes: some ten pages, which with a
	// note and all other fields fit one op of crdt.MaxPayload.
	MaxDescription = 32 << 10
	// MaxRetryCount bounds retry_count: far beyond any use, and small enough
	// that no sum overflows.
	MaxRetryCount = 1_000_000
)

// Changes are the fields to write; a nil member stays as it is. A pointer to
// the empty string or an empty slice clears.
type Changes struct {
	Stage *Stage
	Name  *string
	// Agent is the agent that the story is assigned to. It signs nothing.
	Agent      *string
	RetryCount *int64
	Blocked    *bool
	// BlockedReason is why Blocked blocks the story. It is empty where nobody said.
	BlockedReason string
	DependsOn     *[]uint32
	// Description is Markdown.
	Description *string
	// Note is added to the story's notes.
	Note *string
	// SameName reports whether two names are too alike for two stories; nil: only equal names are.
	SameName func(a, b string) bool
	// After and Before are story IDs: the story goes directly behind or before that one. First
	// and Last are the ends of the order. At most one of the two is given.
	After, Before *string
}

// onlyAdd reports whether the changes add to a story and leave all else as it is: a note, or a block.
// The holder of the story's claim need not agree to these.
func (c *Changes) onlyAdd() bool {
	rest := *c
	rest.Note = nil
	if rest.Blocked != nil && *rest.Blocked {
		rest.Blocked = nil
	}
	return rest.Stage == nil && rest.Name == nil && rest.Agent == nil && rest.RetryCount == nil && rest.Blocked == nil &&
		rest.DependsOn == nil && rest.Description == nil && rest.After == nil && rest.Before == nil
}

// check refuses fields that are out of their bounds; it sorts the
// dependencies and drops repeated ones.
func (c *Changes) check(id string) error {
	if err := CheckStoryID(id); err != nil {
		return err
	}
	if c.Stage != nil {
		if _, ok := ParseStage(string(*c.Stage)); !ok {
			return refuse(Fact{Code: CodeBadStage, Given: string(*c.Stage)})
		}
	}
	if c.Name != nil {
		if err := checkText(NameName, *c.Name, MaxName); err != nil {
			return err
		}
	}
	if err := checkText(NameBlockedReason, c.BlockedReason, MaxReason); err != nil {
		return err
	}
	if c.Agent != nil {
		if err := CheckAgent(*c.Agent); err != nil {
			return err
		}
	}
	if c.Description != nil {
		if err := checkText(NameDescription, *c.Description, MaxDescription); err != nil {
			return err
		}
	}
	if c.Note != nil {
		if err := checkNote(*c.Note); err != nil {
			return err
		}
	}
	if c.RetryCount != nil && (*c.RetryCount < 0 || *c.RetryCount > MaxRetryCount) {
		return refuse(Fact{Code: CodeRange, Field: NameRetryCount, Have: *c.RetryCount, Most: MaxRetryCount})
	}
	if c.DependsOn == nil {
		return nil
	}
	deps := slices.Clone(*c.DependsOn)
	slices.Sort(deps)
	deps = slices.Compact(deps)
	c.DependsOn = &deps
	if len(deps) > crdt.MaxDependencies {
		return refuse(Fact{Code: CodeTooMany, Field: NameDependsOn, Have: int64(len(deps)), Most: crdt.MaxDependencies})
	}
	if n, ok := Number(id); ok && slices.Contains(deps, n) {
		return refuse(Fact{Code: CodeOnItself, Number: n})
	}
	return nil
}

func checkText(field, s string, most int) error {
	if len(s) > most {
		return refuse(Fact{Code: CodeTooLong, Field: field, Have: int64(len(s)), Most: int64(most)})
	}
	if !utf8.ValidString(s) {
		return refuse(Fact{Code: CodeNotUTF8, Field: field})
	}
	return nil
}
