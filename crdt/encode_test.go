package crdt_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/huskies/huskies-mcp/crdt"
)

// fields is a payload as a map, to build ops that Sign would not.
type fields = map[any]any

// baseMap returns the payload of an honest op of replica a.
func baseMap() fields {
	author := crdt.AuthorOf(keyOf("a"))
	return fields{
		uint64(1): 1,
		uint64(2): author[:],
		uint64(3): 1,
		uint64(4): []any{},
		uint64(5): "1_story_x",
		uint64(6): []any{editMap()},
	}
}

func editMap() fields { return fields{uint64(1): 1, uint64(2): "stage", uint64(3): "2_current"} }

// with returns m with one key changed; nil removes it.
func with(m fields, key any, value any) fields {
	m = maps.Clone(m)
	m[key] = value
	if value == nil {
		delete(m, key)
	}
	return m
}

// withEdit returns a payload with one edit, the honest one with a key changed.
func withEdit(key any, value any) fields {
	return with(baseMap(), uint64(6), []any{with(editMap(), key, value)})
}

// raw is CBOR as it is.
func raw(s string) cbor.RawMessage {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

var deterministic = func() cbor.EncMode {
	m, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err)
	}
	return m
}()

// signMap encodes p deterministically and signs it with a's key.
func signMap(t testing.TB, p fields) crdt.SignedOp {
	t.Helper()
	payload, err := deterministic.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return signBytes(payload, "a")
}

// signBytes signs a payload, whatever it is.
func signBytes(payload []byte, name string) crdt.SignedOp {
	id := sha256.Sum256(payload)
	sig := ed25519.Sign(keyOf(name), append([]byte("huskies-op-v1\n"), id[:]...))
	return crdt.SignedOp{ID: id, Payload: payload, Signature: crdt.Signature(sig)}
}

// TestC16_MissingAndUnknown: optional keys may be missing; what is unknown is
// admitted, its bytes stay as they are, and it merges as nothing.
func TestC16_MissingAndUnknown(t *testing.T) {
	unknown := fields{uint64(1): uint64(math.MaxUint64), uint64(2): "stage", uint64(3): []any{"any", fields{"shape": -5}}}
	tests := []struct {
		name string
		p    fields
		want string // the stage afterwards
	}{
		{"all there", baseMap(), "2_current"},
		{"no parents", with(baseMap(), uint64(4), nil), "2_current"},
		{"explicit defaults", with(with(baseMap(), uint64(7), ""), uint64(8), 0), "2_current"},
		{"unknown integer key", with(baseMap(), uint64(9), 1), "2_current"},
		{"unknown negative key", with(baseMap(), int64(-1), 1), "2_current"},
		{"unknown text key", with(baseMap(), "stage", "6_archived"), "2_current"},
		{"text key that looks like a known one", with(baseMap(), "5", "2_story_y"), "2_current"},
		{"text key named like a Go field", with(baseMap(), "Story", "2_story_y"), "2_current"},
		{"unknown key with structure", with(baseMap(), uint64(40), []any{fields{"a": []any{1, -25, "b"}}, true, []byte{1}}), "2_current"},
		{"unknown key 0", with(baseMap(), uint64(0), "first"), "2_current"},
		{"unknown key with the integers farthest from 0", with(baseMap(), uint64(9), []any{uint64(math.MaxUint64), raw("3bffffffffffffffff")}), "2_current"},
		{"unknown key with 64 pairs", with(baseMap(), uint64(9), manyPairs(64)), "2_current"},
		{"unknown key with 256 elements", with(baseMap(), uint64(9), make([]bool, 256)), "2_current"},
		{"unknown key nested 8 deep with the op", with(baseMap(), uint64(9), raw("81818181818181 01")), "2_current"},
		{"64 pairs", manyMore(64), "2_current"},
		{"unknown key of an edit", withEdit(uint64(8), "more"), "2_current"},
		{"unknown key 0 of an edit", withEdit(uint64(0), "first"), "2_current"},
		{"unknown key of an edit nested 8 deep with the op", withEdit(uint64(8), raw("8181818181 01")), "2_current"},
		{"unknown text key of an edit", withEdit("3", "6_archived"), "2_current"},
		{"unknown field", withEdit(uint64(2), "estimate"), ""},
		{"unknown kind", withEdit(uint64(1), 6), ""},
		{"unknown kind with another kind's shape", with(baseMap(), uint64(6), []any{fields{uint64(1): 6, uint64(3): []any{}, uint64(6): 1}}), ""},
		{"unknown kind with known keys of other types", with(baseMap(), uint64(6), []any{fields{uint64(0): 0, uint64(1): 6, uint64(2): 5, uint64(5): "", uint64(7): fields{}}}), ""},
		{"unknown key with the greatest keys", with(baseMap(), uint64(9), fields{uint64(math.MaxInt64): 1, int64(math.MinInt64): 2}), "2_current"},
		{"unknown kinds with structure", with(baseMap(), uint64(6), []any{unknown, unknown, editMap()}), "2_current"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			signed := signMap(t, tt.p)
			stored := bytes.Clone(signed.Payload)
			op, err := crdt.Verify(signed.Payload, signed.Signature)
			if err != nil {
				t.Fatal(err)
			}
			if op.ID != signed.ID || !bytes.Equal(signed.Payload, stored) {
				t.Errorf("op ID is %s, want the hash of the whole payload, %s", op.ID, signed.ID)
			}
			d := crdt.NewDoc(testSchema)
			if res, err := d.Apply(op); err != nil || res.Status != crdt.Applied {
				t.Fatalf("apply: got %s, error %v", res.Status, err)
			}
			if got := d.Story("1_story_x").Str(fieldStage); got != tt.want || d.StoryCount() != 1 {
				t.Errorf("stage is %q in %d stories, want %q in one", got, d.StoryCount(), tt.want)
			}
		})
	}
}

