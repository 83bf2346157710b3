package crdt

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"slices"
	"unsafe"
)

// The keys of the payload's map. They are never reused; doc.go specifies them.
const (
	opVersion = iota + 1
	opAuthor
	opSeq
	opParents
	opStory
	opEdits
	opAgent
	opAt
	opCreates
	opFence
)

// The keys of an edit's map. All are below 24, so a key is its own encoding.
const (
	editKind = iota + 1
	editField
	editValue
	editBy
	editBase
	editNumber
	editAnchor

	lastEditKey = editAnchor

	// editOver is no key whose value can be wrong: see [Over].
	editOver = editAnchor + 1
)

// encode returns the payload of an op that validate admits: deterministic CBOR
// (RFC 8949, section 4.2.1), because keys are written in ascending order and
// every head is the shortest.
func (op *Op) encode() []byte {
	n, version := opAt-2, uint64(Version) // without agent, at, creates and fence
	if op.Agent != "" {
		n++
	}
	if op.At != 0 {
		n++
	}
	if op.Creates {
		n++
	}
	if !op.Fence.IsZero() {
		n, version = n+1, VersionFenced
	}
	b := make([]byte, 0, op.room())
	b = appendHead(b, majorMap, uint64(n))
	b = appendHead(append(b, opVersion), majorUint, version)
	b = appendBytes(append(b, opAuthor), op.Author[:])
	b = appendHead(append(b, opSeq), majorUint, op.Seq)
	b = appendHead(append(b, opParents), majorArray, uint64(len(op.Parents)))
	for i := range op.Parents {
		b = appendBytes(b, op.Parents[i][:])
	}
	b = appendText(append(b, opStory), op.Story)
	b = appendHead(append(b, opEdits), majorArray, uint64(len(op.Edits)))
	for i := range op.Edits {
		b = op.Edits[i].appendTo(b)
	}
	if op.Agent != "" {
		b = appendText(append(b, opAgent), op.Agent)
	}
	if op.At != 0 {
		b = appendHead(append(b, opAt), majorUint, uint64(op.At))
	}
	if op.Creates {
		b = appendHead(append(b, opCreates), majorSimple, simpleTrue)
	}
	if !op.Fence.IsZero() {
		b = op.Fence.appendTo(append(b, opFence))
	}
	return b
}

// room returns a few bytes more than the payload takes.
func (op *Op) room() int {
	n := 100 + 34*len(op.Parents) + len(op.Story) + len(op.Agent)
	for i := range op.Edits {
		e := &op.Edits[i]
		n += 30 + len(e.Field) + len(e.Value.str) + len(e.Anchor)
		if !e.Base.IsZero() {
			n += 35
		}
	}
	return n
}

func (e *Edit) appendTo(b []byte) []byte {
	keys := e.keys()
	n := 1 + uint64(bits.OnesCount8(uint8(keys)))
	if e.Over.Said {
		n++
	}
	b = appendHead(b, majorMap, n)
	b = appendHead(append(b, editKind), majorUint, uint64(e.Kind))
	if keys&keyField != 0 {
		b = appendText(append(b, editField), e.Field)
	}
	if keys&keyValue != 0 {
		b = e.Value.appendTo(append(b, editValue))
	}
	if keys&keyBy != 0 {
		b = appendHead(append(b, editBy), majorUint, e.By)
	}
	if keys&keyBase != 0 {
		b = appendBytes(append(b, editBase), e.Base[:])
	}
	if keys&keyNumber != 0 {
		b = appendHead(append(b, editNumber), majorUint, uint64(e.Number))
	}
	if keys&keyAnchor != 0 {
		b = appendText(append(b, editAnchor), e.Anchor)
	}
	if e.Over.Said {
		b = e.Over.appendTo(append(b, editOver))
	}
	return b
}

func (v Value) appendTo(b []byte) []byte {
	switch {
	case v.typ == TypeString:
		return appendText(b, v.str)
	case v.typ == TypeInt:
		return appendInt(b, v.num)
	case v.Bool():
		return appendHead(b, majorSimple, simpleTrue)
	}
	return appendHead(b, majorSimple, simpleFalse)
}

// Decode reads a payload: it checks encoding and shape and refuses what Verify
// refuses, but for the signature. It is for payloads that Verify admitted
// before. Unknown keys are ignored. The op does not keep payload, but its
// strings share one copy of it.
func Decode(payload []byte) (*Op, error) {
	op := &Op{}
	if err := op.decode(payload, false); err != nil {
		return nil, err
	}
	return op, nil
}

// Decoder decodes one op after the other into the same memory: a replay has
// hundreds of thousands. The zero value is ready.
type Decoder struct{ op Op }

// Decode is the function [Decode], but the op is valid only until the next
// call, and its texts are those in the payload, which must not be changed.
// [Doc.Apply] keeps nothing of it.
func (d *Decoder) Decode(payload []byte) (*Op, error) {
	d.op = Op{Parents: d.op.Parents[:0], Edits: d.op.Edits[:0]}
	if err := d.op.decode(payload, true); err != nil {
		return nil, err
	}
	return &d.op, nil
}

