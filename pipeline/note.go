package pipeline

import (
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// NameNote is a note, as answers name what changed.
const NameNote = "note"

// Note is what somebody had to say about a story.
type Note struct {
	Text  string
	Agent string // may be empty
	// At is when it was written, by its author's clock; zero if the op does not
	// say so.
	At time.Time
}

// Notes returns the story's last most notes, the newest last, and how many there
// are in all. There are none of a story that nobody sees.
func (s *State) Notes(id string, most int) (last []Note, count int) {
	c := s.visible(id)
	if c == nil {
		return nil, 0
	}
	notes, err := s.src.Notes(id, most)
	for _, n := range keep(s, notes, err) {
		last = append(last, Note{Text: n.Text, Agent: n.Agent, At: timeOf(n.At)})
	}
	return last, c.NoteCount()
}

// AddNote adds a note to the story, which every merge keeps. The transaction may
// be about the story already.
func (tx *Tx) AddNote(id, text string) error {
	if err := checkNote(text); err != nil {
		return err
	}
	if tx.story != id {
		if _, err := tx.begin(id); err != nil {
			return err
		}
	}
	tx.note(nil, text)
	return nil
}

func (tx *Tx) note(changed *[]string, text string) {
	tx.edits = append(tx.edits, crdt.Note(text))
	if changed != nil {
		*changed = append(*changed, NameNote)
	}
}

func checkNote(text string) error {
	if strings.TrimSpace(text) == "" {
		return invalid("say something, or leave note out", "note is empty")
	}
	return checkText(NameNote, text, crdt.MaxNote)
}

// timeOf returns the time that an op says it was written at, zero if it does not.
func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