// TestVerifyRefusesShape: signed by the author and in deterministic encoding,
// but no op.
func TestVerifyRefusesShape(t *testing.T) {
	key := func(n uint64) any { return n }
	id := func(b byte) []byte { return append(make([]byte, 31), b) }
	inc := fields{key(1): 2, key(2): "retry_count", key(4): 1}
	dep := fields{key(1): 3, key(3): true, key(6): 7}
	note := fields{key(1): 4, key(3): "n"}
	edits := func(e ...any) fields { return with(baseMap(), key(6), e) }
	seventeen := []any{}
	for i := range 17 {
		seventeen = append(seventeen, id(byte(i)))
	}
	tests := map[string]fields{
		"no author":                       with(baseMap(), key(2), nil),
		"author of 31 bytes":              with(baseMap(), key(2), make([]byte, 31)),
		"author of 33 bytes":              with(baseMap(), key(2), make([]byte, 33)),
		"author as text":                  with(baseMap(), key(2), strings.Repeat("a", 32)),
		"author as array":                 with(baseMap(), key(2), make([]any, 32)),
		"C15 no seq":                      with(baseMap(), key(3), nil),
		"C15 seq 0":                       with(baseMap(), key(3), 0),
		"C15 seq 2^53":                    with(baseMap(), key(3), 1<<53),
		"C15 seq 2^64-1":                  with(baseMap(), key(3), uint64(math.MaxUint64)),
		"seq negative":                    with(baseMap(), key(3), -1),
		"C18 seq 1.0":                     with(baseMap(), key(3), 1.0),
		"seq as text":                     with(baseMap(), key(3), "1"),
		"parent of 31 bytes":              with(baseMap(), key(4), []any{id(1)[1:]}),
		"parents unsorted":                with(baseMap(), key(4), []any{id(2), id(1)}),
		"parent twice":                    with(baseMap(), key(4), []any{id(1), id(1)}),
		"17 parents":                      with(baseMap(), key(4), seventeen),
		"parents as bytes":                with(baseMap(), key(4), id(1)),
		"no story":                        with(baseMap(), key(5), nil),
		"story as bytes":                  with(baseMap(), key(5), []byte("1_story_x")),
		"no edits":                        with(baseMap(), key(6), nil),
		"edits empty":                     edits(),
		"edit as array":                   edits([]any{1, "stage", "x"}),
		"edit empty":                      edits(fields{}),
		"edit twice":                      edits(editMap(), editMap()),
		"set and inc of one field":        edits(inc, fields{key(1): 1, key(2): "retry_count", key(3): 0}),
		"dep twice":                       edits(dep, dep),
		"agent too long":                  with(baseMap(), key(7), strings.Repeat("a", 129)),
		"agent as bytes":                  with(baseMap(), key(7), []byte("a")),
		"at 2^53":                         with(baseMap(), key(8), 1<<53),
		"at 2^64-1":                       with(baseMap(), key(8), uint64(math.MaxUint64)),
		"at negative":                     with(baseMap(), key(8), -1),
		"set without value":               withEdit(key(3), nil),
		"C18 set to 1.5":                  withEdit(key(3), 1.5),
		"C18 set to 1.0":                  withEdit(key(3), 1.0),
		"C18 set to -0.0":                 withEdit(key(3), math.Copysign(0, -1)),
		"C18 set to NaN":                  withEdit(key(3), raw("f97e00")),
		"C18 set to infinity":             withEdit(key(3), raw("f97c00")),
		"C18 set to null":                 withEdit(key(3), raw("f6")),
		"C18 set to undefined":            withEdit(key(3), raw("f7")),
		"set to simple value 16":          withEdit(key(3), raw("f0")),
		"set to bytes":                    withEdit(key(3), []byte("x")),
		"set to array":                    withEdit(key(3), []any{1}),
		"set to map":                      withEdit(key(3), fields{}),
		"set to 2^53":                     withEdit(key(3), 1<<53),
		"set to 2^64-1":                   withEdit(key(3), uint64(math.MaxUint64)),
		"set to -2^64":                    withEdit(key(3), raw("3bffffffffffffffff")),
		"C18 set to invalid UTF-8":        withEdit(key(3), raw("62c328")),
		"C18 set to a surrogate":          withEdit(key(3), raw("63eda080")),
		"C18 set to overlong UTF-8":       withEdit(key(3), raw("62c080")),
		"set with by":                     withEdit(key(4), 1),
		"set with base":                   withEdit(key(5), id(1)),
		"set with number":                 withEdit(key(6), 0),
		"set with by 0":                   withEdit(key(4), 0),
		"set with base of 0 bytes":        withEdit(key(5), []byte{}),
		"set with empty anchor":           withEdit(key(7), ""),
		"set with anchor":                 withEdit(key(7), "1_story_y"),
		"set with empty field":            withEdit(key(2), ""),
		"kind 0":                          withEdit(key(1), 0),
		"kind negative":                   withEdit(key(1), -1),
		"field as integer":                withEdit(key(2), 5),
		"inc without by":                  edits(with(inc, key(4), nil)),
		"inc by 2^20+1":                   edits(with(inc, key(4), 1<<20+1)),
		"inc by -1":                       edits(with(inc, key(4), -1)),
		"inc with value":                  edits(with(inc, key(3), 1)),
		"inc on a base of 3 bytes":        edits(with(inc, key(5), []byte{1, 2, 3})),
		"inc by 0":                        edits(with(inc, key(4), 0)),
		"inc on a base of 0 bytes":        edits(with(inc, key(5), []byte{})),
		"inc on a base of zeros":          edits(with(inc, key(5), make([]byte, 32))),
		"inc on a base of 33 bytes":       edits(with(inc, key(5), make([]byte, 33))),
		"inc with number 0":               edits(with(inc, key(6), 0)),
		"dep with empty field":            edits(with(dep, key(2), "")),
		"note without text":               edits(fields{key(1): 4}),
		"note empty":                      edits(with(note, key(3), "")),
		"note of 16385 bytes":             edits(with(note, key(3), strings.Repeat("n", 16385))),
		"note of true":                    edits(with(note, key(3), true)),
		"note as bytes":                   edits(with(note, key(3), []byte("x"))),
		"note with field":                 edits(with(note, key(2), "stage")),
		"two notes":                       edits(note, with(note, key(3), "other")),
		"place after base and anchor":     edits(fields{key(1): 5, key(5): id(1), key(7): "1_story_y"}),
		"place after a base of 31 bytes":  edits(fields{key(1): 5, key(5): id(1)[1:]}),
		"place after a base of zeros":     edits(fields{key(1): 5, key(5): make([]byte, 32)}),
		"place after an empty anchor":     edits(fields{key(1): 5, key(7): ""}),
		"place after no story ID":         edits(fields{key(1): 5, key(7): "a/b"}),
		"place after anchor as bytes":     edits(fields{key(1): 5, key(7): []byte("1")}),
		"place with value":                edits(fields{key(1): 5, key(3): true}),
		"two places":                      edits(fields{key(1): 5}, fields{key(1): 5, key(7): "1"}),
		"unknown kind with a float":       edits(fields{key(1): 6, key(3): 1.5}),
		"unknown kind nested too deep":    edits(fields{key(1): 6, key(3): raw("818181818181 01")}),
		"unknown key 0 with a float":      with(baseMap(), key(0), 1.5),
		"unknown key with a float":        with(baseMap(), key(9), 1.5),
		"unknown key with simple value 0": with(baseMap(), key(9), raw("e0")),
		"unknown key with simple 255":     with(baseMap(), key(9), raw("f8ff")),
		"unknown key with undefined":      with(baseMap(), key(9), []any{raw("f7")}),
		"65 pairs":                        manyMore(65),
		"dep without number":              edits(with(dep, key(6), nil)),
		"dep without value":               edits(with(dep, key(3), nil)),
		"dep on 2^32":                     edits(with(dep, key(6), 1<<32)),
		"dep with value 1":                edits(with(dep, key(3), 1)),
		"unknown key with null":           with(baseMap(), key(9), raw("f6")),
		"unknown key with NaN":            with(baseMap(), key(9), raw("f97e00")),
		"unknown key with a tag":          with(baseMap(), key(9), raw("c11a514b67b0")),
		"unknown key with invalid UTF-8":  with(baseMap(), key(9), raw("61ff")),
		"unknown kind with invalid UTF-8": edits(editMap(), fields{key(1): 9, key(3): raw("61ff")}),
		"unknown key with infinity":       with(baseMap(), key(9), raw("f97c00")),
		"unknown key with 257 elements":   with(baseMap(), key(9), make([]bool, 257)),
		"unknown key with 65 pairs":       with(baseMap(), key(9), manyPairs(65)),
		"unknown key 2^63":                with(baseMap(), key(1<<63), 1),
		"unknown key of bytes":            with(baseMap(), cbor.ByteString("x"), 1),
		"key 2^63 under an unknown key":   with(baseMap(), key(9), []any{fields{key(1 << 63): 1}}),
		"key -2^64 under an unknown key":  with(baseMap(), key(9), raw("a13bffffffffffffffff01")),
		"key of bytes under an unknown":   with(baseMap(), key(9), fields{"a": fields{cbor.ByteString("x"): 1}}),
		"key 1.5 under an unknown key":    with(baseMap(), key(9), fields{1.5: 1}),
		"key true under an unknown key":   with(baseMap(), key(9), fields{true: 1}),
		"key [] under an unknown key":     with(baseMap(), key(9), raw("a18001")),
		"65 KiB under an unknown key":     with(baseMap(), key(9), strings.Repeat("x", 65<<10)),
		"unknown key nested too deep":     with(baseMap(), key(9), raw("8181818181818181 01")),
	}
	for name, p := range tests {
		t.Run(name, func(t *testing.T) {
			signed := signMap(t, p)
			op, err := crdt.Verify(signed.Payload, signed.Signature)
			wantError(t, err, crdt.ErrMalformed)
			if op != nil {
				t.Error("Verify returns an op besides the error")
			}
			op, err = crdt.Decode(signed.Payload)
			wantError(t, err, crdt.ErrMalformed)
			if op != nil {
				t.Error("Decode returns an op besides the error")
			}
		})
	}
}

