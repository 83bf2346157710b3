package pipeline

import (
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// Change is what one op did to a story.
type Change struct {
	Op    crdt.OpID
	Story string
	// Fields are those that the op wrote, also if a later write by another author
	// won.
	Fields Fields
	// Agent asked for it, At is the author's clock, in ms since 1970 (UTC).
	Agent string
	At    int64
	// Note is the text of the op's notes, "" if it has none.
	Note string
	// Before and After are the stages the story was in, "" while nobody could see
	// it.
	Before, After Stage
}

// ChangeOf returns what an op did to its story, which was in the stage before and then
// in the stage after.
func ChangeOf(op *crdt.Op, before, after Stage) Change {
	fields := FieldsOf(op)
	if before == "" {
		fields &^= fieldsPlace // every new story gets one
	}
	return Change{Op: op.ID, Story: op.Story, Fields: fields, Agent: op.Agent, At: op.At, Note: NoteOf(op), Before: before, After: after}
}

// NoteOf returns the text of the op's notes, "" if it has none.
func NoteOf(op *crdt.Op) string {
	var notes []string
	for i := range op.Edits {
		if op.Edits[i].Kind == crdt.KindNote {
			notes = append(notes, op.Edits[i].Value.Str())
		}
	}
	return strings.Join(notes, "\n\n")
}

// DescriptionOf returns the description that the op writes, and false if it writes none.
func DescriptionOf(op *crdt.Op) (text string, ok bool) {
	for i := range op.Edits {
		if e := &op.Edits[i]; e.Kind == crdt.KindSet && e.Field == NameDescription {
			text, ok = e.Value.Str(), true
		}
	}
	return text, ok
}

// Fields is a set of what an op can write of a story.
type Fields uint64

// The members of Fields beside those of the schema, whose bits are their handles.
const (
	fieldsDependsOn Fields = 1 << (63 - iota)
	fieldsPlace
	fieldsNote
)

// FieldsOf returns what the op writes.
func FieldsOf(op *crdt.Op) (fields Fields) {
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

// Clone returns a change that shares no text with an op.
func (c Change) Clone() Change {
	c.Agent, c.Note = strings.Clone(c.Agent), strings.Clone(c.Note)
	return c
}

// VisibleStage returns the story's stage, "" if readers may not see it. A reserved story has none.
func VisibleStage(c *crdt.Story) Stage {
	if c.Deleted() || Reserved(c.ID()) {
		return ""
	}
	return Stage(c.Str(fieldStage))
}

// Claims reports whether the op claims its story.
func Claims(op *crdt.Op) bool {
	for i := range op.Edits {
		if e := &op.Edits[i]; e.Kind == crdt.KindSet && e.Field == NameClaim {
			return true
		}
	}
	return false
}
