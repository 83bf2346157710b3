package tools

import (
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// listItem is a story in a list, without its stage, which stands above it: the ID
// and the fields that were chosen. What is empty, zero or false is left out.
type listItem struct {
	StoryID string `json:"story_id"`
	// Stage is shown in the group of the stages that this build does not know.
	Stage         string   `json:"stage,omitempty"`
	Name          string   `json:"name,omitempty"`
	Agent         string   `json:"agent,omitempty"`
	RetryCount    int64    `json:"retry_count,omitempty"`
	Blocked       bool     `json:"blocked,omitempty"`
	BlockedReason string   `json:"blocked_reason,omitempty"`
	DependsOn     []uint32 `json:"depends_on,omitempty"`
	// DependsCount and WaitingCount count all the numbers where not all of them are shown.
	DependsCount int        `json:"depends_on_count,omitempty"`
	WaitingCount int        `json:"waiting_on_count,omitempty"`
	Ready        bool       `json:"ready,omitempty"`
	WaitingOn    []uint32   `json:"waiting_on,omitempty"`
	Warnings     []string   `json:"warnings,omitempty"`
	UpdatedAt    string     `json:"updated_at,omitempty"`
	Rev          string     `json:"rev,omitempty"`
	StageSince   string     `json:"stage_since,omitempty"`
	Description  string     `json:"description,omitempty"`
	Claim        *itemClaim `json:"claim,omitempty"`
}

// Bounds of what a list shows of one story, in characters and numbers. Other replicas may have written
// more than this one would, and a whole answer must fit hosts.
const (
	maxListDescription = 300
	maxListNumbers     = 64
)

// listFields copy the fields that may be chosen, by their names in JSON.
var listFields = map[string]func(to *listItem, from *pipeline.Story, now time.Time){
	"name":        func(to *listItem, from *pipeline.Story, _ time.Time) { to.Name = cut(from.Name, pipeline.MaxName) },
	"agent":       func(to *listItem, from *pipeline.Story, _ time.Time) { to.Agent = cut(from.Agent, crdt.MaxAgent) },
	"retry_count": func(to *listItem, from *pipeline.Story, _ time.Time) { to.RetryCount = from.RetryCount },
	"blocked":     func(to *listItem, from *pipeline.Story, _ time.Time) { to.Blocked = from.Blocked },
	"blocked_reason": func(to *listItem, from *pipeline.Story, _ time.Time) {
		to.BlockedReason = cut(from.BlockedReason, pipeline.MaxReason)
	},
	"depends_on": func(to *listItem, from *pipeline.Story, _ time.Time) {
		to.DependsOn, to.DependsCount = some(from.DependsOn)
	},
	"ready": func(to *listItem, from *pipeline.Story, _ time.Time) { to.Ready = from.Ready },
	"waiting_on": func(to *listItem, from *pipeline.Story, _ time.Time) {
		to.WaitingOn, to.WaitingCount = some(from.WaitingOn)
	},
	"warnings": func(to *listItem, from *pipeline.Story, _ time.Time) {
		to.Warnings = someWarnings(from.Warnings)
	},
	"updated_at": func(to *listItem, from *pipeline.Story, _ time.Time) {
		to.UpdatedAt = pipeline.FormatTime(from.UpdatedAt)
	},
	"rev": func(to *listItem, from *pipeline.Story, _ time.Time) { to.Rev = from.Rev.Short() },
	"stage_since": func(to *listItem, from *pipeline.Story, _ time.Time) {
		to.StageSince = pipeline.FormatTime(from.StageSince)
	},
	"description": func(to *listItem, from *pipeline.Story, _ time.Time) {
		to.Description = cut(from.Description, maxListDescription)
	},
	"claim": func(to *listItem, from *pipeline.Story, now time.Time) { to.Claim = newItemClaim(from.Claim, now) },
}

// some returns the first of the numbers, and how many there are if those are not all.
func some(numbers []uint32) (shown []uint32, count int) {
	if len(numbers) > maxListNumbers {
		return numbers[:maxListNumbers], len(numbers)
	}
	return numbers, 0
}

// someWarnings returns the first of the warnings, each cut.
func someWarnings(all []pipeline.Fact) (shown []string) {
	for _, w := range all[:min(maxWarnings, len(all))] {
		shown = append(shown, cut(warning(&w), maxWarningShown))
	}
	return shown
}

// listField is the name of a field of a list's items.
type listField string

// defaultFields are what is needed to find work and to see who does what.
var defaultFields = []listField{"name", "agent", "ready", "blocked", "waiting_on"}

// newListItem shows the fields of a story.
func newListItem(s pipeline.Story, fields []listField, now time.Time) listItem {
	out := listItem{StoryID: s.ID}
	for _, name := range fields {
		if copyField, ok := listFields[string(name)]; ok {
			copyField(&out, &s, now)
		}
	}
	return out
}
