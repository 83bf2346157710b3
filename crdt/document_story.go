package crdt

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
)

// DocStory is a story of a document, with all that stands beside it. It is
// read-only outside the package and valid until the document's next Apply.
type DocStory struct {
	Story
	doc   *Doc
	deps  map[uint32]flag
	incs  map[increments]uint64
	notes notes
	spot  spot
}

// increments names the incs of one counter on one base.
type increments struct {
	field Field
	base  OpID // zero: the initial 0
}

// flag is a register of true or false, as dependencies need many.
type flag struct {
	by Stamp
	on bool
}

func newStory(d *Doc, id string) *DocStory {
	return &DocStory{Story: Story{id: cloneText(id)}, doc: d}
}

// Increment is that of [Beside].
func (s *DocStory) Increment(f Field, base OpID, by uint64) (uint64, error) {
	if s.incs == nil {
		s.incs = make(map[increments]uint64)
	}
	s.incs[increments{f, base}] += by
	return s.incs[increments{f, base}], nil
}

// Increments is that of [Beside].
func (s *DocStory) Increments(f Field, base OpID) (uint64, error) {
	return s.incs[increments{f, base}], nil
}

// Depend is that of [Beside].
func (s *DocStory) Depend(number uint32, on bool, by Stamp) error {
	if s.deps == nil {
		s.deps = make(map[uint32]flag, 1)
	}
	if by.Wins(s.deps[number].by) {
		s.deps[number] = flag{by, on}
	}
	return nil
}

// Note is that of [Beside].
func (s *DocStory) Note(op *Op, text string) error {
	s.notes.add(op, text)
	return nil
}

// Place is that of [Beside].
func (s *DocStory) Place(op *Op, after Anchor) error {
	s.doc.place(s, s.doc.ops.find(&op.ID), after)
	return nil
}

// Dependencies returns the numbers the story depends on, ascending.
func (s *DocStory) Dependencies() []uint32 {
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
func (s *DocStory) DependsOn(n uint32) bool { return s.deps[n].on }

// DependencyRegisters yields every dependency register of the story in the order
// of numbers, removed ones too.
func (s *DocStory) DependencyRegisters() iter.Seq2[Dependency, Stamp] {
	return func(yield func(Dependency, Stamp) bool) {
		for _, n := range slices.Sorted(maps.Keys(s.deps)) {
			if !yield(Dependency{n, s.deps[n].on}, s.deps[n].by) {
				return
			}
		}
	}
}

// Dependency says whether a story depends on the stories with a number.
type Dependency struct {
	Number uint32
	On     bool
}

// Sums yields the sums of incs of the story's counters, by field and base.
func (s *DocStory) Sums() iter.Seq2[Sum, uint64] {
	return func(yield func(Sum, uint64) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(s.incs), func(a, b increments) int {
			if a.field != b.field {
				return int(a.field - b.field)
			}
			return a.base.Compare(b.base)
		}) {
			if !yield(Sum{k.field, k.base}, s.incs[k]) {
				return
			}
		}
	}
}

// Sum names a sum of incs: those of one field on the set of the op Base, which is
// zero for the initial 0.
type Sum struct {
	Field Field
	Base  OpID
}

// Notes yields the notes, the last written last.
func (s *DocStory) Notes() iter.Seq[NoteEntry] { return s.LastNotes(s.NoteCount()) }

// LastNotes yields the last most notes, the last written last.
func (s *DocStory) LastNotes(most int) iter.Seq[NoteEntry] {
	sorted := s.notes.sorted()
	return slices.Values(sorted[max(0, len(sorted)-most):])
}

// check proves for [Doc.Check] that every write shown is an op applied, and
// that none is later than the last one.
func (s *DocStory) check() error {
	var errs []error
	t := &s.doc.ops
	one := func(what string, by Stamp) {
		by = by.unfenced()
		if ref := t.find(&by.Op); ref == 0 || t.infos[ref].kind != opApplied || t.stamp(ref) != by {
			errs = append(errs, fmt.Errorf("story %s: %s was written by op %s, which is not applied", s.id, what, by.Op.Short()))
		} else if by != s.last && !s.last.Wins(by) {
			errs = append(errs, fmt.Errorf("story %s: %s was written by op %s, later than the last op %s", s.id, what, by.Op.Short(), s.last.Op.Short()))
		}
	}
	one("the story", s.last)
	for i := range s.cells {
		c := &s.cells[i]
		set := c.by != Stamp{}
		if c != s.cell(c.field) {
			errs = append(errs, fmt.Errorf("story %s: field %s stands twice", s.id, s.doc.schema.Name(c.field)))
		}
		if want := s.incs[increments{c.field, c.by.Op}]; c.sum != want {
			errs = append(errs, fmt.Errorf("story %s: field %s has %d added, want %d", s.id, s.doc.schema.Name(c.field), c.sum, want))
		}
		if set {
			one(s.doc.schema.Name(c.field), c.by)
		}
	}
	for n, d := range s.deps {
		one(fmt.Sprintf("dependency %d", n), d.by)
	}
	for _, n := range s.notes.list {
		one("a note", n.By)
	}
	if len(s.notes.list) != s.NoteCount() {
		errs = append(errs, fmt.Errorf("story %s: %d notes counted, %d there", s.id, s.NoteCount(), len(s.notes.list)))
	}
	if s.placed != (Stamp{}) {
		one("the place", s.placed)
	}
	return errors.Join(errs...)
}

// appendText prints all there is to know of the story, in one fixed order.
func (s *DocStory) appendText(b []byte) []byte {
	b = append(b, "story "+s.id+" rev "+s.Rev().Short()+"\n"...)
	for f := range s.doc.schema.defs {
		c, def := s.cell(Field(f)), &s.doc.schema.defs[f]
		if c == nil {
			continue
		}
		b = append(b, "  "+def.Name+" "...)
		if def.Type == FieldCounter {
			b = strconv.AppendInt(b, s.Count(Field(f)), 10)
		} else {
			b = append(b, c.value.String()...)
		}
		if c.by != (Stamp{}) {
			b = append(b, " by "+c.by.Op.Short()...)
		}
		if !c.by.Fence.IsZero() {
			b = append(b, " fence "+c.by.Fence.String()...)
		}
		b = append(s.appendSums(b, Field(f)), '\n')
	}
	for d, by := range s.DependencyRegisters() {
		b = append(b, "  depends_on "...)
		b = strconv.AppendUint(b, uint64(d.Number), 10)
		b = append(b, " "+strconv.FormatBool(d.On)+" by "+by.Op.Short()+"\n"...)
	}
	for n := range s.Notes() {
		b = append(b, "  note "+strconv.Quote(n.Text)+" by "+n.By.Op.Short()+"\n"...)
	}
	if s.placed != (Stamp{}) {
		b = append(b, "  placed by "+s.placed.Op.Short()+"\n"...)
	}
	return b
}

// appendSums prints the sums of incs of one counter.
func (s *DocStory) appendSums(b []byte, f Field) []byte {
	for k, sum := range s.Sums() {
		if k.Field != f {
			continue
		}
		b = strconv.AppendUint(append(b, " +"...), sum, 10)
		if !k.Base.IsZero() {
			b = append(b, " on "+k.Base.Short()...)
		}
	}
	return b
}
