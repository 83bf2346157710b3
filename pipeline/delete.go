package pipeline

import "github.com/huskies/huskies-mcp/crdt"

// Delete deletes the story; all that was written stays in it. It reports false if
// it is deleted already.
func (tx *Tx) Delete(id string) (changed bool, err error) {
	c, err := tx.known(id)
	if err != nil || c.Deleted() {
		return false, err
	}
	tx.edits = append(tx.edits, crdt.Set(crdt.DeletedField, crdt.Bool(true)))
	return true, nil
}

// Restore brings a deleted story back as it is, with what was merged into it
// meanwhile. It reports false if the story is there.
func (tx *Tx) Restore(id string) (changed bool, err error) {
	c, err := tx.known(id)
	if err != nil || !c.Deleted() {
		return false, err
	}
	if way := tx.state.circle(id, c.Dependencies(), anyWay); way != nil {
		return false, invalid(openCircle(way), "story %q cannot be restored as it is: depends_on would go in a circle: %s", id, spellCircle(way))
	}
	tx.edits = append(tx.edits, crdt.Set(crdt.DeletedField, crdt.Bool(false)))
	return true, nil
}

// known makes the transaction one about the story, which may be deleted.
func (tx *Tx) known(id string) (*crdt.Story, error) {
	if !crdt.ValidStoryID(id) {
		return nil, invalidStoryID(id)
	}
	c := tx.state.doc.Story(id)
	if c == nil || !c.Deleted() && tx.state.visible(id) == nil {
		return nil, tx.state.notFound(id)
	}
	return c, tx.bind(id)
}

// Waiting returns up to most of the unfinished stories that would wait for the
// story if it were deleted, or do since it is, in the order of IDs, and how many
// there are. They wait for other stories instead if its number is theirs, too.
func (tx *Tx) Waiting(id string, most int) (ids []string, count int) {
	n, ok := Number(id)
	if !ok {
		return nil, 0
	}
	s := tx.state
	if ids, _ := s.dependency(n); len(ids) > 1 || len(ids) == 1 && ids[0] != id {
		return nil, 0
	}
	return s.dependentsOn(n, most, func(other string) bool { return other != id && !s.stage(other).met() })
}

// Outcome returns the story as the transaction left it: also one that it deleted,
// of which only the ID is there.
func (s *State) Outcome(tx *Tx) (Story, error) {
	if c := s.doc.Story(tx.story); c != nil && s.visible(tx.story) == nil {
		return Story{ID: c.ID(), Deleted: c.Deleted()}, nil
	}
	return s.Story(tx.story)
}
