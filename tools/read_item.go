package tools

import (
	"context"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
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
			r := &reading{in: in, before: before, room: maxAnswerBytes - maxFrameBytes}
			r.out.Item, r.out.Claim = newItem(story), newItemClaim(story.Claim, s.now())
			err = r.read(p, story.Description)
			out = r.out
			return err
		})
		return out, err
	},
})

// reading is one call of read_item.
type reading struct {
	in     readItemIn
	before int64 // the cursor: changes from before this arrival are asked for, and nothing else. 0: all
	room   int   // how many bytes the answer may still take
	out    readItemOut
}

// restBytes is left for dependents, notes and changes by a description that is too long.
const restBytes = 6 << 10

// read shows the parts of a story, the most important first: each takes of the room what it needs.
func (r *reading) read(p *replica.View, description string) error {
	if err := r.take(r.out.Item); err != nil {
		return err
	}
	if r.before == 0 {
		r.out.Description = shorten(description, r.room-restBytes)
		r.room -= costOf(r.out.Description)
	}
	r.out.Dependents, r.out.DependentCount = p.Dependents(r.in.StoryID, maxDependents)
	if r.out.DependentCount == len(r.out.Dependents) {
		r.out.DependentCount = 0
	}
	if err := r.take(r.out.Dependents); err != nil {
		return err
	}
	if r.before == 0 {
		if err := r.showNotes(p); err != nil {
			return err
		}
	}
	return r.showHistory(p)
}

// take counts a part of the answer.
func (r *reading) take(part any) error {
	size, err := jsonSize(part)
	r.room -= size
	return err
}

// showNotes shows the newest notes, and leaves room for the changes that are asked for.
func (r *reading) showNotes(p *replica.View) error {
	notes, count := p.Notes(r.in.StoryID, maxNotes)
	room := r.room
	if r.in.History > 0 {
		room -= minHistoryBytes
	}
	r.out.Notes = newItemNotes(notes, min(room, maxNoteBytes))
	r.out.NoteCount, r.out.OlderNotes = count, count-len(r.out.Notes)
	return r.take(r.out.Notes)
}

// itemNote is a note as agents see it.
type itemNote struct {
	Text  string `json:"text"`
	Agent string `json:"agent,omitempty"`
	At    string `json:"at,omitempty"`
}

const (
	// maxNotes bounds the notes of one answer.
	maxNotes = 20
	// maxNoteBytes bounds them in bytes: the newest say how far the work is, and cost little.
	maxNoteBytes = 24 << 10
	// noteFrameBytes is what a note has beside its text and its agent.
	noteFrameBytes = 80
)

// newItemNotes returns so many of the notes, the newest ones, as there is room for: one at least, which is
// cut if it is too long.
func newItemNotes(notes []pipeline.Note, room int) (shown []itemNote) {
	for _, n := range slices.Backward(notes) {
		note := itemNote{Text: n.Text, Agent: cut(n.Agent, crdt.MaxAgent), At: pipeline.FormatTime(n.At)}
		room -= costOf(note.Agent) + noteFrameBytes
		if costOf(n.Text) > room {
			if len(shown) > 0 {
				break
			}
			note.Text = shorten(n.Text, room)
		}
		room -= costOf(note.Text)
		shown = append(shown, note)
	}
	slices.Reverse(shown)
	return shown
}
