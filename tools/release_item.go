package tools

import (
	"context"

	"github.com/huskies/huskies-mcp/pipeline"
)

type releaseItemIn struct {
	StoryID string  `json:"story_id"`
	Note    *string `json:"note,omitempty" jsonschema_description:"what you found"`
	Agent   *string `json:"agent,omitempty" jsonschema:"maxLength=128" jsonschema_description:"your name"`
	Claim   *string `json:"claim,omitempty"`
}

type releaseItemOut struct {
	Item    item     `json:"item"`
	Changed []string `json:"changed"`
	position
}

var releaseItem = define(definition[releaseItemIn, releaseItemOut]{
	name:        "release_item",
	title:       "Give a story back",
	description: "Give a story back unfinished: from 2_current it returns to 1_backlog.",
	handle: func(ctx context.Context, s *call, in releaseItemIn) (out releaseItemOut, err error) {
		move := move{in.StoryID, in.Agent, in.Claim, in.Note}
		out.Item, out.Changed, err = s.move(ctx, move, func(tx *pipeline.Tx, agent string, fenced bool) ([]string, error) {
			return tx.Release(in.StoryID, agent, fenced)
		})
		return out, err
	},
})

// move is what the tools that end a claim have in common.
type move struct {
	story              string
	agent, claim, note *string
}

// move makes a change that ends a claim, if the caller may.
func (s *call) move(ctx context.Context, m move, edit func(tx *pipeline.Tx, agent string, fenced bool) ([]string, error)) (it item, changed []string, err error) {
	agent := s.who(m.agent)
	if err := pipeline.CheckAgent(agent); err != nil {
		return it, nil, err
	}
	var warnings []string
	story, err := s.changeAs(ctx, agent, func(tx *pipeline.Tx) (err error) {
		if err := (expected{claim: m.claim}).check(tx, m.story); err != nil {
			return err
		}
		if m.agent != nil && *m.agent != "" {
			tx.WriteAs(*m.agent)
		}
		changed, err = edit(tx, agent, m.claim != nil)
		if warnings = tx.Warnings(); err != nil || m.note == nil {
			return err
		}
		changed = append(changed, pipeline.NameNote)
		return tx.AddNote(m.story, *m.note)
	})
	it = newItem(story)
	it.Warnings = append(it.Warnings, warnings...)
	return it, orEmpty(changed), err
}
