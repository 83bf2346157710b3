package crdt

import "encoding/hex"

// Over says which value a set overwrites, so that writes of one register that were made apart are found
// without a walk through the history: the set that its author saw in the register was not the one that stands
// there. Merging does not look at it. The zero Over says nothing.
type Over struct {
	// Said reports that the author says it.
	Said bool
	// Op is the beginning of the ID of the op that wrote the value. It is zero if there was no value.
	Op [8]byte
}

// OverOp returns the Over of a set that overwrites what the op wrote, or nothing if the ID is zero.
func OverOp(id OpID) Over { return Over{true, [8]byte(id[:8])} }

// String returns the beginning of the op's ID in hex, "" if there was no value.
func (o Over) String() string {
	if o.Op == ([8]byte{}) {
		return ""
	}
	return hex.EncodeToString(o.Op[:])
}

// appendTo appends the encoding of an Over that says something.
func (o Over) appendTo(b []byte) []byte {
	if o.Op == ([8]byte{}) {
		return appendBytes(b, nil)
	}
	return appendBytes(b, o.Op[:])
}

// peekOver returns what the next item says, and reads nothing. Whatever is no Over says nothing: builds that
// do not know the key admit all of it.
func (r *cborReader) peekOver() (o Over) {
	if r.err != nil || r.at >= len(r.s) {
		return o
	}
	switch rest := r.s[r.at+1:]; r.s[r.at] {
	case byte(majorBytes) << 5:
		o.Said = true
	case byte(majorBytes)<<5 | byte(len(o.Op)):
		if len(rest) >= len(o.Op) {
			copy(o.Op[:], rest)
			o.Said = o.Op != [8]byte{}
		}
	}
	return o
}

// Apart is a write of a register that was made apart from another one of the same register: the author of
// neither knew of the other.
type Apart struct {
	Field Field
	// Over is what the write that comes now overwrites: it was not lost apart.
	Over [8]byte
	// Lost is the op whose write loses, and Won the one whose write wins.
	Lost, Won OpID
	// Value is what was lost, and Same reports that what won is the same.
	Value Value
	Same  bool
}

// Apart returns what an op that is about to be merged wrote apart from what stands in the story. It says
// nothing of edits without an [Over]. The values share the text of the op and the story.
func (s *Story) Apart(schema *Schema, op *Op) (all []Apart) {
	for i := range op.Edits {
		e := &op.Edits[i]
		if !e.Over.Said || e.Kind != KindSet {
			continue
		}
		f, ok := schema.index[e.Field]
		if !ok || !schema.defs[f].takes(e) {
			continue
		}
		c := s.cell(f)
		if c == nil || c.by == (Stamp{}) || [8]byte(c.by.Op[:8]) == e.Over.Op {
			continue
		}
		a := Apart{Field: f, Over: e.Over.Op, Lost: op.ID, Won: c.by.Op, Value: e.Value, Same: e.Value == c.value}
		if schema.stampOf(f, op).Wins(c.by) {
			a.Lost, a.Won, a.Value = c.by.Op, op.ID, c.value
		}
		all = append(all, a)
	}
	return all
}
