package crdt

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Version is the format version that this package writes, and the only one it
// reads.
const Version = 1

var (
	// ErrMalformed marks bytes that are no op: wrong shape, wrong encoding, a
	// bound passed.
	ErrMalformed = errors.New("malformed op")
	// ErrVersion marks an op of a format version this build does not know.
	ErrVersion = errors.New("unknown op version")
	// ErrSignature marks an op that its author did not sign.
	ErrSignature = errors.New("bad signature")
)

// Op is one change to one story, as its author meant it. Ops are immutable:
// nobody changes one after Sign, Verify or Decode returned it.
type Op struct {
	// ID is the SHA-256 of the payload; zero until Sign set it.
	ID OpID
	// Author signed the op.
	Author Author
	// Seq is the Lamport time: 1 + the greatest seq among the parents, 1
	// without parents (Lamport 1978).
	Seq uint64
	// Parents are the heads the author had, sorted and distinct.
	Parents []OpID
	// Story is the ID of the story that the edits change.
	Story string
	// Edits are applied together or not at all.
	Edits []Edit
	// Agent is the name of the agent that asked; may be empty.
	Agent string
	// At is the author's wall clock in milliseconds since 1970 (UTC). It is
	// for people: it decides nothing.
	At int64

	size int // what it takes up in memory, for the pending bounds
}

// Stamp orders the writes to one register.
type Stamp struct {
	Seq    uint64
	Author Author
	Op     OpID
}

// Stamp returns the op's place in the order of writes.
func (op *Op) Stamp() Stamp { return Stamp{Seq: op.Seq, Author: op.Author, Op: op.ID} }

// Wins reports whether a write stamped s beats one stamped t: the greater seq,
// then the lower author, then the lower op ID. It is a strict total order over
// ops, so every replica picks the same winner whatever came first.
func (s Stamp) Wins(t Stamp) bool {
	if s.Seq != t.Seq {
		return s.Seq > t.Seq
	}
	if c := s.Author.Compare(t.Author); c != 0 {
		return c < 0
	}
	return s.Op.Compare(t.Op) < 0
}

// EditKind tells what an edit does.
//
// Rules for evolving the format: a kind's number, its keys and their types
// never change; a key has the same type in every kind; new data goes under new
// keys; a kind or a field that a build does not know is kept in the stored
// bytes and merges as nothing there; what old builds must not ignore needs a
// new Version. A build that learns a kind, a key or a field never refuses what
// older builds admitted under it: what does not fit merges as nothing. (Else
// one op written before the field was declared would split the replicas.)
type EditKind uint64

const (
	// KindSet writes a register: Field, Value.
	KindSet EditKind = 1
	// KindInc adds to a counter: Field, By, Base.
	KindInc EditKind = 2
	// KindDep adds or removes a dependency: Number, Value (bool).
	KindDep EditKind = 3
)

// Edit is one part of an op. Which members count is said by Kind; an edit of
// an unknown kind carries its kind alone.
type Edit struct {
	Kind   EditKind
	Field  string
	Value  Value
	By     uint64
	Base   OpID // the op whose set the inc builds on; zero: the initial 0
	Number uint32
}

// Set returns an edit that writes v to the register field.
func Set(field string, v Value) Edit { return Edit{Kind: KindSet, Field: field, Value: v} }

// Inc returns an edit that adds by to the counter field, on top of the set
// made by the op base (zero for none).
func Inc(field string, by uint64, base OpID) Edit {
	return Edit{Kind: KindInc, Field: field, By: by, Base: base}
}

// Dep returns an edit that makes the story depend (or no longer depend) on
// the stories with the given number.
func Dep(number uint32, on bool) Edit {
	return Edit{Kind: KindDep, Number: number, Value: Bool(on)}
}

// Type is the type of a register's value.
type Type uint8

const (
	// TypeString is UTF-8 text.
	TypeString Type = iota + 1
	// TypeBool is true or false.
	TypeBool
	// TypeInt is an integer between -MaxSeq and MaxSeq. There are no floats.
	TypeInt
)

func (t Type) String() string {
	switch t {
	case TypeString:
		return "string"
	case TypeBool:
		return "boolean"
	case TypeInt:
		return "integer"
	}
	return "nothing"
}

// Value is what a register holds: a string, a boolean or an integer. The zero
// Value is of no type and cannot be written.
type Value struct {
	typ Type
	str string
	num int64
}

// String returns a string value.
func String(s string) Value { return Value{typ: TypeString, str: s} }

// Int returns an integer value.
func Int(n int64) Value { return Value{typ: TypeInt, num: n} }

// Bool returns a boolean value.
func Bool(b bool) Value {
	if b {
		return Value{typ: TypeBool, num: 1}
	}
	return Value{typ: TypeBool}
}

// Type returns the value's type; 0 for the zero Value.
func (v Value) Type() Type { return v.typ }

// Str returns the string, or "" when v is not one.
func (v Value) Str() string { return v.str }

