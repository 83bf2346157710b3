package tools

import (
	"context"

	"github.com/huskies/huskies-mcp/pipeline"
)

type readItemIn struct {
	StoryID string `json:"story_id"`
}

type readItemOut struct {
	Item  item       `json:"item"`
	Claim *itemClaim `json:"claim,omitempty"`
}

var readItem = define(definition[readItemIn, readItemOut]{
	name:        "read_item",
	title:       "Read a story",
	description: "Read one story.",
	readOnly:    true,
	idempotent:  true,
	handle: func(ctx context.Context, s *service, in readItemIn) (out readItemOut, err error) {
		err = s.view(ctx, func(p *pipeline.State) error {
			story, err := p.Story(in.StoryID)
			out.Item = newItem(story)
			out.Claim = newItemClaim(story.Claim, s.now())
			return err
		})
		return out, err
	},
})
