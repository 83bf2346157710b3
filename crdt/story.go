package crdt

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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

// Story is the merged state of one story. It is read-only outside the package
// and valid until the document's next Apply.
type Story struct {
	id    string
	doc   *Doc
	cells []cell // of the fields written, in order of arrival: they are few
	deps  map[uint32]flag
	notes *notes // nil while there was none

	// last is the greatest op on this story, lastAt its at.
	last   opRef
	lastAt int64

	spot spot
}

// cell is the state of one field: a register, or a counter whose winning set
// is in its base.
type cell struct {
	field Field
	counter
}

func newStory(d *Doc, id string) *Story { return &Story{id: strings.Clone(id), doc: d} }

// cell returns the state of a field, nil if it was never written.
func (s *Story) cell(f Field) *cell {
	for i := range s.cells {
		if s.cells[i].field == f {
			return &s.cells[i]
		}
	}
	return nil
}

// merge merges a set or an inc of the field. An op's fields is how many it
// writes at most.
func (s *Story) merge(f Field, ref opRef, e *Edit, fields int) {
	c := s.cell(f)
	if c == nil {
		if s.cells == nil {
			s.cells = make([]cell, 0, min(fields, len(s.doc.schema.defs)))
		}
		s.cells = append(s.cells, cell{field: f})
		c = &s.cells[len(s.cells)-1]
	}
	if e.Kind == KindInc {
		c.inc(e.Base, e.By)
	} else {
		c.base.set(&s.doc.ops, ref, e.Value)
	}
}

// ID returns the story's ID.
func (s *Story) ID() string { return s.id }

// Deleted reports whether the story is deleted.
func (s *Story) Deleted() bool { return s.Bool(Deleted) }

// Str returns the text in f, "" if it was never written.
func (s *Story) Str(f Field) string { return s.value(f).Str() }

// Bool returns the boolean in f, false if it was never written.
func (s *Story) Bool(f Field) bool { return s.value(f).Bool() }

func (s *Story) value(f Field) Value {
	if c := s.cell(f); c != nil {
		return c.base.value
	}
	return Value{}
}

// Count returns the counter f, 0 if it was never written.
func (s *Story) Count(f Field) int64 {
	if c := s.cell(f); c != nil {
		return c.counter.value(&s.doc.ops)
	}
	return 0
}

// Writer returns the op whose set of f won, zero if f was never set.
func (s *Story) Writer(f Field) OpID {
	if c := s.cell(f); c != nil {
		return s.doc.ops.id(c.base.by)
	}
	return OpID{}
}

// Dependencies returns the numbers the story depends on, ascending.
func (s *Story) Dependencies() []uint32 {
	var on []uint32
	for n, d := range s.deps {
		if d.on {
			on = append(on, n)
		}
	}
	slices.Sort(on)
	return on
}

// DependsOn reports whether the story depends on the stories with the number.
func (s *Story) DependsOn(n uint32) bool { return s.deps[n].on }

// Rev returns the op that last changed the story, by [Stamp.Wins].
func (s *Story) Rev() OpID { return s.doc.ops.id(s.last) }

// UpdatedAt returns the at of the op that Rev names, in ms since 1970.
func (s *Story) UpdatedAt() int64 { return s.lastAt }

// apply merges the edits of op, which must fit the schema.
func (s *Story) apply(ref opRef, op *Op) {
	t := &s.doc.ops
	for i := range op.Edits {
		e := &op.Edits[i]
		switch e.Kind {
		case KindSet, KindInc:
			if f, ok := s.doc.schema.index[e.Field]; ok && s.doc.schema.defs[f].takes(e) {
				s.merge(f, ref, e, len(op.Edits))
			}
		case KindDep:
			if s.deps == nil {
				s.deps = make(map[uint32]flag, 1)
			}
			f := s.deps[e.Number]
			f.set(t, ref, e.Value.Bool())
			s.deps[e.Number] = f
		case KindNote:
			if s.notes == nil {
				s.notes = &notes{}
			}
			s.notes.add(t, ref, op, e.Value.Str())
		case KindPlace:
			s.doc.place(s, ref, Anchor{Op: e.Base, Story: e.Anchor})
		}
	}
	if t.wins(ref, s.last) {
		s.last, s.lastAt = ref, op.At
	}
	s.doc.settle(s)
}

// check proves for [Doc.Check] that every write shown is an op applied, and
// that none is later than the last one.
func (s *Story) check() error {
	var errs []error
	t := &s.doc.ops
	one := func(what string, ref opRef) {
		if ref <= 0 || int(ref) >= len(t.infos) || t.infos[ref].kind != opApplied {
			errs = append(errs, fmt.Errorf("story %s: %s was written by op %d, which is not applied", s.id, what, ref))
		} else if ref != s.last && !t.wins(s.last, ref) {
			errs = append(errs, fmt.Errorf("story %s: %s was written by op %s, later than the last op %s", s.id, what, t.id(ref).Short(), t.id(s.last).Short()))
		}
	}
	one("the story", s.last)
	for i := range s.cells {
		c := &s.cells[i]
		if c != s.cell(c.field) || !c.base.written() && c.incs == nil {
			errs = append(errs, fmt.Errorf("story %s: field %s stands twice, or was never written", s.id, s.doc.schema.Name(c.field)))
		}
		if c.base.written() {
			one(s.doc.schema.Name(c.field), c.base.by)
		}
	}
	for n, d := range s.deps {
		one(fmt.Sprintf("dependency %d", n), d.by)
	}
	if s.notes != nil {
		for _, n := range s.notes.list {
			one("a note", n.by)
		}
	}
	if s.spot.by != 0 {
		one("the place", s.spot.by)
	}
	return errors.Join(errs...)
}

// appendText prints all there is to know of the story, in one fixed order.
func (s *Story) appendText(b []byte) []byte {
	t := &s.doc.ops
	by := func(b []byte, ref opRef) []byte { return append(b, " by "+t.id(ref).Short()...) }
	b = append(b, "story "+s.id+" rev "+s.Rev().Short()+"\n"...)
	for f := range s.doc.schema.defs {
		c, def := s.cell(Field(f)), &s.doc.schema.defs[f]
		if c == nil {
			continue
		}
		b = append(b, "  "+def.Name+" "...)
		if def.Type == FieldCounter {
			b = strconv.AppendInt(b, c.counter.value(t), 10)
		} else {
			b = append(b, c.base.value.String()...)
		}
		if c.base.written() {
			b = by(b, c.base.by)
		}
		if c.incs != nil {
			b = c.incs.appendText(b)
		}
		b = append(b, '\n')
	}
	for _, n := range slices.Sorted(maps.Keys(s.deps)) {
		b = append(b, "  depends_on "...)
		b = strconv.AppendUint(b, uint64(n), 10)
		b = append(b, " "+strconv.FormatBool(s.deps[n].on)...)
		b = append(by(b, s.deps[n].by), '\n')
	}
	for n := range s.Notes() {
		b = append(b, "  note "+strconv.Quote(n.Text)+" by "+n.Op.Short()+"\n"...)
	}
	if s.spot.by != 0 {
		b = append(by(append(b, "  placed"...), s.spot.by), '\n')
	}
	return b
}

func (n *incs) appendText(b []byte) []byte {
	if n.initial > 0 {
		b = strconv.AppendUint(append(b, " +"...), n.initial, 10)
	}
	for _, base := range slices.SortedFunc(maps.Keys(n.onSets), OpID.Compare) {
		b = strconv.AppendUint(append(b, " +"...), n.onSets[base], 10)
		b = append(b, " on "+base.Short()...)
	}
	return b
}
