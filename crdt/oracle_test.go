package crdt_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/huskies/huskies-mcp/crdt"
)

// The oracle reads a payload a second way: a CBOR library reads it into maps,
// which are held to doc.go key by key. It is slow and shares no code with the
// reader, so where the two differ, one of them or doc.go is wrong.

var oracleMode = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		UTF8:             cbor.UTF8RejectInvalid,
		MaxNestedLevels:  8,
		MaxArrayElements: 256,
		MaxMapPairs:      64,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return m
}()

// oracle returns the op that payload says, or an error that wraps what Decode's
// has to wrap.
func oracle(payload []byte) (*crdt.Op, error) {
	var v any
	if err := oracleMode.Unmarshal(payload, &v); err != nil {
		return nil, fmt.Errorf("%w: %w", crdt.ErrMalformed, err)
	}
	if again, err := deterministic.Marshal(v); err != nil || !bytes.Equal(again, payload) || !plain(v) {
		return nil, fmt.Errorf("%w: not in the encoding of ops", crdt.ErrMalformed)
	}
	m, ok := v.(fields)
	if !ok {
		return nil, fmt.Errorf("%w: not a map", crdt.ErrMalformed)
	}
	s := said{m: m}
	version := member[uint64](&s, 1)
	if s.has(1) && s.wrong == "" && version != 1 && version != 2 {
		return nil, crdt.ErrVersion
	}
	op := s.op()
	if version == 2 {
		op.Fence = s.fence()
	}
	s.check(len(payload) <= 64<<10, "size")
	switch {
	case s.wrong != "":
		return nil, fmt.Errorf("%w: %s", crdt.ErrMalformed, s.wrong)
	case !s.has(1):
		return nil, crdt.ErrVersion
	}
	op.ID = sha256.Sum256(payload)
	return op, nil
}

// plain reports whether v is made of what ops may have.
func plain(v any) bool {
	switch v := v.(type) {
	case uint64, int64, big.Int, string, []byte, bool:
		return true
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !plain(e) })
	case fields:
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
			if !plain(e) {
				return false
			}
		}
		return true
	}
	return false
}

// said is a map and the first thing wrong with it.
type said struct {
	m     fields
	wrong string
}

func (s *said) check(ok bool, format string, args ...any) {
	if !ok && s.wrong == "" {
		s.wrong = fmt.Sprintf(format, args...)
	}
}

func (s *said) has(key uint64) bool { _, ok := s.m[key]; return ok }

// member returns the value of a key, the zero value if there is none.
func member[T any](s *said, key uint64) (v T) {
	if s.has(key) {
		var ok bool
		v, ok = s.m[key].(T)
		s.check(ok, "type of key %d", key)
	}
	return v
}

func (s *said) op() *crdt.Op {
	op := &crdt.Op{
		Seq: member[uint64](s, 3), Story: member[string](s, 5), Agent: member[string](s, 7),
		At:      int64(min(member[uint64](s, 8), 1<<53)),
		Creates: s.m[uint64(9)] == any(true),
	}
	author, parents, edits := member[[]byte](s, 2), member[[]any](s, 4), member[[]any](s, 6)
	s.check(len(author) == 32, "author")
	copy(op.Author[:], author)
	s.check(op.Seq >= 1 && op.Seq < 1<<53, "seq")
	s.check(len(parents) <= 16, "number of parents")
	for i, v := range parents {
		p, _ := v.([]byte)
		s.check(len(p) == 32, "parent")
		op.Parents = append(op.Parents, crdt.OpID{})
		copy(op.Parents[i][:], p)
		s.check(i == 0 || bytes.Compare(op.Parents[i-1][:], p) < 0, "order of parents")
	}
	s.check(storyID.MatchString(op.Story), "story")
	s.check(len(op.Agent) <= 128, "agent")
	s.check(op.At < 1<<53, "at")
	s.check(len(edits) >= 1 && len(edits) <= 256, "number of edits")
	targets := map[string]bool{}
	for _, v := range edits {
		m, ok := v.(fields)
		s.check(ok, "edit")
		e := said{m: m}
		edit, target := e.edit()
		s.check(e.wrong == "", "edit: %s", e.wrong)
		s.check(target == "" || !targets[target], "two edits change %s", target)
		targets[target] = true
		op.Edits = append(op.Edits, edit)
	}
	return op
}

