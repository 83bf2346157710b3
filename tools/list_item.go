package tools

import (
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
)

// listItem is a story in a list, without its stage, which stands above it: the ID
// and the fields that were chosen. What is empty, zero or false is left out.
type listItem struct {
	StoryID       string     `json:"story_id"`
	Name          string     `json:"name,omitempty"`
	Agent         string     `json:"agent,omitempty"`
	RetryCount    int64      `json:"retry_count,omitempty"`
	Blocked       bool       `json:"blocked,omitempty"`
	BlockedReason string     `json:"blocked_reason,omitempty"`
	DependsOn     []uint32   `json:"depends_on,omitempty"`
	Ready         bool       `json:"ready,omitempty"`
	WaitingOn     []uint32   `json:"waiting_on,omitempty"`
	Warnings      []string   `json:"warnings,omitempty"`
	UpdatedAt     string     `json:"updated_at,omitempty"`
	Rev           string     `json:"rev,omitempty"`
	Claim         *itemClaim `json:"claim,omitempty"`
}

// listFields copy the fields that may be chosen, by their names in JSON.
var listFields = map[string]func(to *listItem, from *item){
	"name":           func(to *listItem, from *item) { to.Name = from.Name },
	"agent":          func(to *listItem, from *item) { to.Agent = from.Agent },
	"retry_count":    func(to *listItem, from *item) { to.RetryCount = from.RetryCount },
	"blocked":        func(to *listItem, from *item) { to.Blocked = from.Blocked },
	"blocked_reason": func(to *listItem, from *item) { to.BlockedReason = from.BlockedReason },
	"depends_on":     func(to *listItem, from *item) { to.DependsOn = from.DependsOn },
	"ready":          func(to *listItem, from *item) { to.Ready = from.Ready },
	"waiting_on":     func(to *listItem, from *item) { to.WaitingOn = from.WaitingOn },
	"warnings":       func(to *listItem, from *item) { to.Warnings = from.Warnings },
	"updated_at":     func(to *listItem, from *item) { to.UpdatedAt = from.UpdatedAt },
	"rev":            func(to *listItem, from *item) { to.Rev = from.Rev },
}

// listField is the name of a field of a list's items.
type listField string

// defaultFields are what is needed to find work and to see who does what.
var defaultFields = []listField{"name", "agent", "ready", "blocked", "waiting_on"}

// newListItem shows the fields of a story; the claim is none of the item's.
func newListItem(s pipeline.Story, fields []listField, now time.Time) listItem {
	it := newItem(s)
	out := listItem{StoryID: s.ID}
	for _, name := range fields {
		if copyField, ok := listFields[string(name)]; ok {
			copyField(&out, &it)
		} else {
			out.Claim = newItemClaim(s.Claim, now)
		}
	}
	return out
}
