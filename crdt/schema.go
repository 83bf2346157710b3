package crdt

import (
	"fmt"
)

// FieldType says what a field of a story holds and how writes to it merge.
type FieldType uint8

const (
	// FieldString is a register of text.
	FieldString FieldType = iota + 1
	// FieldBool is a register of true or false.
	FieldBool
	// FieldCounter is an integer that can be set and added to.
	FieldCounter
)

// value returns the type of the values that the field takes.
func (t FieldType) value() Type {
	return [...]Type{FieldString: TypeString, FieldBool: TypeBool, FieldCounter: TypeInt}[t]
}

// FieldDef declares one field.
type FieldDef struct {
	Name string
	Type FieldType
	// Late must be set for a field that earlier builds did not declare. They
	// admitted writes of any type to it, so such a write merges as nothing here,
	// where it would be refused for another field.
	Late bool
	// Label is set for the field that says what a story is. The ops that created the story are
	// remembered with what they wrote to it.
	Label bool
	// Fenced is set for a field that says who has a story, or what came of that: see [Fence].
	Fenced bool
}

// takes reports whether the edit, a set or an inc, fits the field's type.
func (f *FieldDef) takes(e *Edit) bool {
	if e.Kind == KindInc {
		return f.Type == FieldCounter
	}
	return e.Value.typ == f.Type.value()
}

// Field is a handle on a declared field of one Schema.
type Field int32

// Deleted is the handle of the deletion register. Every schema has it: a story
// whose Deleted is true is deleted until a write sets it false again.
const Deleted Field = 0

// DeletedField is the deletion register's name in ops.
const DeletedField = "deleted"

// Schema declares the fields of a story. Ops that write a declared field with
// another type are refused, unless it is a late one; fields that are not
// declared are kept in the ops and merge as nothing.
type Schema struct {
	defs  []FieldDef
	index map[string]Field
}

// NewSchema returns a schema of defs; the field at position i has the handle
// i + 1, after [Deleted].
func NewSchema(defs ...FieldDef) *Schema {
	s := &Schema{index: make(map[string]Field, len(defs)+1)}
	for i, d := range append([]FieldDef{{Name: DeletedField, Type: FieldBool}}, defs...) {
		if _, taken := s.index[d.Name]; taken {
			panic("crdt: field " + d.Name + " is declared twice")
		}
		s.defs = append(s.defs, d)
		s.index[d.Name] = Field(i)
	}
	return s
}

// Check refuses an op that writes a declared field with another type. It needs
// no other op, so all replicas agree before the op may wait for parents.
func (s *Schema) Check(op *Op) error {
	for i := range op.Edits {
		e := &op.Edits[i]
		if e.Kind != KindSet && e.Kind != KindInc {
			continue
		}
		f, ok := s.index[e.Field]
		if !ok {
			continue
		}
		def := &s.defs[f]
		switch {
		case def.Late || def.takes(e):
		case e.Kind == KindInc:
			return fmt.Errorf("%w: op %s adds to %s, which holds a %s", ErrRefused, op.ID.Short(), e.Field, def.Type.value())
		default:
			return fmt.Errorf("%w: op %s sets %s to a value of type %s, want %s", ErrRefused, op.ID.Short(), e.Field, e.Value.typ, def.Type.value())
		}
	}
	return nil
}

// Field returns the handle of a declared field.
func (s *Schema) Field(name string) (f Field, ok bool) {
	f, ok = s.index[name]
	return f, ok
}

// Len returns the number of declared fields, [Deleted] among them: the handles
// are the numbers below it.
func (s *Schema) Len() int { return len(s.defs) }

// Name returns the field's name in ops.
func (s *Schema) Name(f Field) string { return s.defs[f].Name }
