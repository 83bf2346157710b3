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
		last = append(last, Note{Text: n.Text, Agent: n.Agent, At: TimeOf(n.At)})
	}
	return last, c.NoteCount()
}

// AddNote adds a note to the story, which every merge keeps, and its name to changed. The transaction
// may be about the story already. See note for what is not stored twice.
func (tx *Tx) AddNote(id string, changed *[]string, text string) error {
	if err := checkNote(text); err != nil {
		return err
	}
	if tx.story != id {
		if _, err := tx.begin(id); err != nil {
			return err
		}
	}
	tx.note(changed, text)
	return tx.state.err
}

// note adds a note. The story's last note, given once more by the same agent, is a call that was made
// again, and is not stored twice.
func (tx *Tx) note(changed *[]string, text string) {
	if last, _ := tx.state.Notes(tx.story, 1); len(last) == 1 && last[0].Text == text && last[0].Agent == tx.signer() {
		return
	}
	tx.edits = append(tx.edits, crdt.Note(text))
	if changed != nil {
		*changed = append(*changed, NameNote)
	}
}

func checkNote(text string) error {
	if strings.TrimSpace(text) == "" {
		return refuse(Fact{Code: CodeEmptyNote})
	}
	return checkText(NameNote, text, crdt.MaxNote)
}
