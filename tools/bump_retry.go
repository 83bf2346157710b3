package tools

import (
	"context"

	"github.com/huskies/huskies-mcp/pipeline"
)

type bumpRetryIn struct {
	StoryID string  `json:"story_id"`
	By      *int64  `json:"by,omitempty" jsonschema:"minimum=1,maximum=1000000,default=1"`
	Note    *string `json:"note,omitempty"`
	IfRev   *string `json:"if_rev,omitempty"`
	Claim   *string `json:"claim,omitempty"`
}

type bumpRetryOut struct {
	Item           item   `json:"item"`
	Limit          int64  `json:"limit" jsonschema_description:"retry_count at which a story is blocked; 0: never"`
	BlockedByLimit bool   `json:"blocked_by_limit" jsonschema_description:"this call reached the limit and blocked the story"`
	Warning        string `json:"warning,omitempty"`
}

var bumpRetry = define(definition[bumpRetryIn, bumpRetryOut]{
	name:        "bump_retry",
	title:       "Count a failed attempt",
	description: "Add to a story's retry_count after a failed attempt. At the limit the story is blocked.",
	handle: func(ctx context.Context, s *call, in bumpRetryIn) (out bumpRetryOut, err error) {
		by := int64(1)
		if in.By != nil {
			by = *in.By
		}
		a := asking{nil, in.Claim, in.IfRev, in.Note}
		out.Item, out.Warning, err = s.update(ctx, a, func(tx *pipeline.Tx) (err error) {
			if out.Limit = tx.Settings().MaxRetries; s.maxRetries != nil {
				out.Limit = *s.maxRetries
			}
			if out.BlockedByLimit, err = tx.BumpRetry(in.StoryID, by, out.Limit); err != nil {
				return err
			}
			return withNote(tx, in.StoryID, in.Note, nil)
		})
		return out, err
	},
})
