package crdt

import (
	"slices"
	"strings"
)

// Story is the merge data of one story: for each field the write that won, and
// what the story's readers need at once. Nothing in it grows with the number of
// ops. What does grow stands beside it, see [Beside].
//
// A Story is changed by Merge alone. A copy of it is another story.
type Story struct {
	id    string
	cells []cell // of the fields written, in the order of their first writes: they are few

	// last is the greatest op on this story, lastAt is its at.
	last   Stamp
	lastAt int64
	// placed is the winning one of the place edits that are in the list.
	placed Stamp
	notes  int
	// makers counts the ops that created the story, and made are the first of them by Stamp.Wins.
	makers int
	made   []Maker
}

// Maker is an op that created a story.
type Maker struct {
	By Stamp
	// Agent asked for it, and Label is what the op called the story. Both may be empty.
	Agent, Label string
}

const (
	// maxMade bounds the makers that a story keeps: two tell that a story was created apart.
	maxMade = 2
	// maxLabel bounds a label that is kept, in bytes.
	maxLabel = 256
)

// Makers returns the first ops that created the story, and how many did. Several did so apart.
func (s *Story) Makers() (first []Maker, count int) { return s.made, s.makers }

// create merges an op that creates the story.
func (s *Story) create(schema *Schema, op *Op) {
	m := Maker{By: op.Stamp(), Agent: cloneText(op.Agent)}
	for i := range op.Edits {
		e := &op.Edits[i]
		if f, ok := schema.index[e.Field]; ok && e.Kind == KindSet && schema.defs[f].Label && schema.defs[f].takes(e) {
			m.Label = strings.ToValidUTF8(cloneText(e.Value.str[:min(maxLabel, len(e.Value.str))]), "")
		}
	}
	s.makers++
	i := 0
	for i < len(s.made) && s.made[i].By.Wins(m.By) {
		i++
	}
	made := slices.Insert(slices.Clone(s.made), i, m)
	s.made = made[:min(maxMade, len(made))]
}

// cell is the state of one field: a last-writer-wins register (Shapiro et al.
// 2011, "A comprehensive study of Convergent and Commutative Replicated Data
// Types", §3.2.1) with [Stamp.Wins] as its order, or a counter whose winning set
// is that register.
type cell struct {
	field Field
	value Value
	by    Stamp // zero: the field was never set
	at    int64 // of the op that set it
	// sum is the sum of the incs on the winning set, or of those on the initial 0
	// while the counter was never set.
	sum uint64
}

// Beside keeps the parts of one story that grow with the number of its ops. The
// document keeps them in memory, a database in tables. Every method may return an
// error of the storage, which ends the merge.
type Beside interface {
	// Increment adds by to the sum of the incs of the field on the set of the op
	// base, which is zero for the initial 0. Increment returns the new sum.
	//
	// Sums are kept for every base, also for those that lost: an inc may name a
	// base that its own parents do not cover, and then the order of arrival must
	// not decide whether it counts.
	Increment(f Field, base OpID, by uint64) (sum uint64, err error)
	// Increments returns the sum of the incs of the field on base.
	Increments(f Field, base OpID) (sum uint64, err error)
	// Depend merges a write of the dependency register of number.
	Depend(number uint32, on bool, by Stamp) error
	// Note adds a note to the story's notes.
	Note(op *Op, text string) error
	// Place merges a place edit of op into the list of stories.
	Place(op *Op, after Anchor) error
}

// NewStory returns a story that no op is about yet.
func NewStory(id string) *Story { return &Story{id: cloneText(id)} }

// Merge merges the edits of an applied op, which must be about this story and fit
// the schema. It is the one way in which an op changes a story.
func (s *Story) Merge(schema *Schema, op *Op, beside Beside) error {
	for i := range op.Edits {
		if err := s.mergeEdit(schema, op, &op.Edits[i], beside); err != nil {
			return err
		}
	}
	if op.Creates {
		s.create(schema, op)
	}
	if by := op.Stamp(); by.Wins(s.last) {
		s.last, s.lastAt = by, op.At
	}
	return nil
}

