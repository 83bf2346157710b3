package tools

import (
	"context"

	"github.com/huskies/huskies-mcp/pipeline"
)

type advanceItemIn struct {
	StoryID string          `json:"story_id"`
	To      *pipeline.Stage `json:"to,omitempty" jsonschema_description:"default: the next stage; back to reject"`
	Note    *string         `json:"note,omitempty" jsonschema_description:"what the next one should know"`
	Agent   *string         `json:"agent,omitempty" jsonschema:"maxLength=128" jsonschema_description:"your name"`
	Claim   *string         `json:"claim,omitempty"`
}

var advanceItem = define(definition[advanceItemIn, moved]{
	name:        "advance_item",
	title:       "Move a story on",
	description: "Move a story to the next stage and end your claim, so that the next role can take it.",
	handle: func(ctx context.Context, s *call, in advanceItemIn) (moved, error) {
		return s.move(ctx, move{in.StoryID, in.Agent, in.Claim, in.Note}, func(tx *pipeline.Tx, agent string, fenced bool) ([]string, error) {
			return tx.Advance(in.StoryID, in.To, agent, fenced)
		})
	},
})
