package tools

import (
	"fmt"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// item is a story as agents see it. What is empty, zero or false is left out,
// except story_id, stage and rev.
type item struct {
	StoryID       string   `json:"story_id"`
	Stage         string   `json:"stage"`
	Name          string   `json:"name,omitempty"`
	Agent         string   `json:"agent,omitempty" jsonschema_description:"who works on it"`
	LapsedAgent   string   `json:"lapsed_agent,omitempty" jsonschema_description:"it had the story, but its claim has lapsed"`
	RetryCount    int64    `json:"retry_count,omitempty"`
	Blocked       bool     `json:"blocked,omitempty"`
	BlockedReason string   `json:"blocked_reason,omitempty"`
	DependsOn     []uint32 `json:"depends_on,omitempty" jsonschema_description:"numbers of the stories this one depends on"`
	Ready         bool     `json:"ready,omitempty" jsonschema_description:"claim_item with its story_id would win it for you"`
	WaitingOn     []uint32 `json:"waiting_on,omitempty" jsonschema_description:"the numbers in depends_on that are not done"`
	Warnings      []string `json:"warnings,omitempty"`
	UpdatedAt     string   `json:"updated_at,omitempty" jsonschema_description:"RFC 3339, UTC"`
	Rev           string   `json:"rev" jsonschema_description:"changes with every change of the story; for if_rev"`
}

// newItem returns the story as answers show it, in bounds whatever other replicas wrote. Numbers that are
// not shown are counted in a warning.
func newItem(s pipeline.Story) item {
	it := item{
		StoryID:       s.ID,
		Stage:         cut(string(s.Stage), maxStageShown),
		Name:          cut(s.Name, pipeline.MaxName),
		Agent:         cut(s.Agent, crdt.MaxAgent),
		RetryCount:    s.RetryCount,
		Blocked:       s.Blocked,
		BlockedReason: cut(s.BlockedReason, pipeline.MaxReason),
		Ready:         s.Ready,
		Warnings:      someWarnings(s.Warnings),
		UpdatedAt:     pipeline.FormatTime(s.UpdatedAt),
		Rev:           s.Rev.Short(),
	}
	var depends, waits int
	it.DependsOn, depends = some(s.DependsOn)
	it.WaitingOn, waits = some(s.WaitingOn)
	if depends > 0 || waits > 0 {
		it.Warnings = append(it.Warnings, fmt.Sprintf("depends_on has %d numbers, of which %d are not done: at most %d of each are shown", len(s.DependsOn), len(s.WaitingOn), maxListNumbers))
	}
	if s.Lapsed {
		it.Agent, it.LapsedAgent = "", it.Agent
	}
	return it
}

// itemClaim is who holds a story, and for how long.
type itemClaim struct {
	Agent            string `json:"agent"`
	Since            string `json:"since,omitempty" jsonschema_description:"RFC 3339, UTC"`
	ExpiresInSeconds int64  `json:"expires_in_seconds" jsonschema_description:"then others may take it over; a living session renews it"`
}

func newItemClaim(c *pipeline.Claim, now time.Time) *itemClaim {
	if !c.Live(now) {
		return nil
	}
	return &itemClaim{Agent: cut(c.Agent, crdt.MaxAgent), Since: pipeline.FormatTime(c.Since), ExpiresInSeconds: secondsLeft(c, now)}
}

// secondsLeft rounds down, but for the tenth of a second that the answer took: who counts
// on it must not come too late.
func secondsLeft(c *pipeline.Claim, now time.Time) int64 {
	return max(0, int64((c.Lease.Ends.Sub(now)+time.Second/10)/time.Second))
}

// orEmpty keeps a nil slice out of JSON: clients want an array where the
// schema says array.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
