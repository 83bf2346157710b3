package tools

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
)

type writeItemIn struct {
	StoryID     *string         `json:"story_id,omitempty" jsonschema:"pattern=^[A-Za-z0-9][A-Za-z0-9._-]{0\\,127}$,example=10_story_add_login" jsonschema_description:"<number>_<story|bug|spike|refactor>_<slug>, e.g. 10_story_add_login; leave it out to create a story with the next number"`
	Type        *string         `json:"type,omitempty" jsonschema:"enum=story,enum=bug,enum=spike,enum=refactor" jsonschema_description:"of a new story without story_id"`
	Stage       *pipeline.Stage `json:"stage,omitempty" jsonschema_description:"required to create, unless story_id is left out: 1_backlog then"`
	Name        *string         `json:"name,omitempty" jsonschema:"maxLength=256" jsonschema_description:"headline for people"`
	Agent       *string         `json:"agent,omitempty" jsonschema:"maxLength=128" jsonschema_description:"who it is assigned to, not your signature. Never changes the stage"`
	RetryCount  *int64          `json:"retry_count,omitempty" jsonschema:"minimum=0,maximum=1000000"`
	Blocked     *bool           `json:"blocked,omitempty" jsonschema_description:"set_blocked takes a reason too"`
	Description *string         `json:"description,omitempty" jsonschema:"maxLength=32768" jsonschema_description:"Markdown"`
	Note        *string         `json:"note,omitempty" jsonschema:"maxLength=16384" jsonschema_description:"added to the notes, which stay"`
	DependsOn   *[]dependency   `json:"depends_on,omitempty" jsonschema:"maxItems=64" jsonschema_description:"numbers of the stories that must be done first; replaces the list"`
	After       *string         `json:"after,omitempty" jsonschema_description:"place it directly behind this story_id, or first or last. New stories go last"`
	Before      *string         `json:"before,omitempty" jsonschema_description:"place it directly before this story_id"`
	Clear       []clearable     `json:"clear,omitempty" jsonschema_description:"empty these fields"`
	IfRev       *string         `json:"if_rev,omitempty" jsonschema_description:"write only if the item still has this rev"`
	Claim       *string         `json:"claim,omitempty" jsonschema_description:"as claim_item gave it"`
}

// clearable is the name of a field that clear can empty.
type clearable string

// clearables are the fields that clear can empty. An argument that says nothing leaves its field as
// it is, so emptying one takes words.
var clearables = []clearable{pipeline.NameAgent, pipeline.NameDescription, pipeline.NameDependsOn, pipeline.NameName}

// empty adds the fields that clear names to the changes. A field that is also given is an error.
func (in *writeItemIn) empty(c *pipeline.Changes) error {
	for _, field := range in.Clear {
		given := false
		switch field {
		case pipeline.NameAgent:
			given, c.Agent = in.Agent != nil, new(string)
		case pipeline.NameDescription:
			given, c.Description = in.Description != nil, new(string)
		case pipeline.NameDependsOn:
			given, c.DependsOn = in.DependsOn != nil, &[]uint32{}
		case pipeline.NameName:
			given, c.Name = in.Name != nil, new(string)
		}
		if given {
			return &misuse{string(field) + " is given, and clear names it too", "leave it out of one of the two"}
		}
	}
	return nil
}

// dependency is how depends_on names a story: the number its ID begins with, or the ID.
type dependency string

// UnmarshalJSON reads a number or a text.
func (d *dependency) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(d))
	}
	*d = dependency(b)
	return nil
}

// write writes the changes. The numbers of depends_on are found in the same transaction.
func (in *writeItemIn) write(tx *pipeline.Tx, id string, c pipeline.Changes, out *writeItemOut) (err error) {
	if in.DependsOn != nil {
		names := make([]string, len(*in.DependsOn))
		for i, d := range *in.DependsOn {
			names[i] = string(d)
		}
		numbers, err := tx.Numbers(names)
		if err != nil {
			return err
		}
		c.DependsOn = &numbers
	}
	out.Created, out.Changed, err = tx.Write(id, c)
	out.Warning = cut(strings.Join(warnings(tx.Warnings()), "; "), maxAdviceShown)
	return err
}

type writeItemOut struct {
	Item    item     `json:"item"`
	Created bool     `json:"created"`
	Changed []string `json:"changed" jsonschema_description:"names of the fields that changed"`
	Warning string   `json:"warning,omitempty"`
}

var writeItem = define(definition[writeItemIn, writeItemOut]{
	name:        "write_item",
	title:       "Write a story",
	description: "Create a story (with a name alone it gets the next number, in 1_backlog) or update the given fields, all at once. What is left out or empty stays as it is. A note is added, never overwritten. To take a story use claim_item.",
	handle: func(ctx context.Context, s *call, in writeItemIn) (out writeItemOut, err error) {
		changes := pipeline.Changes{
			Stage:       in.Stage,
			Name:        in.Name,
			Agent:       in.Agent,
			RetryCount:  in.RetryCount,
			Blocked:     in.Blocked,
			Description: in.Description,
			Note:        in.Note,
			After:       in.After,
			Before:      in.Before,
			SameName:    pipeline.SameName,
		}
		if err := in.empty(&changes); err != nil {
			return out, err
		}
		if in.StoryID == nil {
			err = s.create(ctx, in, changes, &out)
			return out, err
		}
		if in.Type != nil && otherType(*in.StoryID, *in.Type) {
			return out, &misuse{"type " + *in.Type + " is not that of the story_id", "leave out type to write this story, or story_id to create one with the next number"}
		}
		a := asking{nil, in.Claim, in.IfRev, in.Note}
		out.Item, out.Warning, err = s.update(ctx, a, func(tx *pipeline.Tx) error {
			return in.write(tx, *in.StoryID, changes, &out)
		})
		out.Changed = orEmpty(out.Changed)
		return out, err
	},
})

// otherType reports whether a story's ID names another type.
func otherType(id, typ string) bool {
	_, rest, _ := strings.Cut(id, "_")
	named, _, _ := strings.Cut(rest, "_")
	return named != typ && slices.Contains(pipeline.Types(), named)
}

// create creates a story with the next number.
func (s *call) create(ctx context.Context, in writeItemIn, changes pipeline.Changes, out *writeItemOut) (err error) {
	switch {
	case in.Name == nil || strings.TrimSpace(*in.Name) == "":
		return &misuse{"there is no story_id and no name", "give the story_id of a story to update it, or a name to create one with the next number"}
	case in.IfRev != nil || in.Claim != nil:
		return &misuse{"if_rev and claim are of an item, and there is no story_id", "give the story_id too, or leave them out to create a story"}
	}
	if changes.Stage == nil {
		backlog := pipeline.Backlog
		changes.Stage = &backlog
	}
	typ := ""
	if in.Type != nil {
		typ = *in.Type
	}
	var number uint32
	if s.hub != nil { // no other machine gives out the hub's number
		if number, err = s.hub.Number(ctx); err != nil {
			return err
		}
	}
	out.Item, out.Warning, err = s.update(ctx, asking{}, func(tx *pipeline.Tx) error {
		tx.OfferNumber(number)
		id, err := tx.NewID(typ, pipeline.Slug(*in.Name))
		if err != nil {
			return err
		}
		return in.write(tx, id, changes, out)
	})
	return err
}
