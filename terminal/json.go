package terminal

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
)

// storyRow is a story as JSON has it, for scripts. Its names are those of the tools' answers.
type storyRow struct {
	StoryID       string         `json:"story_id"`
	Stage         pipeline.Stage `json:"stage"`
	Name          string         `json:"name,omitempty"`
	Agent         string         `json:"agent,omitempty"`
	Claim         *claimRow      `json:"claim,omitempty"`
	RetryCount    int64          `json:"retry_count,omitempty"`
	Blocked       bool           `json:"blocked,omitempty"`
	BlockedReason string         `json:"blocked_reason,omitempty"`
	DependsOn     []uint32       `json:"depends_on,omitempty"`
	Ready         bool           `json:"ready,omitempty"`
	WaitingOn     []uint32       `json:"waiting_on,omitempty"`
	Warnings      []string       `json:"warnings,omitempty"`
	UpdatedAt     string         `json:"updated_at,omitempty"`
	Rev           string         `json:"rev"`
}

type claimRow struct {
	Agent            string `json:"agent"`
	Since            string `json:"since,omitempty"`
	ExpiresInSeconds int64  `json:"expires_in_seconds"`
}

func newStoryRow(s Screen, st *pipeline.Story) storyRow {
	row := storyRow{
		StoryID:       st.ID,
		Stage:         st.Stage,
		Name:          st.Name,
		Agent:         st.Agent,
		RetryCount:    st.RetryCount,
		Blocked:       st.Blocked,
		BlockedReason: st.BlockedReason,
		DependsOn:     st.DependsOn,
		Ready:         st.Ready,
		WaitingOn:     st.WaitingOn,
		Warnings:      phrase.Warnings(st.Warnings),
		UpdatedAt:     pipeline.FormatTime(st.UpdatedAt),
		Rev:           st.Rev.Short(),
	}
	if c := st.Claim; c != nil {
		row.Claim = &claimRow{c.Agent, pipeline.FormatTime(c.Since), max(0, int64(c.Lease.Ends.Sub(s.Now)/time.Second))}
	}
	return row
}

// lineOfJSON returns a value as one line of JSON, with "<", ">" and "&" as they are.
func lineOfJSON(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return b.String(), nil
}
