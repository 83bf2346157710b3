package crdt

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"

	"github.com/fxamacker/cbor/v2"
)

// wireOp is the payload's CBOR map. Keys are never reused; doc.go specifies
// them. Byte strings are cbor.ByteString so that text or an array of numbers
// in their place is refused.
type wireOp struct {
	Version uint64            `cbor:"1,keyasint"`
	Author  cbor.ByteString   `cbor:"2,keyasint"`
	Seq     uint64            `cbor:"3,keyasint"`
	Parents []cbor.ByteString `cbor:"4,keyasint"`
	Story   string            `cbor:"5,keyasint"`
	Edits   []wireEdit        `cbor:"6,keyasint"`
	Agent   string            `cbor:"7,keyasint,omitempty"`
	At      uint64            `cbor:"8,keyasint,omitempty"`
}

type wireEdit struct {
	Kind   uint64          `cbor:"1,keyasint"`
	Field  string          `cbor:"2,keyasint,omitempty"`
	Value  any             `cbor:"3,keyasint,omitempty"` // string, bool, uint64 or int64
	By     uint64          `cbor:"4,keyasint,omitempty"`
	Base   cbor.ByteString `cbor:"5,keyasint,omitempty"`
	Number *uint32         `cbor:"6,keyasint,omitempty"`
}

var (
	encMode = must(cbor.CoreDetEncOptions().EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		UTF8:             cbor.UTF8RejectInvalid,
		NaN:              cbor.NaNDecodeForbidden,
		Inf:              cbor.InfDecodeForbidden,
		MaxNestedLevels:  8,
		MaxArrayElements: MaxEdits,
		MaxMapPairs:      64,
		SimpleValues: must(cbor.NewSimpleValueRegistryFromDefaults(
			cbor.WithRejectedSimpleValue(22), // null
			cbor.WithRejectedSimpleValue(23), // undefined
		)),
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // constant options: fails at the first run or never
	}
	return v
}

// encode returns the op's payload: deterministic CBOR (RFC 8949 §4.2.1).
func (op *Op) encode() ([]byte, error) {
	w := wireOp{
		Version: Version,
		Author:  cbor.ByteString(op.Author[:]),
		Seq:     op.Seq,
		Parents: make([]cbor.ByteString, len(op.Parents)),
		Story:   op.Story,
		Edits:   make([]wireEdit, len(op.Edits)),
		Agent:   op.Agent,
		At:      uint64(op.At),
	}
	for i, p := range op.Parents {
		w.Parents[i] = cbor.ByteString(p[:])
	}
	for i := range op.Edits {
		e := &op.Edits[i]
		we := wireEdit{Kind: uint64(e.Kind), Field: e.Field, By: e.By}
		if !e.Base.IsZero() {
			we.Base = cbor.ByteString(e.Base[:])
		}
		if e.Kind == KindDep {
			we.Number = &e.Number
		}
		if e.Kind == KindSet || e.Kind == KindDep {
			we.Value = e.Value.wire()
		}
		w.Edits[i] = we
	}
	return encMode.Marshal(&w)
}

// wire returns the value as the CBOR library takes it. Shortest encodings are
// the library's: an int64 of 5 is the same byte as a uint64 of 5.
func (v Value) wire() any {
	switch v.typ {
	case TypeString:
		return v.str
	case TypeBool:
		return v.Bool()
	case TypeInt:
		return v.num
	}
	return nil
}

