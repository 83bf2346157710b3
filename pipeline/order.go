package pipeline

import "github.com/huskies/huskies-mcp/crdt"

// NamePlace is a story's place in the pipeline's order, as answers name what
// changed.
const NamePlace = "place"

// place records the edit that puts the story directly behind the story after or
// before the story before; "" is the start of the order for both. When neither
// is given, a new story goes last and a story that was there stays where it is. A
// story that stands in the wanted place already is not moved.
func (tx *Tx) place(changed *[]string, id string, created bool, after, before *string) error {
	switch {
	case after != nil && before != nil:
		return invalid("give one of the two", "after and before are both given")
	case after == nil && before == nil && !created:
		return nil
	case after == nil && before == nil:
		tx.put(nil, tx.state.lastPlace())
		return nil
	}
	name, neighbour := "after", after
	if before != nil {
		name, neighbour = "before", before
	}
	if *neighbour == "" {
		if created || !tx.state.isFirst(id) {
			tx.put(changed, crdt.Anchor{})
		}
		return nil
	}
	if *neighbour == id {
		return invalid("give another story, or \"\" for the start", "%s is the story itself", name)
	}
	next, err := tx.neighbour(name, *neighbour)
	if err != nil {
		return err
	}
	// A story that is being created stands nowhere that counts.
	stands := func(c *crdt.Story) bool { return c != nil && !created && c.ID() == id }
	previous, following := tx.state.neighbours(next.ID())
	switch {
	case before == nil && !stands(following):
		tx.put(changed, next.Anchor())
	case before != nil && previous == nil:
		tx.put(changed, crdt.Anchor{})
	case before != nil && !stands(previous):
		tx.put(changed, previous.Anchor())
	}
	return nil
}

// lastPlace returns the place behind which no story stands.
func (s *State) lastPlace() crdt.Anchor {
	if s.err != nil {
		return crdt.Anchor{}
	}
	last, err := s.src.Last()
	if last = keep(s, last, err); last != nil {
		return last.Anchor()
	}
	return crdt.Anchor{}
}

// isFirst reports whether no story stands before the story.
func (s *State) isFirst(id string) bool {
	before, _ := s.neighbours(id)
	return before == nil
}

func (tx *Tx) put(changed *[]string, after crdt.Anchor) {
	tx.edits = append(tx.edits, crdt.Place(after))
	if changed != nil {
		*changed = append(*changed, NamePlace)
	}
}

// neighbour returns the story that the argument name gives, which must be there.
func (tx *Tx) neighbour(name, id string) (*crdt.Story, error) {
	if !crdt.ValidStoryID(id) {
		return nil, invalid("give the story_id of a story that list_items shows", "%s %.140q is not a story ID", name, id)
	}
	if c := tx.state.visible(id); c != nil {
		return c, nil
	}
	err := tx.state.notFound(id)
	err.Message = name + ": " + err.Message
	err.Next = "give the story_id of a story that list_items shows, or \"\" for the start"
	if err.Code == CodeNotFound {
		if similar := tx.state.similar(id); len(similar) > 0 {
			err.Next = "did you mean " + some(similar) + "? Otherwise " + err.Next
		}
	}
	return nil, err.orErr(tx.state)
}
