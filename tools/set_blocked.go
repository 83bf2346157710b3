package tools

import (
	"context"

	"github.com/huskies/huskies-mcp/pipeline"
)

type setBlockedIn struct {
	StoryID string  `json:"story_id"`
	Blocked bool    `json:"blocked"`
	Reason  *string `json:"reason,omitempty" jsonschema:"maxLength=1024" jsonschema_description:"why, and what would help"`
	Note    *string `json:"note,omitempty"`
	IfRev   *string `json:"if_rev,omitempty"`
	Claim   *string `json:"claim,omitempty"`
}

type setBlockedOut struct {
	Item    item     `json:"item"`
	Changed []string `json:"changed" jsonschema_description:"names of the fields that changed"`
	Warning string   `json:"warning,omitempty"`
}

var setBlocked = define(definition[setBlockedIn, setBlockedOut]{
	name:        "set_blocked",
	title:       "Block or unblock a story",
	description: "Block a story with a reason, or unblock it. Unblocking clears the reason and sets retry_count to 0.",
	idempotent:  true,
	handle: func(ctx context.Context, s *call, in setBlockedIn) (out setBlockedOut, err error) {
		a := asking{nil, in.Claim, in.IfRev, in.Note}
		out.Item, out.Warning, err = s.update(ctx, a, func(tx *pipeline.Tx) (err error) {
			if out.Changed, err = tx.SetBlocked(in.StoryID, in.Blocked, in.Reason); err != nil {
				return err
			}
			return withNote(tx, in.StoryID, in.Note, &out.Changed)
		})
		out.Changed = orEmpty(out.Changed)
		return out, err
	},
})
