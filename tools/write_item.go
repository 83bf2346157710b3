package tools

import (
	"context"

	"github.com/huskies/huskies-mcp/pipeline"
)

type writeItemIn struct {
	StoryID    string         `json:"story_id" jsonschema:"pattern=^[A-Za-z0-9][A-Za-z0-9._-]{0\\,127}$,example=10_story_add_login" jsonschema_description:"<number>_<story|bug|spike|refactor>_<slug>, e.g. 10_story_add_login"`
	Stage      *string        `json:"stage,omitempty" jsonschema:"enum=1_backlog,enum=2_current,enum=3_qa,enum=4_merge,enum=5_done,enum=6_archived" jsonschema_description:"required to create"`
	Name       *string        `json:"name,omitempty" jsonschema:"maxLength=256" jsonschema_description:"headline for people"`
	Agent      *string        `json:"agent,omitempty" jsonschema:"maxLength=128" jsonschema_description:"who works on it; \"\" for nobody. Never changes the stage"`
	RetryCount *int64         `json:"retry_count,omitempty" jsonschema:"minimum=0,maximum=1000000"`
	Blocked    *bool          `json:"blocked,omitempty" jsonschema_description:"set_blocked takes a reason too"`
	DependsOn  *[]storyNumber `json:"depends_on,omitempty" jsonschema:"maxItems=64" jsonschema_description:"numbers of the stories that must be done first; replaces the list"`
	After      *string        `json:"after,omitempty" jsonschema:"maxLength=128" jsonschema_description:"place it directly behind this story_id; \"\" for first. New stories go last"`
	Before     *string        `json:"before,omitempty" jsonschema:"maxLength=128" jsonschema_description:"place it directly before this story_id; \"\" for first"`
	IfRev      *string        `json:"if_rev,omitempty" jsonschema_description:"write only if the item still has this rev"`
}

// storyNumber is the number a story ID begins with.
type storyNumber uint32

func numbers(in *[]storyNumber) *[]uint32 {
	if in == nil {
		return nil
	}
	out := make([]uint32, len(*in))
	for i, n := range *in {
		out[i] = uint32(n)
	}
	return &out
}

type writeItemOut struct {
	Item    item     `json:"item"`
	Created bool     `json:"created"`
	Changed []string `json:"changed" jsonschema_description:"names of the fields that changed"`
}

var writeItem = define(definition[writeItemIn, writeItemOut]{
	name:        "write_item",
	title:       "Write a story",
	description: "Create a story (stage required) or update the given fields, all at once. Omitted fields stay; \"\" and [] clear. Take a story: agent, stage 2_current and if_rev.",
	idempotent:  true,
	handle: func(ctx context.Context, s *service, in writeItemIn) (out writeItemOut, err error) {
		changes := pipeline.Changes{
			Stage:      (*pipeline.Stage)(in.Stage),
			Name:       in.Name,
			Agent:      in.Agent,
			RetryCount: in.RetryCount,
			Blocked:    in.Blocked,
			DependsOn:  numbers(in.DependsOn),
			After:      in.After,
			Before:     in.Before,
		}
		out.Item, err = s.update(ctx, in.StoryID, in.IfRev, func(tx *pipeline.Tx) (err error) {
			out.Created, out.Changed, err = tx.Write(in.StoryID, changes)
			return err
		})
		out.Changed = orEmpty(out.Changed)
		return out, err
	},
})
