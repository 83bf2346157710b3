package tools

import (
	"context"
	"slices"

	"github.com/huskies/huskies-mcp/pipeline"
)

type readItemIn struct {
	StoryID string `json:"story_id"`
}

type readItemOut struct {
	Item        item       `json:"item"`
	Claim       *itemClaim `json:"claim,omitempty"`
	Description text       `json:"description,omitempty"`
	Notes       []itemNote `json:"notes,omitempty" jsonschema_description:"the last ones, newest last"`
	NoteCount   int        `json:"note_count,omitempty"`
	OlderNotes  int        `json:"older_notes,omitempty" jsonschema_description:"notes that are not shown"`
	position
}

// itemNote is a note as agents see it.
type itemNote struct {
	Text  text   `json:"text"`
	Agent text   `json:"agent,omitempty"`
	At    string `json:"at,omitempty"`
}

const (
	// maxNotes bounds the notes of one answer.
	maxNotes = 20
	// maxNoteBytes bounds them in bytes of JSON. Hosts refuse answers over 25,000
	// tokens; JSON has at least 2.5 bytes a token, and a description has 32 KiB.
	maxNoteBytes = 24 << 10
)

var readItem = define(definition[readItemIn, readItemOut]{
	name:        "read_item",
	title:       "Read a story",
	description: "Read one story.",
	readOnly:    true,
	idempotent:  true,
	handle: func(ctx context.Context, s *call, in readItemIn) (out readItemOut, err error) {
		var notes []pipeline.Note
		err = s.view(ctx, func(p *pipeline.State) error {
			story, err := p.Story(in.StoryID)
			out.Item = newItem(story)
			out.Claim = newItemClaim(story.Claim, s.now())
			out.Description = text(story.Description)
			notes, out.NoteCount = p.Notes(in.StoryID, maxNotes)
			return err
		})
		if err != nil {
			return out, err
		}
		out.Notes, err = newItemNotes(notes)
		out.OlderNotes = out.NoteCount - len(out.Notes)
		return out, err
	},
})

// newItemNotes returns so many of the notes, the newest ones, as an answer holds:
// one at least.
func newItemNotes(notes []pipeline.Note) ([]itemNote, error) {
	var shown []itemNote
	size := 0
	for _, n := range slices.Backward(notes) {
		note := itemNote{Text: text(n.Text), Agent: text(n.Agent), At: formatTime(n.At)}
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
