package pipeline

import (
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// Change is what one op did to a story.
type Change struct {
	Story string
	// Fields are those that the op wrote, also if a later write by another author
	// won.
	Fields Fields
	// Agent asked for it, At is the author's clock, in ms since 1970 (UTC).
	Agent string
	At    int64
	// Before and After are the stages the story was in, "" while nobody could see
	// it.
	Before, After Stage
}

// Fields is a set of what an op can write of a story.
type Fields uint64

// The members of Fields beside those of the schema, whose bits are their handles.
const (
	fieldsDependsOn Fields = 1 << (63 - iota)
	fieldsPlace
	fieldsNote
)

// fieldsOf returns what the op writes.
func fieldsOf(op *crdt.Op) (fields Fields) {
	for i := range op.Edits {
		switch e := &op.Edits[i]; e.Kind {
		case crdt.KindSet, crdt.KindInc:
			if f, ok := schema.Field(e.Field); ok {
				fields |= 1 << f
			}
		case crdt.KindDep:
			fields |= fieldsDependsOn
		case crdt.KindPlace:
			fields |= fieldsPlace
		case crdt.KindNote:
			fields |= fieldsNote
		}
	}
	return fields
}

// Names returns the names of the fields, in the order of the schema.
func (f Fields) Names() (names []string) {
	for field := range crdt.Field(schema.Len()) {
		if f&(1<<field) != 0 {
			names = append(names, schema.Name(field))
		}
	}
	for _, other := range []struct {
		bit  Fields
		name string
	}{{fieldsDependsOn, NameDependsOn}, {fieldsPlace, NamePlace}, {fieldsNote, NameNote}} {
		if f&other.bit != 0 {
			names = append(names, other.name)
		}
	}
	return names
}

// recorder collects the changes of one Apply.
type recorder struct {
	on      bool
	stories []*crdt.Story // of the changes, in their order
	changes []Change
}

// begin forgets the changes of the Apply before.
func (r *recorder) begin() { r.stories, r.changes = r.stories[:0], r.changes[:0] }

// Record makes the state note what each Apply changes from now on, or stops that.
func (s *State) Record(on bool) {
	s.recorder.begin()
	if on == s.recorder.on {
		return
	}
	s.recorder.on = on
	s.doc.Observe(nil)
	if on {
		s.doc.Observe(s.recorder.merging)
	}
}

// merging notes an op that is about to be merged into the story.
func (r *recorder) merging(op *crdt.Op, story *crdt.Story) {
	c := Change{
		Story:  story.ID(),
		Fields: fieldsOf(op),
		Agent:  op.Agent,
		At:     op.At,
		Before: visibleStage(story),
	}
	if c.Before == "" {
		c.Fields &^= fieldsPlace // every new story gets one
	}
	r.stories, r.changes = append(r.stories, story), append(r.changes, c)
}

// Changes returns what the last Apply changed, in the order in which it did,
// those of ops included that had been pending. It is valid until the next Apply,
// and its texts until the op of that is gone: who keeps a Change calls Clone.
func (s *State) Changes() []Change {
	r := &s.recorder
	next := make(map[*crdt.Story]Stage, max(0, len(r.changes)-1))
	for i := len(r.changes) - 1; i >= 0; i-- {
		c, story := &r.changes[i], r.stories[i]
		after, again := next[story]
		if !again {
			after = visibleStage(story)
		}
		c.After = after
		if i > 0 {
			next[story] = c.Before
		}
	}
	return r.changes
}

// Clone returns a change that shares no text with an op.
func (c Change) Clone() Change {
	c.Agent = strings.Clone(c.Agent)
	return c
}

// visibleStage returns the story's stage, "" if readers may not see it.
func visibleStage(c *crdt.Story) Stage {
	if c.Deleted() {
		return ""
	}
	return Stage(c.Str(fieldStage))
}
