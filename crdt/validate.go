package crdt

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// validate checks the op's shape: everything that can be said without knowing
// other ops. Sign and Decode both call it, so nothing is written that would
// not be read. That text is UTF-8 is for validateText to say.
func (op *Op) validate() error {
	if op.Seq == 0 || op.Seq > MaxSeq {
		return fmt.Errorf("%w: seq %d is not between 1 and 2^53-1", ErrMalformed, op.Seq)
	}
	if err := op.Fence.validate(); err != nil {
		return err
	}
	if err := validateParents(op.Parents); err != nil {
		return err
	}
	if !ValidStoryID(op.Story) {
		return fmt.Errorf("%w: story ID %.140q does not match ^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", ErrMalformed, op.Story)
	}
	if len(op.Agent) > MaxAgent {
		return fmt.Errorf("%w: agent of %d bytes, want at most %d", ErrMalformed, len(op.Agent), MaxAgent)
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
	}
	return validateTargets(op.Edits)
}

// validateText checks that text is UTF-8. Sign calls it; Decode need not,
// because it reads no other text.
func (op *Op) validateText() error {
	if !utf8.ValidString(op.Agent) {
		return fmt.Errorf("%w: agent is not UTF-8 text", ErrMalformed)
	}
	for i := range op.Edits {
		e := &op.Edits[i]
		if !utf8.ValidString(e.Field) {
			return fmt.Errorf("%w: edit %d: field name is not UTF-8 text", ErrMalformed, i)
		}
		if !utf8.ValidString(e.Value.str) {
			return fmt.Errorf("%w: edit %d: value is not UTF-8 text", ErrMalformed, i)
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

// editKeys is a set of members of an Edit, by their keys in the payload.
type editKeys uint8

const (
	keyField  editKeys = 1 << editField
	keyValue  editKeys = 1 << editValue
	keyBy     editKeys = 1 << editBy
	keyBase   editKeys = 1 << editBase
	keyNumber editKeys = 1 << editNumber
	keyAnchor editKeys = 1 << editAnchor
)

// kindKeys are the members that an edit of each kind must and may have.
var kindKeys = [lastKind + 1]struct {
	name      string
	must, may editKeys
}{
	KindSet:   {"set", keyField | keyValue, 0},
	KindInc:   {"inc", keyField | keyBy, keyBase},
	KindDep:   {"dep", keyValue | keyNumber, 0},
	KindNote:  {"note", keyValue, 0},
	KindPlace: {"place", 0, keyBase | keyAnchor},
}

// keys returns the members that are set. A dep always has its number: 0 is one.
func (e *Edit) keys() (k editKeys) {
	if e.Field != "" {
		k |= keyField
	}
	if e.Value.typ != 0 {
		k |= keyValue
	}
	if e.By != 0 {
		k |= keyBy
	}
	if !e.Base.IsZero() {
		k |= keyBase
	}
	if e.Number != 0 || e.Kind == KindDep {
		k |= keyNumber
	}
	if e.Anchor != "" {
		k |= keyAnchor
	}
	return k
}

// String lists the keys.
func (k editKeys) String() string {
	names := [...]string{
		editField: "field", editValue: "value", editBy: "by", editBase: "base", editNumber: "number", editAnchor: "anchor",
	}
	var set []string
	for key, name := range names {
		if k&(1<<key) != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, " and ")
}

func (e *Edit) validate() error {
	if e.Kind == 0 {
		return errors.New("no kind")
	}
	keys := e.keys()
	if e.Kind > lastKind {
		if keys != 0 || e.Over.Said {
			return fmt.Errorf("kind %d is unknown and carries its kind alone, not %s", e.Kind, keys)
		}
		return nil
	}
	kind := &kindKeys[e.Kind]
	if e.Over.Said && e.Kind != KindSet {
		return fmt.Errorf("%s has keys of another kind: over", kind.name)
	}
	if alien := keys &^ (kind.must | kind.may); alien != 0 {
		return fmt.Errorf("%s has keys of another kind: %s", kind.name, alien)
	}
	if missing := kind.must &^ keys; missing != 0 {
		return fmt.Errorf("%s has no %s", kind.name, missing)
	}
	switch e.Kind {
	case KindInc:
		if e.By > MaxIncrement {
			return fmt.Errorf("inc by %d, want 1 to %d", e.By, MaxIncrement)
		}
	case KindDep:
		if e.Value.typ != TypeBool {
			return fmt.Errorf("dep has a value of type %s, want boolean", e.Value.typ)
		}
	case KindNote:
		if e.Value.typ != TypeString || e.Value.str == "" || len(e.Value.str) > MaxNote {
			return fmt.Errorf("note is not text of 1 to %d bytes", MaxNote)
		}
	case KindPlace:
		if e.Anchor != "" && (!e.Base.IsZero() || !ValidStoryID(e.Anchor)) {
			return errors.New("place names neither one op nor one story ID to follow")
		}
	}
	if len(e.Field) > MaxFieldName {
		return fmt.Errorf("field name %.70q of %d bytes, want at most %d", e.Field, len(e.Field), MaxFieldName)
	}
	if v := e.Value; v.typ == TypeInt && (v.num < -MaxSeq || v.num > MaxSeq) {
		return fmt.Errorf("integer %d is beyond 2^53-1", v.num)
	}
	return nil
}

// target is what an edit changes. Two edits of one op would fight over one, and
// which came first would be open. A set and an inc of one counter do fight. A
// story has one place, and one op adds one note.
type target struct {
	kind   EditKind
	field  string
	number uint32
}

func (e *Edit) target() target {
	switch e.Kind {
	case KindSet, KindInc:
		return target{kind: KindSet, field: e.Field}
	case KindDep:
		return target{kind: KindDep, number: e.Number}
	}
	return target{kind: e.Kind}
}

// validateTargets refuses two edits that change the same thing. What edits of
// unknown kinds change is unknown.
func validateTargets(edits []Edit) error {
	const few = 32 // so many are compared faster than hashed
	var hashed map[target]int
	if len(edits) > few {
		hashed = make(map[target]int, len(edits))
	}
	for i := range edits {
		if edits[i].Kind > lastKind {
			continue
		}
		t, same := edits[i].target(), -1
		if hashed == nil {
			same = indexTarget(edits[:i], t)
		} else if j, ok := hashed[t]; ok {
			same = j
		} else {
			hashed[t] = i
		}
		if same >= 0 {
			return fmt.Errorf("%w: edits %d and %d change the same thing", ErrMalformed, same, i)
		}
	}
	return nil
}

// indexTarget returns the index of the edit that changes t, -1 if none does.
func indexTarget(edits []Edit, t target) int {
	for i := range edits {
		if edits[i].target() == t {
			return i
		}
	}
	return -1
}
