package tools

import (
	"context"

	"github.com/huskies/huskies-mcp/pipeline"
)

type advanceItemIn struct {
	StoryID string          `json:"story_id"`
	To      *pipeline.Stage `json:"to,omitempty" jsonschema_description:"default, with your claim: the next stage; back to reject"`
	Note    *string         `json:"note,omitempty" jsonschema_description:"what the next one should know"`
	Agent   *string         `json:"agent,omitempty" jsonschema:"maxLength=128" jsonschema_description:"a sub-agent's name"`
	Claim   *string         `json:"claim,omitempty"`
	IfRev   *string         `json:"if_rev,omitempty"`
}

var advanceItem = define(definition[advanceItemIn, moved]{
	name:        "advance_item",
	title:       "Move a story on",
	description: "Move a story to the next stage and end your claim, so that the next role can take it.",
	handle: func(ctx context.Context, s *call, in advanceItemIn) (moved, error) {
		return s.move(ctx, in.StoryID, asking{in.Agent, in.Claim, in.IfRev, in.Note}, func(tx *pipeline.Tx) ([]string, error) {
			return tx.Advance(in.StoryID, in.To)
		})
	},
})
