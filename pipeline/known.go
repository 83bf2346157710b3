package pipeline

import "github.com/huskies/huskies-mcp/crdt"

// KnownStory is a story as somebody needs it who looks for stories that were there before.
type KnownStory struct {
	ID string
	// Visible is false for a deleted story, and for one of which no stage has come yet.
	Visible bool
	// Notes are the texts of all its notes, the oldest first.
	Notes []string
}

// EachKnown calls fn for each story: all that are visible, and of the others those whose IDs begin with a
// number.
func (s *State) EachKnown(fn func(KnownStory)) error {
	if s.err != nil {
		return s.err
	}
	numbered, err := s.src.Newest(crdt.MaxStories)
	for _, c := range keep(s, numbered, err) {
		fn(s.knownStory(c))
	}
	for _, id := range s.IDs("", crdt.MaxStories) {
		if _, ok := Number(id); ok {
			continue
		}
		if c := s.visible(id); c != nil {
			fn(s.knownStory(c))
		}
	}
	return s.err
}

func (s *State) knownStory(c *crdt.Story) KnownStory {
	k := KnownStory{ID: c.ID(), Visible: VisibleStage(c) != ""}
	if s.err != nil || c.NoteCount() == 0 {
		return k
	}
	notes, err := s.src.Notes(c.ID(), c.NoteCount())
	for _, n := range keep(s, notes, err) {
		k.Notes = append(k.Notes, n.Text)
	}
	return k
}
