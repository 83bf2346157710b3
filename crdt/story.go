package crdt

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
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

// FieldDef declares one field.
type FieldDef struct {
	Name string
	Type FieldType
}

// Field is a handle on a declared field of one Schema.
type Field int

// Deleted is the handle of the deletion register. Every schema has it: a story
// whose Deleted is true is deleted until a write sets it false again.
const Deleted Field = 0

// DeletedField is the deletion register's name in ops.
const DeletedField = "deleted"

// Schema declares the fields of a story. Ops that write a declared field with
// another type are refused; fields that are not declared are kept in the ops
// and merge as nothing.
type Schema struct {
	defs  []FieldDef
	index map[string]Field
}

// NewSchema returns a schema of defs; the field at position i has the handle
// i + 1, after [Deleted].
func NewSchema(defs ...FieldDef) *Schema {
	s := &Schema{index: make(map[string]Field, len(defs)+1)}
	for i, d := range append([]FieldDef{{DeletedField, FieldBool}}, defs...) {
		if _, taken := s.index[d.Name]; taken {
			panic("crdt: field " + d.Name + " is declared twice")
		}
		s.defs = append(s.defs, d)
		s.index[d.Name] = Field(i)
	}
	return s
}

// Name returns the field's name in ops.
func (s *Schema) Name(f Field) string { return s.defs[f].Name }

// cell is the state of one field: a register, or a counter whose winning set
// is in its base.
type cell = counter

// Story is the merged state of one story. It is read-only outside the package
// and valid until the document's next Apply.
type Story struct {
	id    string
	cells []cell // by Field
	deps  map[uint32]register

	// last is the stamp of the greatest op on this story, lastAt its at.
	last   Stamp
	lastAt int64
}

// ID returns the story's ID.
func (s *Story) ID() string { return s.id }

// Deleted reports whether the story is deleted.
func (s *Story) Deleted() bool { return s.Bool(Deleted) }

// Str returns the text in f, "" if it was never written.
func (s *Story) Str(f Field) string { return s.cells[f].base.value.Str() }

// Bool returns the boolean in f, false if it was never written.
func (s *Story) Bool(f Field) bool { return s.cells[f].base.value.Bool() }

// Count returns the counter f, 0 if it was never written.
func (s *Story) Count(f Field) int64 { return s.cells[f].value() }

// CountBase returns the op whose set is the base of the counter f: what an inc
// written now has to name. It is zero while the counter was never set.
func (s *Story) CountBase(f Field) OpID { return s.cells[f].base.stamp.Op }

// Dependencies returns the numbers the story depends on, ascending.
func (s *Story) Dependencies() []uint32 {
	var on []uint32
	for n, r := range s.deps {
		if r.value.Bool() {
			on = append(on, n)
		}
	}
	slices.Sort(on)
	return on
}

// Rev returns the op that last changed the story, by [Stamp.Wins].
func (s *Story) Rev() OpID { return s.last.Op }

// UpdatedAt returns the at of the op that Rev names, in ms since 1970.
func (s *Story) UpdatedAt() int64 { return s.lastAt }

// apply merges the edits of op, which must fit the schema.
func (s *Story) apply(schema *Schema, op *Op) {
	stamp := op.Stamp()
	for i := range op.Edits {
		e := &op.Edits[i]
		switch e.Kind {
		case KindSet:
			if f, ok := schema.index[e.Field]; ok {
				s.cells[f].base.set(stamp, e.Value)
			}
		case KindInc:
			if f, ok := schema.index[e.Field]; ok {
				s.cells[f].inc(e.Base, e.By)
			}
		case KindDep:
			if s.deps == nil {
				s.deps = make(map[uint32]register, 1)
			}
			r := s.deps[e.Number]
			r.set(stamp, e.Value)
			s.deps[e.Number] = r
		}
	}
	if s.last.Op.IsZero() || stamp.Wins(s.last) {
		s.last, s.lastAt = stamp, op.At
	}
}

// check proves for [Doc.Check] that every write shown is an op applied, on
// this story, and that no write is later than the last one.
func (s *Story) check(d *Doc) error {
	var errs []error
	one := func(what string, t Stamp) {
		seq, ok := d.seqs[t.Op]
		if !ok || seq != t.Seq || d.isAssumed(t.Op) {
			errs = append(errs, fmt.Errorf("story %s: %s was written by op %s with seq %d, which is not applied", s.id, what, t.Op.Short(), t.Seq))
		}
		if t.Wins(s.last) {
			errs = append(errs, fmt.Errorf("story %s: %s was written by op %s, later than the last op %s", s.id, what, t.Op.Short(), s.last.Op.Short()))
		}
	}
	one("the story", s.last)
	for f := range s.cells {
		if s.cells[f].base.written() {
			one(d.schema.Name(Field(f)), s.cells[f].base.stamp)
		}
	}
	for n, r := range s.deps {
		one(fmt.Sprintf("dependency %d", n), r.stamp)
	}
	return errors.Join(errs...)
}

// appendText prints all there is to know of the story, in one fixed order.
func (s *Story) appendText(b []byte, schema *Schema) []byte {
	b = append(b, "story "+s.id+" rev "+s.last.Op.Short()+"\n"...)
	for f := range s.cells {
		c := &s.cells[f]
		if !c.base.written() && len(c.incs) == 0 {
			continue
		}
		b = append(b, "  "+schema.defs[f].Name+" "...)
		if schema.defs[f].Type == FieldCounter {
			b = strconv.AppendInt(b, c.value(), 10)
		} else {
			b = append(b, c.base.value.String()...)
		}
		if c.base.written() {
			b = append(b, " by "+c.base.stamp.Op.Short()...)
		}
		for _, base := range slices.SortedFunc(maps.Keys(c.incs), OpID.Compare) {
			b = append(b, " +"...)
			b = strconv.AppendUint(b, c.incs[base], 10)
			if !base.IsZero() {
				b = append(b, " on "+base.Short()...)
			}
		}
		b = append(b, '\n')
	}
	for _, n := range slices.Sorted(maps.Keys(s.deps)) {
		r := s.deps[n]
		b = append(b, "  depends_on "...)
		b = strconv.AppendUint(b, uint64(n), 10)
		b = append(b, " "+r.value.String()+" by "+r.stamp.Op.Short()+"\n"...)
	}
	return b
}
