package tools

import (
	"context"
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
)

type releaseItemIn struct {
	StoryID string  `json:"story_id"`
	Note    *string `json:"note,omitempty" jsonschema_description:"what you found"`
	Agent   *string `json:"agent,omitempty" jsonschema:"maxLength=128" jsonschema_description:"your name"`
	Claim   *string `json:"claim,omitempty"`
}

var releaseItem = define(definition[releaseItemIn, moved]{
	name:        "release_item",
	title:       "Give a story back",
	description: "Give a story back unfinished: from 2_current it returns to 1_backlog.",
	handle: func(ctx context.Context, s *call, in releaseItemIn) (moved, error) {
		return s.move(ctx, move{in.StoryID, in.Agent, in.Claim, in.Note}, func(tx *pipeline.Tx, agent string, fenced bool) ([]string, error) {
			return tx.Release(in.StoryID, agent, fenced)
		})
	},
})

// move is what the tools that end a claim have in common.
type move struct {
	story              string
	agent, claim, note *string
}

// moved is what is answered to such a change.
type moved struct {
	Item    item     `json:"item"`
	Changed []string `json:"changed"`
	Warning string   `json:"warning,omitempty"`
	position
}

// move makes a change that ends a claim, if the caller may.
func (s *call) move(ctx context.Context, m move, edit func(tx *pipeline.Tx, agent string, fenced bool) ([]string, error)) (out moved, err error) {
	agent := s.who(m.agent)
	if err := pipeline.CheckAgent(agent); err != nil {
		return out, err
	}
	story, err := s.changeAs(ctx, agent, func(tx *pipeline.Tx) (err error) {
		if err := (expected{claim: m.claim}).check(tx, m.story); err != nil {
			return err
		}
		if m.agent != nil && *m.agent != "" {
			tx.WriteAs(*m.agent)
		}
		out.Changed, err = edit(tx, agent, m.claim != nil)
		out.Warning = strings.Join(tx.Warnings(), "; ")
		if err != nil || m.note == nil {
			return err
		}
		out.Changed = append(out.Changed, pipeline.NameNote)
		return tx.AddNote(m.story, *m.note)
	})
	out.Item, out.Changed = newItem(story), orEmpty(out.Changed)
	return out, err
}