// manyMore returns the payload of an honest op with so many pairs.
func manyMore(n int) fields {
	p := baseMap()
	for i := uint64(9); len(p) < n; i++ {
		p[i] = i
	}
	return p
}

func manyPairs(n int) fields {
	m := fields{}
	for i := range n {
		m[uint64(i)] = i
	}
	return m
}

// TestVersion: an op of another version is told from a broken one, whatever its
// other keys hold.
func TestVersion(t *testing.T) {
	for name, p := range map[string]fields{
		"same shape":   with(baseMap(), uint64(1), 3),
		"other shape":  with(with(baseMap(), uint64(1), 3), uint64(2), "not bytes"),
		"little shape": {uint64(1): uint64(math.MaxUint64)},
		"after key 0":  with(with(baseMap(), uint64(1), 3), uint64(0), "first"),
		"floats":       with(with(baseMap(), uint64(1), 3), uint64(3), 1.5),
		"tags":         with(with(baseMap(), uint64(1), 3), uint64(2), raw("c11a514b67b0")),
		"many pairs":   with(manyMore(100), uint64(1), 3),
		"version 0":    with(baseMap(), uint64(1), 0),
		"no version":   with(baseMap(), uint64(1), nil),
	} {
		t.Run(name, func(t *testing.T) {
			signed := signMap(t, p)
			_, err := crdt.Verify(signed.Payload, signed.Signature)
			wantError(t, err, crdt.ErrVersion, "version")
		})
	}
	for name, payload := range map[string][]byte{
		"cut":                raw("a6 01 03 02 58"),
		"another CBOR":       raw("a3 01 03 9f ff"),
		"greatest and no op": raw("a1 01 1bffffffffffffffff ffff"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := crdt.Decode(payload)
			wantError(t, err, crdt.ErrVersion, "version")
		})
	}
	for name, payload := range map[string][]byte{
		"as text":                signMap(t, with(baseMap(), uint64(1), "1")).Payload,
		"negative":               signMap(t, with(baseMap(), uint64(1), -1)).Payload,
		"not the shortest":       raw("a1 01 1802"),
		"after a malformed key":  raw("a2 00 f6 01 02"),
		"missing in a broken op": raw("a1 02 f6"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := crdt.Decode(payload)
			wantError(t, err, crdt.ErrMalformed)
		})
	}
}
