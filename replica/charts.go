package replica

import (
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
)

// What charts are drawn from. An empty type is that of all stories. Times go by the clocks of those who
// wrote, as [pipeline.MoveAt] bounds them.

// Began returns when the first op was written, the zero time if there is none.
func (v *View) Began() (at time.Time, err error) {
	if v.snap != nil {
		at, err = v.snap.Began()
	}
	return at, err
}

// Flow returns how many stories came into each stage and went out of it on each day that has any, the first
// day first. Moves before the day first are counted on it.
func (v *View) Flow(first int64, typ string) (moves []pipeline.Moves, err error) {
	if v.snap != nil {
		moves, err = v.snap.Flow(first, typ)
	}
	return moves, err
}

// Spells calls fn for up to most spells in stages that ended at a time or later, the last first.
func (v *View) Spells(since time.Time, typ string, most int, fn func(pipeline.Spell)) error {
	if v.snap == nil {
		return nil
	}
	return v.snap.Spells(since, typ, most, fn)
}

// Finished returns when up to most stories came to be done, at a time or later, the last first.
func (v *View) Finished(since time.Time, typ string, most int) (all []pipeline.Finished, err error) {
	if v.snap != nil {
		all, err = v.snap.Finished(since, typ, most)
	}
	return all, err
}

// FinishedID returns the ID of a story that Finished returned.
func (v *View) FinishedID(f *pipeline.Finished) (id string, err error) {
	if v.snap != nil {
		id, err = v.snap.StoryID(f.N)
	}
	return id, err
}

// InHand returns up to most stories in hand. Those on which work began first come first.
func (v *View) InHand(typ string, most int) (all []pipeline.Aging, err error) {
	if v.snap != nil {
		all, err = v.snap.InHand(typ, most)
	}
	return all, err
}
