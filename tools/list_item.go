package tools

import (
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
)

// listItem is a story in a list, without its stage, which stands above it: the ID
// and the fields that were chosen.
type listItem struct {
	StoryID string `json:"story_id"`
	// Stage is shown in the group of the stages that this build does not know.
	Stage string `json:"stage,omitempty"`
	fields
	Rev         string     `json:"rev,omitempty"`
	StageSince  string     `json:"stage_since,omitempty"`
	Description string     `json:"description,omitempty"`
	Claim       *itemClaim `json:"claim,omitempty"`
}

// maxListDescription bounds what a list shows of a description, in characters.
const maxListDescription = 300

// listFieldsOf show what may be chosen beside the fields of all answers.
var listFieldsOf = map[string]func(to *listItem, from *pipeline.Story, now time.Time){
	"rev": func(to *listItem, from *pipeline.Story, _ time.Time) { to.Rev = from.Rev.Short() },
	"stage_since": func(to *listItem, from *pipeline.Story, _ time.Time) {
		to.StageSince = pipeline.FormatTime(from.StageSince)
	},
	"description": func(to *listItem, from *pipeline.Story, _ time.Time) {
		to.Description = cut(from.Description, maxListDescription)
	},
	"claim": func(to *listItem, from *pipeline.Story, now time.Time) { to.Claim = newItemClaim(from.Claim, now) },
}

// listField is the name of a field of a list's items.
type listField string

// isListField reports whether a field may be chosen.
func isListField(name string) bool { return fieldsOf[name] != nil || listFieldsOf[name] != nil }

// defaultFields are what is needed to find work and to see who does what.
var defaultFields = []listField{"name", "agent", "ready", "blocked", "waiting_on"}

// newListItem shows the chosen fields of a story.
func newListItem(s pipeline.Story, chosen []listField, now time.Time) listItem {
	out := listItem{StoryID: s.ID}
	for _, name := range chosen {
		if show := fieldsOf[string(name)]; show != nil {
			show(&out.fields, &s)
		}
		if show := listFieldsOf[string(name)]; show != nil {
			show(&out, &s, now)
		}
	}
	return out
}
