package pipeline

import (
	"strconv"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// Story is a snapshot of one story. Its slices are never changed after it was
// made.
type Story struct {
	ID    string
	Stage Stage
	// StageSince is when the op that last wrote Stage was written, by its author's
	// clock. StageSince is zero if the op does not say so.
	StageSince time.Time
	Name       string
	Agent      string // the agent that works on it
	// Claim is the agent's claim; nil if it was given the story without one. Lists
	// leave it out, since each lease is a look at the log.
	Claim      *Claim
	RetryCount int64
	Blocked    bool
	// BlockedReason is empty while the story is not blocked.
	BlockedReason string
	// BlockedSince is when the op that blocked the story, or last gave another reason, was written, by its
	// author's clock. BlockedSince is zero while the story is not blocked.
	BlockedSince time.Time
	Description  string // Markdown
	// DependsOn are story numbers, ascending.
	DependsOn []uint32
	// Ready reports that the reader would make a new claim by claiming the story.
	Ready bool
	// Lapsed reports that the lease of the agent's claim has ended.
	Lapsed bool
	// WaitingOn are the numbers in DependsOn that are not met, ascending.
	WaitingOn []uint32
	// Warnings say what a reader should know, e.g. that a dependency counts as met because it is
	// archived.
	Warnings []Fact
	// UpdatedAt is when the op named by Rev was written, by its author's clock. It may be any time at
	// all: see KnownTime.
	UpdatedAt time.Time
	// Rev is the op that last changed the story.
	Rev crdt.OpID
	// Deleted: the story is deleted, which only [State.Outcome] shows.
	Deleted bool
	// Place is where the story stands in the pipeline's order.
	Place crdt.Anchor
}

// Number returns the number a story ID begins with: the digits before the
// first "_" ("10" in "10_story_login"), or all of it if it is only digits.
func Number(id string) (uint32, bool) {
	digits, _, _ := strings.Cut(id, "_")
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil
}

// The fields of a story, and behind fieldDescription those of SettingsStory. Their names and types are
// part of the op format and never change.
const (
	fieldStage = crdt.Deleted + 1 + iota
	fieldName
	fieldAgent
	fieldRetryCount
	fieldBlocked
	fieldBlockedReason
	fieldClaim
	fieldDescription
	fieldMaxRetries
	fieldLimitCurrent
	fieldLimitQA
	fieldLimitMerge
	fieldLeaseGrace
)

// Names of the fields as ops, answers and logs have them.
const (
	NameStage         = "stage"
	NameName          = "name"
	NameAgent         = "agent"
	NameRetryCount    = "retry_count"
	NameBlocked       = "blocked"
	NameBlockedReason = "blocked_reason"
	NameClaim         = "claim"
	NameDescription   = "description"
	NameDependsOn     = "depends_on"
)

var schema = crdt.NewSchema(
	crdt.FieldDef{Name: NameStage, Type: crdt.FieldString, Fenced: true},
	crdt.FieldDef{Name: NameName, Type: crdt.FieldString, Label: true},
	crdt.FieldDef{Name: NameAgent, Type: crdt.FieldString, Fenced: true},
	crdt.FieldDef{Name: NameRetryCount, Type: crdt.FieldCounter},
	crdt.FieldDef{Name: NameBlocked, Type: crdt.FieldBool},
	crdt.FieldDef{Name: NameBlockedReason, Type: crdt.FieldString},
	crdt.FieldDef{Name: NameClaim, Type: crdt.FieldString, Late: true, Fenced: true},
	crdt.FieldDef{Name: NameDescription, Type: crdt.FieldString, Late: true},
	crdt.FieldDef{Name: NameMaxRetries, Type: crdt.FieldString, Late: true},
	crdt.FieldDef{Name: limitPrefix + string(Current), Type: crdt.FieldString, Late: true},
	crdt.FieldDef{Name: limitPrefix + string(QA), Type: crdt.FieldString, Late: true},
	crdt.FieldDef{Name: limitPrefix + string(Merge), Type: crdt.FieldString, Late: true},
	crdt.FieldDef{Name: NameLeaseGrace, Type: crdt.FieldString, Late: true},
)

// Schema returns the schema of the fields.
func Schema() *crdt.Schema { return schema }

// Check returns why every pipeline refuses the op, whatever else it holds, or
// nil if none does for what is in the op alone.
func Check(op *crdt.Op) error { return schema.Check(op) }