// decode reads a payload into op, which is empty but may have room in its
// slices. If the op shares the payload, its texts are the payload's own bytes,
// otherwise those of a copy.
func (op *Op) decode(payload []byte, share bool) error {
	if len(payload) > MaxPayload {
		return fmt.Errorf("%w: payload of %d bytes, want at most %d", ErrMalformed, len(payload), MaxPayload)
	}
	var r cborReader
	if share {
		r.s = unsafe.String(unsafe.SliceData(payload), len(payload))
	} else {
		r.s = string(payload)
	}
	var version uint64
	var hasAuthor bool
	for p := r.pairs(); p.next(); {
		switch p.key {
		case opVersion:
			// A later version may have changed all that follows: look no further.
			if version = r.uint(); r.err == nil && version != Version && version != VersionFenced {
				return versionError(version)
			}
		case opAuthor:
			r.fixed(op.Author[:])
			hasAuthor = true
		case opSeq:
			op.Seq = r.uint()
		case opParents:
			op.Parents = readParents(&r, op.Parents)
		case opStory:
			op.Story = r.text()
		case opEdits:
			op.Edits = readEdits(&r, op.Edits)
		case opAgent:
			op.Agent = r.text()
		case opAt:
			op.At = int64(min(r.uint(), MaxSeq+1)) // beyond the bound, whatever it is
		case opCreates:
			op.Creates = r.isTrue()
			r.skip(1) // whatever it is: earlier builds admit all of it
		default:
			if p.key == opFence && version == VersionFenced {
				op.Fence = readFence(&r)
				continue
			}
			r.skip(1) // a fence, too: builds that know version 1 alone admit all of it
		}
	}
	r.end()
	switch {
	case r.err != nil:
		return r.err
	case version == 0:
		return versionError(0)
	case !hasAuthor:
		return fmt.Errorf("%w: no author", ErrMalformed)
	case version == VersionFenced && op.Fence.IsZero():
		return fmt.Errorf("%w: version %d without a fence", ErrMalformed, version)
	}
	if err := op.validate(); err != nil {
		return err
	}
	op.ID, op.size = sha256.Sum256(payload), op.memory(payload)
	return nil
}

func versionError(v uint64) error {
	return fmt.Errorf("%w: version %d, this build reads versions %d and %d", ErrVersion, v, Version, VersionFenced)
}

// memory returns what an op takes up while it waits, in bytes, about: its
// payload and what was decoded from it. Three bytes of payload can be one edit,
// so the payload alone would let a stranger fill forty times the pending bounds.
func (op *Op) memory(payload []byte) int {
	const perEdit = 128 // unsafe.Sizeof(Edit{})
	return len(payload) + perEdit*len(op.Edits) + len(OpID{})*len(op.Parents)
}

// readParents reads parents into the room that there is, or new room.
func readParents(r *cborReader, parents []OpID) []OpID {
	n := r.array(2 + uint64(len(OpID{})))
	if n == 0 {
		return nil
	}
	parents = slices.Grow(parents, n)[:n]
	for i := range parents {
		r.fixed(parents[i][:])
	}
	return parents
}

// readEdits reads edits into the room that there is, or new room.
func readEdits(r *cborReader, edits []Edit) []Edit {
	n := r.array(3) // at least a head, the key of the kind, the kind
	edits = slices.Grow(edits, n)[:n]
	clear(edits)
	for i := range edits {
		readEdit(r, &edits[i])
	}
	return edits
}

// readEdit reads one edit. Its kind comes before all other known keys, because
// that is the order of keys; of an unknown kind it keeps nothing else.
func readEdit(r *cborReader, e *Edit) {
	at := r.at
	var seen editKeys
	for p := r.pairs(); p.next(); {
		switch {
		case p.key == editKind:
			e.Kind = EditKind(r.uint())
		case p.key == 0 || p.key > lastEditKey || e.Kind > lastKind:
			if p.key == editOver && e.Kind == KindSet {
				e.Over = r.peekOver()
			}
			r.skip(3) // in the op, in its edits, in this edit
		default:
			seen |= 1 << p.key
			e.read(r, p.key)
		}
	}
	// What is there must not say what its absence says: one edit, one encoding.
	// And a dependency on number 0 is one, but not one without number.
	if wrong := seen ^ e.keys(); wrong != 0 {
		r.fail(at, "an edit whose %s is missing, empty or zero", wrong)
	}
}

// read reads the value of a key into its member.
func (e *Edit) read(r *cborReader, key uint64) {
	at := r.at
	switch key {
	case editField:
		e.Field = r.text()
	case editValue:
		e.Value = readValue(r)
	case editBy:
		e.By = r.uint()
	case editBase:
		r.fixed(e.Base[:])
	case editNumber:
		n := r.uint()
		if e.Number = uint32(n); uint64(e.Number) != n {
			r.fail(at, "number %d is not below 2^32", n)
		}
	case editAnchor:
		e.Anchor = r.text()
	}
}

func readValue(r *cborReader) Value {
	at := r.at
	m, n := r.head()
	switch m {
	case majorText:
		return String(r.takeText(n))
	case majorSimple:
		return Bool(n == simpleTrue)
	case majorUint:
		return Int(int64(min(n, MaxSeq+1))) // beyond the bound, whatever it is
	case majorNegative:
		return Int(-1 - int64(min(n, MaxSeq)))
	}
	r.fail(at, "%s, want text, false, true or an integer", m)
	return Value{}
}
