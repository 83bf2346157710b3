package tools

import (
	"context"

	"github.com/huskies/huskies-mcp/pipeline"
)

type releaseItemIn struct {
	StoryID string  `json:"story_id"`
	Note    *string `json:"note,omitempty" jsonschema_description:"what you found"`
	Agent   *string `json:"agent,omitempty" jsonschema:"maxLength=128" jsonschema_description:"a sub-agent's name"`
	Claim   *string `json:"claim,omitempty"`
	IfRev   *string `json:"if_rev,omitempty"`
}

var releaseItem = define(definition[releaseItemIn, moved]{
	name:        "release_item",
	title:       "Give a story back",
	description: "Give a story back unfinished: from 2_current it returns to 1_backlog.",
	handle: func(ctx context.Context, s *call, in releaseItemIn) (moved, error) {
		out, err := s.move(ctx, in.StoryID, asking{in.Agent, in.Claim, in.IfRev, in.Note}, func(tx *pipeline.Tx) ([]string, error) {
			return tx.Release(in.StoryID)
		})
		if err == nil {
			s.made.gaveBack(in.StoryID)
		}
		return out, err
	},
})

// moved is what is answered to such a change.
type moved struct {
	Item    item     `json:"item"`
	Changed []string `json:"changed"`
	Warning string   `json:"warning,omitempty"`
}

// move makes a change that ends a claim, if the caller may.
func (s *call) move(ctx context.Context, story string, a asking, edit func(tx *pipeline.Tx) ([]string, error)) (out moved, err error) {
	out.Item, out.Warning, err = s.update(ctx, a, func(tx *pipeline.Tx) (err error) {
		if out.Changed, err = edit(tx); err != nil {
			return err
		}
		return withNote(tx, story, a.note, &out.Changed)
	})
	out.Changed = orEmpty(out.Changed)
	return out, err
}
