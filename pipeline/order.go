package pipeline

import "github.com/huskies/huskies-mcp/crdt"

// NamePlace is a story's place in the pipeline's order, as answers name what
// changed.
const NamePlace = "place"

// place records the edit that puts the story directly behind the story after or
// before the story before; "" is the start of the order for both. When neither
// is given a new story goes last and another one stays where it is. A story
// that stands there already is not moved.
func (tx *Tx) place(changed *[]string, id string, created bool, after, before *string) error {
	doc := tx.state.doc
	switch {
	case after != nil && before != nil:
		return invalid("give one of the two", "after and before are both given")
	case after == nil && before == nil && !created:
		return nil
	case after == nil && before == nil:
		tx.put(nil, doc.LastPlace())
		return nil
	}
	moving := doc.Story(id)
	if created {
		moving = nil // it stands nowhere that counts
	}
	name, neighbour := "after", after
	if before != nil {
		name, neighbour = "before", before
	}
	if *neighbour == "" {
		if moving == nil || doc.Position(moving) > 0 {
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
	at := doc.Position(next)
	if before == nil {
		if moving == nil || doc.PlacedAt(at+1) != moving {
			tx.put(changed, next.Anchor())
		}
		return nil
	}
	previous := doc.PlacedAt(at - 1)
	switch {
	case previous == nil:
		tx.put(changed, crdt.Anchor{})
	case previous != moving:
		tx.put(changed, previous.Anchor())
	}
	return nil
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
	err := tx.state.notFound(id).(*Error)
	err.Message = name + ": " + err.Message
	err.Next = "give the story_id of a story that list_items shows, or \"\" for the start"
	if err.Code == CodeNotFound {
		if similar := tx.state.similar(id); len(similar) > 0 {
			err.Next = "did you mean " + some(similar) + "? Otherwise " + err.Next
		}
	}
	return nil, err
}
