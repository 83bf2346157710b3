package crdt

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The format versions that this package reads and writes. A build that does not know fences must not
// merge what has one, so an op with a fence is of a version of its own.
const (
	// Version is the version of an op without a fence.
	Version = 1
	// VersionFenced is the version of an op with a fence.
	VersionFenced = 2
)

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
// nobody changes one after Sign, Verify or Decode returned it. The strings of an
// op that was read share one copy of its payload: who keeps a string longer than
// the op clones it.
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
	// Creates says that the author knew of no such story and meant to create one.
	Creates bool
	// Fence is the greatest fence that the author knew for the story, if the op writes a fenced field.
	Fence Fence

	size int // what it takes up in memory, for the pending bounds
}

// Size returns what the op takes up in memory, in bytes, for the bounds on what is
// pending and held.
func (op *Op) Size() int { return op.size }

// clone returns an op that shares nothing with op but text.
func (op *Op) clone() *Op {
	c := *op
	c.Parents, c.Edits = slices.Clone(op.Parents), slices.Clone(op.Edits)
	return &c
}

// Stamp orders the writes to one register.
type Stamp struct {
	// Fence is the op's fence if the register is a fenced one, else zero.
	Fence  Fence
	Seq    uint64
	Author Author
	Op     OpID
}

// Stamp returns the op's place in the order of writes, but for those to fenced fields.
func (op *Op) Stamp() Stamp { return Stamp{Seq: op.Seq, Author: op.Author, Op: op.ID} }

// Wins reports whether a write stamped s beats one stamped t: the greater fence, then the
// greater seq, then the lower author, then the lower op ID. It is a strict total order over
// ops, so every replica picks the same winner whatever came first.
//
// Every stamp beats the zero Stamp, which is that of no write.
func (s Stamp) Wins(t Stamp) bool { return s.compare(t) < 0 }

// compare orders stamps, the winner first.
func (s Stamp) compare(t Stamp) int {
	if s.Fence != t.Fence {
		return t.Fence.Compare(s.Fence)
	}
	return cmp.Or(cmp.Compare(t.Seq, s.Seq), s.Author.Compare(t.Author), s.Op.Compare(t.Op))
}

// unfenced returns the stamp in the order of all writes.
func (s Stamp) unfenced() Stamp {
	s.Fence = Fence{}
	return s
}

// EditKind tells what an edit does.
//
// Rules for evolving the format: a kind's number, its keys and their types
// never change; a key has the same type in every kind; new data goes under new
// keys; a kind or a field that a build does not know is kept in the stored
// bytes and merges as nothing there; what old builds must not ignore needs a
// new Version. A build that learns a kind, a key or a field never refuses what
// older builds admitted under it: what does not fit merges as nothing. (Else
// one op written before the field was declared would split the replicas.) The
// rule holds from the first release on; kinds 1 to 5 are all in it.
type EditKind uint64

const (
	// KindSet writes a register: Field, Value.
	KindSet EditKind = 1
	// KindInc adds to a counter: Field, By, Base.
	KindInc EditKind = 2
	// KindDep adds or removes a dependency: Number, Value (bool).
	KindDep EditKind = 3
	// KindNote adds a note that no merge loses: Value (string).
	KindNote EditKind = 4
	// KindPlace gives the story a place in the list of stories: Base or Anchor.
	KindPlace EditKind = 5

	lastKind = KindPlace // greater ones are unknown to this build
)

// Edit is one part of an op. Which members count is said by Kind; an edit of
// an unknown kind carries its kind alone.
type Edit struct {
	Kind   EditKind
	Field  string
	Value  Value
	By     uint64
	Base   OpID   // inc: the op whose set it builds on; place: see Anchor.Op
	Anchor string // place: see Anchor.Story
	Number uint32
	Over   Over // set: which value it overwrites
}

// Anchor names an element of the list of stories, after which another is put.
// The zero Anchor is the start of the list.
type Anchor struct {
	// Op is the op whose place edit made the element; zero if Story is set.
	Op OpID
	// Story is the ID of a story that has no place by an op: its element stands
	// at the end of the list, among others of its kind by [CompareStoryIDs].
	Story string
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

// Note returns an edit that adds a note to the story.
func Note(text string) Edit { return Edit{Kind: KindNote, Value: String(text)} }

// Place returns an edit that puts the story behind after, before all that
// stands there already.
func Place(after Anchor) Edit {
	return Edit{Kind: KindPlace, Base: after.Op, Anchor: after.Story}
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

// cloneText copies a text out of an op, whose strings share its payload and would
// keep it alive.
func cloneText(s string) string { return strings.Clone(s) }

// SortOpIDs sorts op IDs by their bytes.
func SortOpIDs(ids []OpID) { slices.SortFunc(ids, OpID.Compare) }
