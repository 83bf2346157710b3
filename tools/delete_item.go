package tools

import (
	"context"
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
)

type deleteItemIn struct {
	StoryID string  `json:"story_id"`
	Restore bool    `json:"restore,omitempty"`
	Note    *string `json:"note,omitempty"`
	IfRev   *string `json:"if_rev,omitempty"`
	Claim   *string `json:"claim,omitempty"`
}

type deleteItemOut struct {
	StoryID        string   `json:"story_id"`
	Deleted        bool     `json:"deleted"`
	Changed        bool     `json:"changed"`
	Item           *item    `json:"item,omitempty"`
	Dependents     []string `json:"dependents,omitempty" jsonschema_description:"they wait for it now"`
	DependentCount int      `json:"dependent_count,omitempty" jsonschema_description:"if not all are shown"`
	Warning        string   `json:"warning,omitempty"`
}

// maxDependents bounds the dependents that an answer names.
const maxDependents = 20

var deleteItem = define(definition[deleteItemIn, deleteItemOut]{
	name:        "delete_item",
	title:       "Delete or restore a story",
	description: "Delete a story, or bring it back as it was (restore). To finish a story, use 5_done or 6_archived instead.",
	destructive: true,
	idempotent:  true,
	handle: func(ctx context.Context, s *call, in deleteItemIn) (out deleteItemOut, err error) {
		story, err := s.change(ctx, asking{nil, in.Claim, in.IfRev, in.Note}, func(tx *pipeline.Tx) (err error) {
			if in.Restore {
				out.Changed, err = tx.Restore(in.StoryID)
				out.Warning = strings.Join(warnings(tx.Warnings()), "; ")
			} else {
				out.Changed, err = tx.Delete(in.StoryID)
			}
			if err == nil && out.Changed {
				err = withNote(tx, in.StoryID, in.Note, nil)
			}
			if err != nil || in.Restore {
				return err
			}
			out.Dependents, out.DependentCount = tx.Waiting(in.StoryID, maxDependents)
			return err
		})
		out.StoryID, out.Deleted = story.ID, story.Deleted
		if story.Stage != "" {
			it := newItem(story)
			out.Item = &it
		}
		if out.DependentCount == len(out.Dependents) {
			out.DependentCount = 0
		}
		return out, err
	},
})
