package tools

import (
	"context"
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
)

type writeItemIn struct {
	StoryID     *string         `json:"story_id,omitempty" jsonschema:"pattern=^[A-Za-z0-9][A-Za-z0-9._-]{0\\,127}$,example=10_story_add_login" jsonschema_description:"<number>_<story|bug|spike|refactor>_<slug>, e.g. 10_story_add_login; leave it out to create a story with the next number"`
	Type        *string         `json:"type,omitempty" jsonschema:"enum=story,enum=bug,enum=spike,enum=refactor" jsonschema_description:"of a new story without story_id"`
	Stage       *pipeline.Stage `json:"stage,omitempty" jsonschema_description:"required to create, unless story_id is left out: 1_backlog then"`
	Name        *string         `json:"name,omitempty" jsonschema:"maxLength=256" jsonschema_description:"headline for people"`
	Agent       *string         `json:"agent,omitempty" jsonschema:"maxLength=128" jsonschema_description:"who it is assigned to, not your signature; \"\" for nobody. Never changes the stage"`
	RetryCount  *int64          `json:"retry_count,omitempty" jsonschema:"minimum=0,maximum=1000000"`
	Blocked     *bool           `json:"blocked,omitempty" jsonschema_description:"set_blocked takes a reason too"`
	Description *string         `json:"description,omitempty" jsonschema:"maxLength=32768" jsonschema_description:"Markdown"`
	Note        *string         `json:"note,omitempty" jsonschema:"maxLength=16384" jsonschema_description:"added to the notes, which stay"`
	DependsOn   *[]storyNumber  `json:"depends_on,omitempty" jsonschema:"maxItems=64" jsonschema_description:"numbers of the stories that must be done first; replaces the list"`
	After       *string         `json:"after,omitempty" jsonschema:"maxLength=128" jsonschema_description:"place it directly behind this story_id; \"\" for first. New stories go last"`
	Before      *string         `json:"before,omitempty" jsonschema:"maxLength=128" jsonschema_description:"place it directly before this story_id; \"\" for first"`
	IfRev       *string         `json:"if_rev,omitempty" jsonschema_description:"write only if the item still has this rev"`
	Claim       *string         `json:"claim,omitempty" jsonschema_description:"as claim_item gave it"`
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
	Warning string   `json:"warning,omitempty"`
	position
}

var writeItem = define(definition[writeItemIn, writeItemOut]{
	name:        "write_item",
	title:       "Write a story",
	description: "Create a story (with a name alone it gets the next number, in 1_backlog) or update the given fields, all at once. Omitted fields stay; \"\" and [] clear. A note is added, never overwritten. To take a story use claim_item.",
	handle: func(ctx context.Context, s *call, in writeItemIn) (out writeItemOut, err error) {
		changes := pipeline.Changes{
			Stage:       in.Stage,
			Name:        in.Name,
			Agent:       in.Agent,
			RetryCount:  in.RetryCount,
			Blocked:     in.Blocked,
			Description: in.Description,
			Note:        in.Note,
			DependsOn:   numbers(in.DependsOn),
			After:       in.After,
			Before:      in.Before,
		}
		if in.StoryID == nil {
			err = s.create(ctx, in, changes, &out)
			return out, err
		}
		if in.Type != nil {
			return out, &pipeline.Error{Code: pipeline.CodeInvalid, Message: "type is given with a story_id", Next: "leave out type to write this story, or story_id to create one with the next number"}
		}
		a := asking{nil, in.Claim, in.IfRev, in.Note}
		out.Item, out.Warning, err = s.update(ctx, a, func(tx *pipeline.Tx) (err error) {
			out.Created, out.Changed, err = tx.Write(*in.StoryID, changes)
			return err
		})
		out.Changed = orEmpty(out.Changed)
		return out, err
	},
})

// create creates a story with the next number.
func (s *call) create(ctx context.Context, in writeItemIn, changes pipeline.Changes, out *writeItemOut) (err error) {
	switch {
	case in.Name == nil || strings.TrimSpace(*in.Name) == "":
		return &pipeline.Error{Code: pipeline.CodeInvalid, Message: "there is no story_id and no name", Next: "give the story_id of a story to update it, or a name to create one with the next number"}
	case in.IfRev != nil || in.Claim != nil:
		return &pipeline.Error{Code: pipeline.CodeInvalid, Message: "if_rev and claim are of an item, and there is no story_id", Next: "give the story_id too, or leave them out to create a story"}
	}
	if changes.Stage == nil {
		backlog := pipeline.Backlog
		changes.Stage = &backlog
	}
	typ := ""
	if in.Type != nil {
		typ = *in.Type
	}
	out.Item, out.Warning, err = s.update(ctx, asking{}, func(tx *pipeline.Tx) error {
		id, err := tx.NewID(typ, slug(*in.Name))
		if err != nil {
			return err
		}
		out.Created, out.Changed, err = tx.Write(id, changes)
		return err
	})
	return err
}
