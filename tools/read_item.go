package tools

import (
	"context"
	"slices"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

type readItemIn struct {
	StoryID string `json:"story_id"`
	History int    `json:"history,omitempty" jsonschema:"minimum=0,maximum=100,default=0" jsonschema_description:"number of changes to show"`
	Cursor  string `json:"cursor,omitempty" jsonschema_description:"next_cursor of the answer before: older changes, without description and notes"`
}

type readItemOut struct {
	Item           item         `json:"item"`
	Claim          *itemClaim   `json:"claim,omitempty"`
	Description    string       `json:"description,omitempty"`
	Notes          []itemNote   `json:"notes,omitempty" jsonschema_description:"newest last"`
	NoteCount      int          `json:"note_count,omitempty"`
	OlderNotes     int          `json:"older_notes,omitempty" jsonschema_description:"how many are not shown: history has them"`
	Dependents     []string     `json:"dependents,omitempty" jsonschema_description:"they depend on it"`
	DependentCount int          `json:"dependent_count,omitempty" jsonschema_description:"if not all are shown"`
	History        []itemChange `json:"history,omitempty" jsonschema_description:"newest first"`
	NextCursor     string       `json:"next_cursor,omitempty" jsonschema_description:"for older changes"`
	position
}

var readItem = define(definition[readItemIn, readItemOut]{
	name:        "read_item",
	title:       "Read a story",
	description: "Read one story, with description, notes, dependents and, if asked for, its history.",
	readOnly:    true,
	idempotent:  true,
	handle: func(ctx context.Context, s *call, in readItemIn) (out readItemOut, err error) {
		before, err := parseHistoryCursor(in.Cursor)
		if err != nil {
			return out, err
		}
		err = s.view(ctx, func(p *replica.View) error {
			story, err := p.Story(in.StoryID)
			if err != nil {
				return err
			}
			out = readItemOut{Item: newItem(story)}
			out.Claim = newItemClaim(story.Claim, s.now())
			out.Dependents, out.DependentCount = p.Dependents(in.StoryID, maxDependents)
			if out.DependentCount == len(out.Dependents) {
				out.DependentCount = 0
			}
			if before > 0 {
				return showHistory(p, in, before, &out)
			}
			out.Description = story.Description
			notes, count := p.Notes(in.StoryID, maxNotes)
			if out.Notes, err = newItemNotes(notes); err != nil {
				return err
			}
			out.NoteCount, out.OlderNotes = count, count-len(out.Notes)
			return showHistory(p, in, before, &out)
		})
		return out, err
	},
})

// itemNote is a note as agents see it.
type itemNote struct {
	Text  string `json:"text"`
	Agent string `json:"agent,omitempty"`
	At    string `json:"at,omitempty"`
}

const (
	// maxNotes bounds the notes of one answer.
	maxNotes = 20
	// maxNoteBytes bounds them in bytes of JSON. Hosts refuse answers over 25,000
	// tokens; JSON has at least 2.5 bytes a token, and a description has 32 KiB.
	maxNoteBytes = 24 << 10
)

// newItemNotes returns so many of the notes, the newest ones, as an answer holds:
// one at least.
func newItemNotes(notes []pipeline.Note) ([]itemNote, error) {
	var shown []itemNote
	size := 0
	for _, n := range slices.Backward(notes) {
		note := itemNote{Text: n.Text, Agent: n.Agent, At: pipeline.FormatTime(n.At)}
		b, err := compactJSON(note)
		if err != nil {
			return nil, err
		}
		if size += len(b); size > maxNoteBytes && len(shown) > 0 {
			break
		}
		shown = append(shown, note)
	}
	slices.Reverse(shown)
	return shown, nil
}
