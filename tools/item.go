package tools

import (
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// fields are what answers show of a story beside its ID, stage and rev. What is empty, zero or false is
// left out. A field is a line here, and one in the table of fieldsOf.
type fields struct {
	Name          string   `json:"name,omitempty"`
	Agent         string   `json:"agent,omitempty" jsonschema_description:"who works on it"`
	LapsedAgent   string   `json:"lapsed_agent,omitempty" jsonschema_description:"its claim has lapsed"`
	RetryCount    int64    `json:"retry_count,omitempty"`
	Blocked       bool     `json:"blocked,omitempty"`
	BlockedReason string   `json:"blocked_reason,omitempty"`
	DependsOn     []uint32 `json:"depends_on,omitempty"`
	DependsCount  int      `json:"depends_on_count,omitempty"` // if not all are shown
	Ready         bool     `json:"ready,omitempty" jsonschema_description:"claim_item with its story_id wins it"`
	WaitingOn     []uint32 `json:"waiting_on,omitempty" jsonschema_description:"in depends_on, not done"`
	WaitingCount  int      `json:"waiting_on_count,omitempty"` // if not all are shown
	Warnings      []string `json:"warnings,omitempty"`
	UpdatedAt     string   `json:"updated_at,omitempty" jsonschema_description:"RFC 3339, UTC"`
}

// fieldsOf show the fields of a story by their names in JSON, in bounds whatever other replicas wrote.
var fieldsOf = map[string]func(to *fields, from *pipeline.Story){
	"name": func(to *fields, from *pipeline.Story) { to.Name = cut(from.Name, pipeline.MaxName) },
	"agent": func(to *fields, from *pipeline.Story) {
		if from.Lapsed {
			to.LapsedAgent = cut(from.Agent, crdt.MaxAgent)
		} else {
			to.Agent = cut(from.Agent, crdt.MaxAgent)
		}
	},
	"retry_count":    func(to *fields, from *pipeline.Story) { to.RetryCount = from.RetryCount },
	"blocked":        func(to *fields, from *pipeline.Story) { to.Blocked = from.Blocked },
	"blocked_reason": func(to *fields, from *pipeline.Story) { to.BlockedReason = cut(from.BlockedReason, pipeline.MaxReason) },
	"depends_on":     func(to *fields, from *pipeline.Story) { to.DependsOn, to.DependsCount = some(from.DependsOn) },
	"ready":          func(to *fields, from *pipeline.Story) { to.Ready = from.Ready },
	"waiting_on":     func(to *fields, from *pipeline.Story) { to.WaitingOn, to.WaitingCount = some(from.WaitingOn) },
	"warnings":       func(to *fields, from *pipeline.Story) { to.Warnings = someWarnings(from.Warnings) },
	"updated_at":     func(to *fields, from *pipeline.Story) { to.UpdatedAt = pipeline.FormatTime(from.UpdatedAt) },
}

// item is a story as agents see it.
type item struct {
	StoryID string `json:"story_id"`
	Stage   string `json:"stage"`
	fields
	Rev string `json:"rev" jsonschema_description:"changes with every change of the story; for if_rev"`
}

func newItem(s pipeline.Story) item {
	it := item{StoryID: s.ID, Stage: cut(string(s.Stage), maxStageShown), Rev: s.Rev.Short()}
	for _, show := range fieldsOf {
		show(&it.fields, &s)
	}
	return it
}

// maxNumbersShown bounds the numbers of other stories that a story is shown with: an answer must fit hosts.
const maxNumbersShown = 64

// some returns the first of the numbers, and how many there are if those are not all.
func some(numbers []uint32) (shown []uint32, count int) {
	if len(numbers) > maxNumbersShown {
		return numbers[:maxNumbersShown], len(numbers)
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