// Int returns the integer, or 0 when v is not one.
func (v Value) Int() int64 {
	if v.typ != TypeInt {
		return 0
	}
	return v.num
}

// Bool returns the boolean, or false when v is not one.
func (v Value) Bool() bool { return v.typ == TypeBool && v.num != 0 }

// String prints the value as people read it: text quoted.
func (v Value) String() string {
	switch v.typ {
	case TypeString:
		return fmt.Sprintf("%q", v.str)
	case TypeBool:
		return fmt.Sprint(v.Bool())
	case TypeInt:
		return fmt.Sprint(v.num)
	}
	return "none"
}

// validate checks the op's shape: everything that can be said without knowing
// other ops. Sign and Decode both call it, so nothing is written that would
// not be read.
func (op *Op) validate() error {
	if op.Seq == 0 || op.Seq > MaxSeq {
		return fmt.Errorf("%w: seq %d is not between 1 and 2^53-1", ErrMalformed, op.Seq)
	}
	if err := validateParents(op.Parents); err != nil {
		return err
	}
	if !ValidStoryID(op.Story) {
		return fmt.Errorf("%w: story ID %.140q does not match ^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", ErrMalformed, op.Story)
	}
	if len(op.Agent) > MaxAgent || !utf8.ValidString(op.Agent) {
		return fmt.Errorf("%w: agent is not UTF-8 text of at most %d bytes", ErrMalformed, MaxAgent)
	}
	if op.At < 0 || op.At > MaxSeq {
		return fmt.Errorf("%w: at %d is not between 0 and 2^53-1", ErrMalformed, op.At)
	}
	if len(op.Edits) == 0 || len(op.Edits) > MaxEdits {
		return fmt.Errorf("%w: %d edits, want 1 to %d", ErrMalformed, len(op.Edits), MaxEdits)
	}
	for i := range op.Edits {
		if err := op.Edits[i].validate(); err != nil {
			return fmt.Errorf("%w: edit %d: %w", ErrMalformed, i, err)
		}
		for j := range op.Edits[:i] {
			if op.Edits[i].sameTarget(&op.Edits[j]) {
				return fmt.Errorf("%w: edits %d and %d change the same thing", ErrMalformed, j, i)
			}
		}
	}
	return nil
}

func validateParents(parents []OpID) error {
	if len(parents) > MaxParents {
		return fmt.Errorf("%w: %d parents, want at most %d", ErrMalformed, len(parents), MaxParents)
	}
	for i, p := range parents {
		if i > 0 && parents[i-1].Compare(p) >= 0 {
			return fmt.Errorf("%w: parents are not sorted and distinct", ErrMalformed)
		}
	}
	return nil
}

func (e *Edit) validate() error {
	switch e.Kind {
	case 0:
		return errors.New("no kind")
	case KindSet:
		if e.By != 0 || !e.Base.IsZero() || e.Number != 0 {
			return errors.New("set has keys of another kind")
		}
		if err := validateField(e.Field); err != nil {
			return err
		}
		return e.Value.validate()
	case KindInc:
		if e.Value.typ != 0 || e.Number != 0 {
			return errors.New("inc has keys of another kind")
		}
		if e.By == 0 || e.By > MaxIncrement {
			return fmt.Errorf("inc by %d, want 1 to %d", e.By, MaxIncrement)
		}
		return validateField(e.Field)
	case KindDep:
		if e.Field != "" || e.By != 0 || !e.Base.IsZero() {
			return errors.New("dep has keys of another kind")
		}
		if e.Value.typ != TypeBool {
			return fmt.Errorf("dep has a value of type %s, want boolean", e.Value.typ)
		}
	}
	return nil
}

func validateField(name string) error {
	if name == "" || len(name) > MaxFieldName || !utf8.ValidString(name) {
		return fmt.Errorf("field name %.70q is not UTF-8 text of 1 to %d bytes", name, MaxFieldName)
	}
	return nil
}

func (v Value) validate() error {
	switch v.typ {
	case TypeString:
		if !utf8.ValidString(v.str) {
			return errors.New("value is not UTF-8 text")
		}
	case TypeBool:
	case TypeInt:
		if v.num < -MaxSeq || v.num > MaxSeq {
			return fmt.Errorf("integer %d is beyond 2^53-1", v.num)
		}
	default:
		return errors.New("no value")
	}
	return nil
}

// sameTarget reports whether two edits of one op would fight over one thing.
// A set and an inc of one counter do: which came first would be open.
func (e *Edit) sameTarget(f *Edit) bool {
	switch {
	case e.Kind == KindDep && f.Kind == KindDep:
		return e.Number == f.Number
	case e.Kind == KindSet || e.Kind == KindInc:
		return (f.Kind == KindSet || f.Kind == KindInc) && e.Field == f.Field
	}
	return false
}

func sortOpIDs(ids []OpID) { slices.SortFunc(ids, OpID.Compare) }