// fence returns the fence of a version that has one.
func (s *said) fence() (f crdt.Fence) {
	parts := member[[]any](s, 10)
	s.check(len(parts) == 2, "fence")
	for i, v := range parts {
		n, ok := v.(uint64)
		s.check(ok && n >= 1 && n < 1<<53, "part %d of the fence", i)
		if i == 0 {
			f.Epoch = n
		} else {
			f.Revision = n
		}
	}
	return f
}

var storyID = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9._-]{0,127}\z`)

// editGrammar is doc.go's table of edits: the keys that must be there and those
// that may be.
var editGrammar = map[uint64]struct{ must, may []uint64 }{
	1: {[]uint64{2, 3}, nil},
	2: {[]uint64{2, 4}, []uint64{5}},
	3: {[]uint64{3, 6}, nil},
	4: {[]uint64{3}, nil},
	5: {nil, []uint64{5, 7}},
}

// edit returns the edit and what it changes.
func (s *said) edit() (e crdt.Edit, target string) {
	kind := member[uint64](s, 1)
	e.Kind = crdt.EditKind(kind)
	s.check(kind != 0, "no kind")
	g, known := editGrammar[kind]
	if !known {
		return e, ""
	}
	for key := uint64(2); key <= 7; key++ {
		must := slices.Contains(g.must, key)
		s.check(s.has(key) || !must, "kind %d has no key %d", kind, key)
		s.check(!s.has(key) || must || slices.Contains(g.may, key), "kind %d has key %d", kind, key)
	}
	e.Field, e.Anchor, e.By = member[string](s, 2), member[string](s, 7), member[uint64](s, 4)
	base, number := member[[]byte](s, 5), member[uint64](s, 6)
	copy(e.Base[:], base)
	s.check(!s.has(2) || len(e.Field) >= 1 && len(e.Field) <= 64, "field")
	s.check(!s.has(4) || e.By >= 1 && e.By <= 1<<20, "by")
	s.check(!s.has(5) || len(base) == 32 && !e.Base.IsZero(), "base")
	s.check(number < 1<<32, "number")
	e.Number = uint32(number)
	if s.has(3) {
		e.Value = s.value()
	}
	if over, ok := s.m[uint64(8)].([]byte); ok && kind == 1 && (len(over) == 0 || len(over) == 8 && !bytes.Equal(over, make([]byte, 8))) {
		e.Over.Said = true
		copy(e.Over.Op[:], over)
	}
	switch kind {
	case 1, 2:
		return e, "field " + e.Field
	case 3:
		s.check(e.Value.Type() == crdt.TypeBool, "value of dep")
		return e, fmt.Sprint("dependency ", number)
	case 4:
		n := len(e.Value.Str())
		s.check(e.Value.Type() == crdt.TypeString && n >= 1 && n <= 16384, "value of note")
		return e, "note"
	}
	s.check(!s.has(7) || storyID.MatchString(e.Anchor) && !s.has(5), "anchor")
	return e, "place"
}

func (s *said) value() crdt.Value {
	switch v := s.m[uint64(3)].(type) {
	case string:
		return crdt.String(v)
	case bool:
		return crdt.Bool(v)
	case int64:
		s.check(v > -1<<53, "integer")
		return crdt.Int(v)
	case uint64:
		s.check(v < 1<<53, "integer")
		return crdt.Int(int64(v))
	}
	s.check(false, "type of value")
	return crdt.Value{}
}
