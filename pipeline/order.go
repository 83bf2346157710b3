package pipeline

import "github.com/huskies/huskies-mcp/crdt"

// NamePlace is a story's place in the pipeline's order, as answers name what
// changed.
const NamePlace = "place"

// First and Last name the ends of the order, where the ID of a neighbour is expected. A story that
// has one of these words for its ID is meant by it nevertheless.
const (
	First = "first"
	Last  = "last"
)

// place records the edit that puts the story directly behind the story after or directly before the
// story before, or at an end of the order. When neither is given, a new story goes last and a story
// that was there stays where it is. A story that stands in the wanted place already is not moved.
func (tx *Tx) place(changed *[]string, id string, created bool, after, before *string) error {
	switch {
	case after != nil && before != nil:
		return refuse(Fact{Code: CodeTwoPlaces})
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
	if isEnd := *neighbour == First || *neighbour == Last; isEnd && tx.state.visible(*neighbour) == nil {
		tx.placeAtEnd(changed, id, created, *neighbour)
		return nil
	}
	if *neighbour == id {
		return refuse(Fact{Code: CodeBesideItself, Field: name})
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

// placeAtEnd puts the story at an end of the order, if it does not stand there.
func (tx *Tx) placeAtEnd(changed *[]string, id string, created bool, end string) {
	if end == First {
		if created || !tx.state.isFirst(id) {
			tx.put(changed, crdt.Anchor{})
		}
		return
	}
	if last := tx.state.last(); created || last == nil || last.ID() != id {
		tx.put(changed, tx.state.lastPlace())
	}
}

// lastPlace returns the place behind which no story stands.
func (s *State) lastPlace() crdt.Anchor {
	if last := s.last(); last != nil {
		return last.Anchor()
	}
	return crdt.Anchor{}
}

// last returns the story behind which no story stands, nil if there is none.
func (s *State) last() *crdt.Story {
	if s.err != nil {
		return nil
	}
	last, err := s.src.Last()
	last = keep(s, last, err)
	if last != nil && Reserved(last.ID()) {
		last, _ = s.neighbours(last.ID())
	}
	return last
}

// maxBeside bounds the stories of other stages that [State.Beside] passes on its way. Where stories of
// one stage are that far apart, nobody misses the next one.
const maxBeside = 500

// Beside returns the IDs of the nearest visible stories of the same stage before and after a story in the
// order. An ID is empty if there is none, or if too many stories of other stages stand between.
func (s *State) Beside(id string) (before, after string) {
	c := s.visible(id)
	if c == nil {
		return "", ""
	}
	walk := func(step func(id string) *crdt.Story) string {
		next := step(id)
		for range maxBeside {
			if next == nil || s.err != nil {
				return ""
			}
			if VisibleStage(next) == VisibleStage(c) {
				return next.ID()
			}
			next = step(next.ID())
		}
		return ""
	}
	before = walk(func(id string) *crdt.Story { b, _ := s.neighbours(id); return b })
	after = walk(func(id string) *crdt.Story { _, a := s.neighbours(id); return a })
	return before, after
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
		return nil, refuse(Fact{Code: CodeBadNeighbour, Field: name, Given: id})
	}
	if Reserved(id) {
		return nil, reserved(id)
	}
	if c := tx.state.visible(id); c != nil {
		return c, nil
	}
	err := tx.state.notFound(id)
	err.Field = name
	return nil, err.orErr(tx.state)
}
