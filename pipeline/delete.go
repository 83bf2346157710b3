package pipeline

import "github.com/huskies/huskies-mcp/crdt"

// Delete deletes the story; all that was written stays in it. It reports false if
// it is deleted already.
func (tx *Tx) Delete(id string) (changed bool, err error) {
	if c := tx.state.known(id); c != nil && c.Deleted() && !Reserved(id) {
		return false, tx.bind(id)
	}
	cur, err := tx.begin(id)
	if err == nil {
		err = tx.mayChange(&cur)
	}
	if err != nil {
		return false, err
	}
	tx.edits = append(tx.edits, crdt.Set(crdt.DeletedField, crdt.Bool(true)))
	return true, tx.state.err
}

// Restore brings a deleted story back as it is, with what was merged into it
// meanwhile. It reports false if the story is there.
func (tx *Tx) Restore(id string) (changed bool, err error) {
	c, err := tx.known(id)
	if err != nil || !c.Deleted() {
		return false, err
	}
	way := tx.findCircle(id, numbersOf(tx.state.dependencies(id)))
	if way != nil {
		return false, refuse(Fact{Code: CodeRestoreCircle, Story: id, IDs: way})
	}
	tx.warnRestored(c)
	tx.edits = append(tx.edits, crdt.Set(crdt.DeletedField, crdt.Bool(false)))
	return true, tx.state.err
}

// known makes the transaction one about the story, which may be deleted.
func (tx *Tx) known(id string) (*crdt.Story, error) {
	if err := CheckStoryID(id); err != nil {
		return nil, err
	}
	c := tx.state.known(id)
	if c == nil || !c.Deleted() && VisibleStage(c) == "" {
		return nil, tx.state.notFound(id).orErr(tx.state)
	}
	return c, tx.bind(id)
}

// Waiting returns up to most of the unfinished stories that would wait for the
// story if it were deleted, or do since it is. They are in the order of IDs. It
// also returns how many there are. They wait for other stories instead if its
// number is theirs, too.
func (tx *Tx) Waiting(id string, most int) (ids []string, count int) {
	n, ok := Number(id)
	if !ok {
		return nil, 0
	}
	if tx.state.others(id, tx.state.visible(id) != nil) > 0 {
		return nil, 0
	}
	return tx.state.dependents(n, id, true, most)
}