// Decode reads a payload strictly and checks its shape, without checking the
// signature or that the encoding is the deterministic one: it is for payloads
// that Verify admitted before. Unknown keys are ignored.
func Decode(payload []byte) (*Op, error) {
	if len(payload) > MaxPayload {
		return nil, fmt.Errorf("%w: payload of %d bytes, want at most %d", ErrMalformed, len(payload), MaxPayload)
	}
	var w wireOp
	if err := decMode.Unmarshal(payload, &w); err != nil {
		// A later version may have given the keys other types: say that first.
		if v, ok := peekVersion(payload); ok && v != Version {
			return nil, versionError(v)
		}
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if w.Version != Version {
		return nil, versionError(w.Version)
	}
	op := &Op{
		ID:    sha256.Sum256(payload),
		Seq:   w.Seq,
		Story: w.Story,
		Edits: make([]Edit, len(w.Edits)),
		Agent: w.Agent,
		At:    int64(min(w.At, MaxSeq+1)),
		size:  memory(payload, len(w.Edits)),
	}
	if !fill(op.Author[:], w.Author) {
		return nil, fmt.Errorf("%w: author of %d bytes, want %d", ErrMalformed, len(w.Author), len(op.Author))
	}
	if len(w.Parents) > 0 {
		op.Parents = make([]OpID, len(w.Parents))
		for i, p := range w.Parents {
			if !fill(op.Parents[i][:], p) {
				return nil, fmt.Errorf("%w: parent of %d bytes, want %d", ErrMalformed, len(p), len(OpID{}))
			}
		}
	}
	for i := range w.Edits {
		e, err := w.Edits[i].decode()
		if err != nil {
			return nil, fmt.Errorf("%w: edit %d: %w", ErrMalformed, i, err)
		}
		op.Edits[i] = e
	}
	if err := op.validate(); err != nil {
		return nil, err
	}
	return op, nil
}

// memory returns what an op takes up while it waits, in bytes, about: its
// payload and its decoded edits. Three bytes of payload can be one edit, so
// the payload alone would let a stranger fill thirty times the pending bounds.
func memory(payload []byte, edits int) int {
	const perEdit = 104 // unsafe.Sizeof(Edit{})
	return len(payload) + perEdit*edits
}

func peekVersion(payload []byte) (uint64, bool) {
	var v struct {
		Version uint64 `cbor:"1,keyasint"`
	}
	return v.Version, decMode.Unmarshal(payload, &v) == nil && v.Version != 0
}

func versionError(v uint64) error {
	return fmt.Errorf("%w: version %d, this build reads version %d: install a newer huskies-mcp", ErrVersion, v, Version)
}

func (w *wireEdit) decode() (Edit, error) {
	e := Edit{Kind: EditKind(w.Kind)}
	if e.Kind > KindDep { // unknown: kept in the stored bytes, merges as nothing
		return e, nil
	}
	e.Field, e.By = w.Field, w.By
	if w.Base != "" && !fill(e.Base[:], w.Base) {
		return e, fmt.Errorf("base of %d bytes, want %d", len(w.Base), len(e.Base))
	}
	if (w.Number != nil) != (e.Kind == KindDep) {
		return e, errors.New("number belongs to dep, and dep needs one")
	}
	if w.Number != nil {
		e.Number = *w.Number
	}
	if w.Value == nil {
		return e, nil
	}
	v, err := decodeValue(w.Value)
	e.Value = v
	return e, err
}

// decodeValue takes a string, a boolean or an integer; floats, byte strings and
// everything else that CBOR can hold are refused.
func decodeValue(wire any) (Value, error) {
	switch v := wire.(type) {
	case string:
		return String(v), nil
	case bool:
		return Bool(v), nil
	case int64:
		return Int(v), nil
	case uint64:
		return Int(int64(min(v, MaxSeq+1))), nil // beyond the bound, whatever it is
	}
	return Value{}, errors.New("value is neither a string nor a boolean nor an integer")
}

func fill(dst []byte, src cbor.ByteString) bool {
	return copy(dst, src) == len(dst) && len(src) == len(dst)
}

// checkDeterministic refuses every encoding but the one of RFC 8949 §4.2.1:
// with it, one op has one payload and so one ID. Unknown keys are held to it
// too.
func checkDeterministic(payload []byte) error {
	var v any
	if err := decMode.Unmarshal(payload, &v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !plainKeys(v) {
		return fmt.Errorf("%w: a map key is neither text nor an integer of 64 bits with sign", ErrMalformed)
	}
	again, err := encMode.Marshal(v)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !bytes.Equal(payload, again) {
		return fmt.Errorf("%w: not in deterministic CBOR (RFC 8949 section 4.2.1)", ErrMalformed)
	}
	return nil
}

// plainKeys reports whether all map keys are text or fit int64. Which other
// keys a CBOR library can hold differs, and what is admitted must not.
func plainKeys(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if !plainKeys(e) {
				return false
			}
		}
	case map[any]any:
		for k, e := range v {
			switch k := k.(type) {
			case string, int64:
			case uint64:
				if k > math.MaxInt64 {
					return false
				}
			default:
				return false
			}
			if !plainKeys(e) {
				return false
			}
		}
	}
	return true
}