func (s *Story) mergeEdit(schema *Schema, op *Op, e *Edit, beside Beside) error {
	switch e.Kind {
	case KindSet, KindInc:
		f, ok := schema.index[e.Field]
		switch {
		case !ok || !schema.defs[f].takes(e):
			return nil
		case e.Kind == KindInc:
			return s.inc(f, e, beside)
		}
		return s.set(schema, f, op, e.Value, beside)
	case KindDep:
		return beside.Depend(e.Number, e.Value.Bool(), op.Stamp())
	case KindNote:
		s.notes++
		return beside.Note(op, e.Value.Str())
	case KindPlace:
		return beside.Place(op, Anchor{Op: e.Base, Story: e.Anchor})
	}
	return nil
}

// set merges one write of a register. Incs made apart on the same base add up; a
// set that wins makes the incs on other bases void, as its author had seen them or
// could not have.
func (s *Story) set(schema *Schema, f Field, op *Op, v Value, beside Beside) (err error) {
	c := s.cellFor(f)
	by := schema.stampOf(f, op)
	if !by.Wins(c.by) {
		return nil
	}
	if v.str == c.value.str {
		v.str = c.value.str
	} else {
		v.str = cloneText(v.str) // an op's strings share its payload
	}
	c.value, c.by, c.at = v, by, op.At
	if schema.defs[f].Type == FieldCounter {
		c.sum, err = beside.Increments(f, op.ID)
	}
	return err
}

// inc merges one increment of a counter.
func (s *Story) inc(f Field, e *Edit, beside Beside) error {
	c := s.cellFor(f)
	sum, err := beside.Increment(f, e.Base, e.By)
	if e.Base == c.by.Op {
		c.sum = sum
	}
	return err
}

// cell returns the state of a field, nil if it was never written.
func (s *Story) cell(f Field) *cell {
	for i := range s.cells {
		if s.cells[i].field == f {
			return &s.cells[i]
		}
	}
	return nil
}

// cellFor returns the state of a field that is about to be written.
func (s *Story) cellFor(f Field) *cell {
	if c := s.cell(f); c != nil {
		return c
	}
	s.cells = append(s.cells, cell{field: f})
	return &s.cells[len(s.cells)-1]
}

// Placed says that the place edit of an op is in the list now. It reports whether
// the edit wins: then the story stands there.
func (s *Story) Placed(by Stamp) (wins bool) {
	if wins = by.Wins(s.placed); wins {
		s.placed = by
	}
	return wins
}

// ID returns the story's ID.
func (s *Story) ID() string { return s.id }

// Known reports whether any applied op is about the story. Other ops may name it
// before.
func (s *Story) Known() bool { return s.last != Stamp{} }

// Deleted reports whether the story is deleted.
func (s *Story) Deleted() bool { return s.Bool(Deleted) }

// Str returns the text in f, "" if it was never written.
func (s *Story) Str(f Field) string { return s.value(f).Str() }

// Bool returns the boolean in f, false if it was never written.
func (s *Story) Bool(f Field) bool { return s.value(f).Bool() }

func (s *Story) value(f Field) Value {
	if c := s.cell(f); c != nil {
		return c.value
	}
	return Value{}
}

// Count returns the counter f, 0 if it was never written.
func (s *Story) Count(f Field) int64 {
	if c := s.cell(f); c != nil {
		return c.value.Int() + int64(c.sum)
	}
	return 0
}

// Writer returns the op whose set of f won, zero if f was never set.
func (s *Story) Writer(f Field) OpID {
	if c := s.cell(f); c != nil {
		return c.by.Op
	}
	return OpID{}
}

// WrittenAt returns the at of the op whose set of f won, in ms since 1970, 0 if f
// was never set.
func (s *Story) WrittenAt(f Field) int64 {
	if c := s.cell(f); c != nil {
		return c.at
	}
	return 0
}

// NoteCount returns the number of notes.
func (s *Story) NoteCount() int { return s.notes }

// Rev returns the op that last changed the story, by [Stamp.Wins].
func (s *Story) Rev() OpID { return s.last.Op }

// UpdatedAt returns the at of the op that Rev names, in ms since 1970.
func (s *Story) UpdatedAt() int64 { return s.lastAt }

// Anchor returns the name of the place where the story stands: what is put
// behind it follows it.
func (s *Story) Anchor() Anchor {
	if s.placed != (Stamp{}) {
		return Anchor{Op: s.placed.Op}
	}
	return Anchor{Story: s.id}
}
