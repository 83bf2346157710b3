package pipeline

import "github.com/huskies/huskies-mcp/crdt"

// NameNote is a note, as answers name what changed.
const NameNote = "note"

// AddNote adds a note to the story, which every merge keeps. The transaction may
// be about the story already.
func (tx *Tx) AddNote(id, text string) error {
	if err := checkText(NameNote, text, crdt.MaxNote); err != nil {
		return err
	}
	if tx.story != id {
		if _, err := tx.begin(id); err != nil {
			return err
		}
	}
	tx.edits = append(tx.edits, crdt.Note(text))
	return nil
}
